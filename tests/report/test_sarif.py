"""SARIF against the official schema, and what GitHub code scanning makes of it."""

from __future__ import annotations

import gzip
import json
import re
import urllib.parse
from typing import Any

import pytest
from jsonschema import Draft4Validator

import nginxtls
from nginxtls.finding import Finding, Location, Severity
from nginxtls.fix import apply
from nginxtls.linting.report import Report
from nginxtls.report import Options, Revision, renderer, sarif
from nginxtls.syntax.tree import SourceFile

render = renderer("sarif")
OPTIONS = Options(version="1.2.3", status=1)
LEVELS = ["error", "warning", "note"]


def run_of(report: Report, options: Options = OPTIONS) -> dict[str, Any]:
    log = json.loads(render(report, options))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    run: dict[str, Any] = log["runs"][0]
    return run


@pytest.fixture
def validator(schema: Any) -> Draft4Validator:
    return Draft4Validator(schema("sarif-schema-2.1.0.json"), format_checker=Draft4Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("name", ["ordinary", "hostile", "many"])
@pytest.mark.parametrize("shown", [False, True])
def test_it_is_valid(name: str, shown: bool, validator: Draft4Validator, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    text = render(report, Options(show_suppressed=shown, revision=Revision("https://example.com/r", "abc", "main")))
    assert text.isascii()
    log = json.loads(text)
    run = log["runs"][0]
    if name == "many":  # the validator is slow, and the results are alike
        run["results"] = run["results"][:20]
    validator.validate(log)
    assert_github_takes_it(run)


def assert_github_takes_it(run: dict[str, Any]) -> None:
    """The limits and needs that GitHub's documentation of its SARIF support lists."""
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert len(rule.get("properties", {}).get("tags", [])) <= 10
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert len(result["locations"]) == 1
        assert set(result["partialFingerprints"]) <= {"nginxtls/v1"}
        physical = result["locations"][0]["physicalLocation"]
        region = physical["region"]
        assert region["startLine"] == region["endLine"]
        assert 1 <= region["startColumn"] < region["endColumn"]
        assert_relative(physical["artifactLocation"])
        related = {place["id"] for place in result.get("relatedLocations", [])}
        links = re.findall(r"(?<!\\)\[(?:\\.|[^\]\\])*\]\((.*?)\)", result["message"]["text"])
        assert {int(link) for link in links} == related


def assert_relative(artifact: dict[str, str]) -> None:
    assert artifact["uriBaseId"] == "%SRCROOT%"
    assert re.fullmatch(r"[A-Za-z0-9%/._~!$&'()*+,;=@-]+", artifact["uri"])
    assert not artifact["uri"].startswith(("./", "/"))


def test_a_result_says_all_that_the_finding_does(ordinary: Report) -> None:
    result = run_of(ordinary)["results"][0]
    assert result["message"]["text"].splitlines() == [
        "TLS 1.0 is accepted for shop.example.com (enables TLS 1.0)",
        "[this server decides the protocols of every name on *:443](1) (sites-enabled/default.conf:2)",
        "[not used for this name by nginx 1.26](2) (sites-enabled/shop.conf:5)",
        "Note: clients of before 2010 need it",
        "Note: affects shop.example.com on *:443, www.example.com on *:443, a.example.com on *:443 and 2 more",
        "Help: TLS 1.0 clients will be refused (unsafe fix: remove `TLSv1`)",
    ]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "nginx.conf", "uriBaseId": "%SRCROOT%"}
    assert physical["region"] == {
        "startLine": 9, "startColumn": 19, "endLine": 9, "endColumn": 24, "snippet": {"text": "TLSv1"}
    }  # fmt: skip
    assert physical["contextRegion"]["snippet"]["text"] == "    ssl_protocols TLSv1 TLSv1.2;"
    steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["physicalLocation"]["region"]["startLine"] for step in steps] == [9, 2, 5]
    assert result["partialFingerprints"] == {"nginxtls/v1": "ab" * 16}
    assert "suppressions" not in result


def test_only_rules_with_results_are_described(ordinary: Report) -> None:
    """The pages of all rules would take half a megabyte."""
    silent = ordinary._replace(rules={**ordinary.rules, "other-rule": ordinary.rules["legacy-protocol"]})
    assert [rule["id"] for rule in run_of(silent)["tool"]["driver"]["rules"]] == [
        "legacy-protocol",
        "repeated-directive",
    ]


def test_a_rule_brings_its_page(ordinary: Report) -> None:
    rule, unknown = run_of(ordinary)["tool"]["driver"]["rules"]
    assert (rule["id"], rule["name"]) == ("legacy-protocol", "LegacyProtocol")
    assert rule["shortDescription"]["text"] == "TLS 1.0 is accepted."
    assert rule["fullDescription"]["text"] == "TLS 1.0 is accepted.\n\nIt was retired in 2021."
    assert "Good:\n\n```nginx\nssl_protocols TLSv1.2;\n```" in rule["help"]["markdown"]
    assert rule["helpUri"] == "https://www.rfc-editor.org/rfc/rfc8996"
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["properties"]["security-severity"] == "7.5"
    assert rule["properties"]["precision"] == "very-high"
    assert {"security", "external/cwe/cwe-327"} <= {*rule["properties"]["tags"]}
    assert unknown["id"] == "repeated-directive"


def test_replacements_do_what_the_fix_does(ordinary: Report) -> None:
    """A reader of SARIF that applies them gets the very text that we would write."""
    for finding, result in zip(ordinary.findings, run_of(ordinary)["results"], strict=True):
        (change,) = result["fixes"][0]["artifactChanges"]
        (replacement,) = change["replacements"]
        region = replacement["deletedRegion"]
        file = finding.location.file
        start, end = (
            file.line_starts[region[f"{side}Line"] - 1] + region[f"{side}Column"] - 1 for side in ("start", "end")
        )
        mended = file.text[:start] + replacement["insertedContent"]["text"] + file.text[end:]
        assert mended == apply([finding], unsafe=True)[file]


def test_suppressed_results_are_left_out_unless_asked_for(ordinary: Report) -> None:
    assert len(run_of(ordinary)["results"]) == 2
    shown = run_of(ordinary, Options(show_suppressed=True))["results"]
    assert [result.get("suppressions") for result in shown] == [
        None,
        [{"kind": "external", "status": "accepted", "justification": "in the baseline"}],
        [{"kind": "inSource", "status": "accepted", "justification": "old phones \\[sic\\]".replace("\\", "")}],
        None,
    ]


def test_what_could_not_be_done_is_notified(ordinary: Report, hostile: Report) -> None:
    (invocation,) = run_of(ordinary)["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 1)
    notes = invocation["toolExecutionNotifications"]
    assert [(note["level"], note["message"]["text"]) for note in notes] == [
        ("note", "not checked: a.key: no permission"),
        ("note", "not checked: b.key: no permission"),
    ]
    assert run_of(hostile)["invocations"][0]["executionSuccessful"] is False


def test_the_repository_is_named(ordinary: Report) -> None:
    run = run_of(ordinary, Options(revision=Revision("https://example.com/r", "abc", "main")))
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": "file:///srv/repository/"}}
    assert run["versionControlProvenance"][0]["revisionId"] == "abc"
    assert run["columnKind"] == "unicodeCodePoints"


@pytest.mark.parametrize(
    ("name", "path", "outer", "expected"),
    [
        ("../a b/ü#?%.conf", "/srv/repository/a b/ü#?%.conf", None, "a%20b/%C3%BC%23%3F%25.conf"),
        ("a\udcff.conf", "/srv/repository/a\udcff.conf", None, "a%FF.conf"),
        ("x", "/etc/nginx/nginx.conf", None, "file:///etc/nginx/nginx.conf"),
        ("-", None, None, "stdin"),
        ("/etc/nginx/a.conf", None, ("/srv/repository/dump.txt", 40), "dump.txt"),
    ],
)
def test_paths_are_uris_from_the_root(
    name: str, path: str | None, outer: tuple[str, int] | None, expected: str
) -> None:
    file = SourceFile(name, "listen 443;\n", path)
    file.outer = outer
    finding = Finding("r", Severity.NOTE, "m", Location(file, file.span(0, 6)))
    (result,) = run_of(Report((finding,), {}, root="/srv/repository"))["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == expected
    assert ("uriBaseId" in physical["artifactLocation"]) == ("://" not in expected)
    assert physical["region"]["startLine"] == (41 if outer else 1)


def test_links_are_followed_to_the_real_file(tmp_path: Any) -> None:
    (tmp_path / "sites-available").mkdir()
    (tmp_path / "sites-enabled").mkdir()
    (tmp_path / "sites-available" / "a.conf").write_text("listen 1;")
    (tmp_path / "sites-enabled" / "a.conf").symlink_to("../sites-available/a.conf")
    file = SourceFile("sites-enabled/a.conf", "listen 1;", str(tmp_path / "sites-enabled" / "a.conf"))
    finding = Finding("r", Severity.NOTE, "m", Location(file, file.span(0, 6)))
    (result,) = run_of(Report((finding,), {}, root=str(tmp_path)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sites-available/a.conf"


def test_more_than_github_shows_is_cut_by_severity(many: Report) -> None:
    run = run_of(many)
    levels = [result["level"] for result in run["results"]]
    assert len(levels) == 5_000
    assert levels == sorted(levels, key=LEVELS.index)
    assert levels.count("error") == many.count(Severity.ERROR)
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert [note["message"]["text"] for note in notes if note["level"] == "warning"] == [
        "5,000 of the least severe findings are left out to stay within GitHub's limits"
    ]


def test_the_file_stays_below_the_limit_of_an_upload(many: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "BYTES", 100_000)
    text = render(many, OPTIONS)
    assert len(gzip.compress(text.encode())) <= 100_000
    results = json.loads(text)["runs"][0]["results"]
    assert 100 < len(results) < 5_000
    assert {result["level"] for result in results} == {"error"}


def test_brackets_of_a_message_make_no_links(hostile: Report) -> None:
    text = run_of(hostile)["results"][0]["message"]["text"]
    assert "\\[x\\](http://evil)" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_fingerprints_stay_while_lines_move(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "server {\n listen 443 ssl;\n ssl_protocols SSLv3 TLSv1.2; # nginxtls: ignore[none-such]\n}\n"
    marks = []
    for text in (lines, "# a\n" * 10 + lines):
        (tmp_path / "a.conf").write_text(text)
        report = nginxtls.check("a.conf", pedantic=True)
        assert report.findings
        marks.append([result["partialFingerprints"] for result in run_of(report)["results"]])
        assert all(urllib.parse.unquote(r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
                   for r in run_of(report)["results"])  # fmt: skip
    assert marks[0] == marks[1]
