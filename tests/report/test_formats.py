"""The formats of build servers, each read by a schema or parser of its own; hostile names and texts stay text."""

from __future__ import annotations

import html.parser
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from lxml import etree

from nginxtls import check
from nginxtls.finding import Severity
from nginxtls.linting.report import Report
from nginxtls.report import BUILT_IN, Options, renderer

DATA = Path(__file__).with_name("data")
REPORTS = pytest.mark.parametrize("name", ["ordinary", "hostile", "empty"])
STEERING = {"\x1b", "\u202e", "\u200f", "\x00", "\udcff"}
ALL = Options(version="1.0", show_suppressed=True, verbose=True, statistics=True)


@pytest.fixture(name="empty")
def _empty() -> Report:
    return Report((), {})


@pytest.fixture(name="report")
def _report(name: str, request: pytest.FixtureRequest) -> Report:
    found = request.getfixturevalue(name)
    assert isinstance(found, Report)
    return found


@pytest.mark.parametrize("form", BUILT_IN)
@REPORTS
def test_nothing_steers_whoever_reads_it_raw(form: str, report: Report) -> None:
    for options in (Options(), ALL):
        text = renderer(form)(report, options)
        text.encode()
        assert not set(text) & STEERING
        assert "\r" not in text
        assert text.endswith("\n") or not text


# -- GitHub ------------------------------------------------------------------------------------------------------------


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Workflow commands as GitHub's runner reads them: a line each, properties and data unescaped."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"::([a-z-]+)(?: (.*?))?::(.*)", line)
        assert match, line
        properties = dict(part.split("=", 1) for part in (match[2] or "").split(",") if part)
        found.append((match[1], {k: unescaped(v) for k, v in properties.items()}, unescaped(match[3])))
    return found


def unescaped(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, character)
    return text


@REPORTS
def test_github_reads_one_command_a_finding(report: Report) -> None:
    found = [each for each in commands(renderer("github")(report, Options())) if each[0] != "debug"]
    assert len(found) == len(report.findings) + len(report.failures)
    for (command, properties, _), finding in zip(found, report.findings, strict=False):
        assert command == {"error": "error", "warning": "warning", "note": "notice"}[str(finding.severity)]
        assert set(properties) == {"file", "line", "endLine", "col", "endColumn", "title"}
        assert properties["title"] == f"nginxtls: {finding.rule}"
        assert properties["line"] == properties["endLine"]


def test_github_marks_the_words(ordinary: Report) -> None:
    command, properties, message = commands(renderer("github")(ordinary, Options()))[0]
    assert command == "error"
    assert properties == {
        "file": "nginx.conf", "line": "9", "endLine": "9", "col": "19", "endColumn": "23",
        "title": "nginxtls: legacy-protocol",
    }  # fmt: skip
    assert message.splitlines()[0] == "TLS 1.0 is accepted for shop.example.com"
    assert message.splitlines()[-1] == "help: TLS 1.0 clients will be refused (unsafe fix: remove `TLSv1`)"


# -- GitLab ------------------------------------------------------------------------------------------------------------


@REPORTS
def test_gitlab_reads_a_code_quality_report(report: Report, schema: Any) -> None:
    issues = json.loads(renderer("gitlab")(report, ALL))
    Draft202012Validator(schema("gitlab-code-quality.json")).validate(issues)
    assert len(issues) == len(report.findings) + len(report.suppressed)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    for issue, finding in zip(issues, report.findings, strict=False):
        assert ("help: " in issue["content"]["body"]) is bool(finding.help or finding.fix)


# -- XML ---------------------------------------------------------------------------------------------------------------


@REPORTS
@pytest.mark.parametrize("shown", [False, True])
def test_junit_fits_its_schema_and_counts(report: Report, shown: bool) -> None:
    text = renderer("junit")(report, Options(show_suppressed=shown)).encode()
    etree.XMLSchema(etree.parse(DATA / "junit.xsd")).assertValid(etree.fromstring(text))
    suite = ElementTree.fromstring(text)[0]
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) >= 1
    for outcome, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase/{outcome}"))
    assert int(suite.attrib["failures"]) == sum(finding.severity > Severity.NOTE for finding in report.findings)
    assert int(suite.attrib["skipped"]) == len(report.suppressed) * shown


@pytest.mark.parametrize(
    ("fail_on", "failed"),
    [
        (Severity.NOTE, {"legacy-protocol", "repeated-directive"}),
        (Severity.WARNING, {"legacy-protocol"}),
        (Severity.ERROR, {"legacy-protocol"}),
    ],
)
def test_junit_fails_what_fails_the_run(ordinary: Report, fail_on: Severity, failed: set[str]) -> None:
    """The ordinary report has an error and a note."""
    suite = ElementTree.fromstring(renderer("junit")(ordinary, Options(fail_on=fail_on)))[0]
    outcomes = {case.attrib["classname"].removeprefix("nginxtls."): case[0] for case in suite.findall("testcase")}
    assert {rule for rule, outcome in outcomes.items() if outcome.tag == "failure"} == failed
    texts = {rule: (outcome.text or "").splitlines() for rule, outcome in outcomes.items()}
    assert texts["legacy-protocol"][-1] == "help: TLS 1.0 clients will be refused (unsafe fix: remove `TLSv1`)"
    assert "the line stands there twice" in texts["repeated-directive"][0]


@REPORTS
def test_checkstyle_fits_its_schema(report: Report) -> None:
    text = renderer("checkstyle")(report, Options()).encode()
    etree.XMLSchema(etree.parse(DATA / "checkstyle.xsd")).assertValid(etree.fromstring(text))
    errors = ElementTree.fromstring(text).findall("file/error")
    assert len(errors) == len(report.findings) + len(report.failures)


def test_hyphens_in_a_row_leave_checkstyle_valid(tmp_path: Path) -> None:
    (tmp_path / "n.conf.j2").write_text("server { listen {{ a }} ssl; }\n-----BEGIN")
    report = check(tmp_path)
    assert any("-----" in entry.reason for entry in report.not_checked)
    etree.fromstring(renderer("checkstyle")(report, Options(verbose=True)).encode())


# -- Markdown and HTML -------------------------------------------------------------------------------------------------


def test_markdown_is_a_table_that_nothing_breaks_out_of(hostile: Report) -> None:
    text = renderer("markdown")(hostile, Options())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(hostile.findings)
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "<script" not in text
    assert not re.search(r"(?<!\\)[\[`]", text)
    assert not re.search(r"(?<!&)[@#]\w", text)


def test_markdown_ends_with_a_line_for_each_part_of_the_summary(ordinary: Report) -> None:
    text = renderer("markdown")(ordinary, Options())
    assert text.startswith("### nginxtls: 1 error, 1 note, 1 safe fix, 1 unsafe fix; 1 suppressed, 1 in the baseline\n")
    assert "<br>help: TLS 1.0 clients will be refused (unsafe fix: remove \\`TLSv1\\`) |" in text
    checked, left = text.splitlines()[-2:]
    assert checked.startswith("Checked 4 files, 3 servers, 2 endpoints, 1 certificate with facts of ")
    assert checked.endswith("<br>")
    assert left == "Not checked: 2 private keys (no permission)."


def test_a_comment_fits_into_github(many: Report) -> None:
    text = renderer("markdown")(many, Options())
    assert len(text) < 65_536
    assert re.search(r"… and [\d,]+ more\.", text)


class Page(html.parser.HTMLParser):
    """What a browser sees: tags, their attributes, the words outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@REPORTS
def test_the_page_is_whole_and_asks_for_nothing(report: Report) -> None:
    page = Page(renderer("html")(report, ALL))
    assert page.tags.count("script") == 1
    assert page.tags.count("article") == len(report.findings) + len(report.suppressed)
    assert not {"link", "img", "iframe", "object", "base"} & {*page.tags}
    assert not {"src", "srcset", "onclick", "onerror", "onload"} & {name for name, _ in page.attributes}
    assert all(value.startswith(("#", "https://")) for name, value in page.attributes if name == "href")


@pytest.mark.parametrize("form", [form for form in BUILT_IN if form not in ("text", "concise")])
def test_files_are_named_from_the_root(form: str, ordinary: Report) -> None:
    text = renderer(form)(ordinary, Options())
    assert "sites-enabled/shop.conf" in text
    assert "/srv/repository/sites-enabled" not in text
