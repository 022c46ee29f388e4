"""The linter: which rules meet what, and what becomes of their findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nginxtls
from nginxtls import api
from nginxtls.base.errors import UsageError
from nginxtls.base.limits import LIMITS
from nginxtls.finding import Finding, Severity
from nginxtls.linting.registry import choose, installed_rules
from nginxtls.linting.report import Report
from nginxtls.linting.run import lint
from nginxtls.linting.settings import Settings
from nginxtls.linting.subjects import Subject
from nginxtls.model import Configuration
from nginxtls.rule import Rule
from nginxtls.syntax import Tree, parse_text
from nginxtls.syntax.reading import source
from nginxtls.testing import whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model import VirtualServer
    from nginxtls.syntax import Directive

SITE = """\
events {}
http {
    server {
        listen 80;
        server_name a.example.com;
    }
    server {
        listen 80;
        server_name b.example.com;
    }
}
"""


class PlainListen(Rule):
    """A listen directive."""

    directives = ("listen",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        yield self.at(directive, f"listens on {directive.args[0]}")


class PlainServer(Rule):
    """A server."""

    severity = Severity.NOTE

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        assert server.directive
        yield self.at(server.directive, "a server", endpoints=[server.names[0].text])


class Broken(Rule):
    """A rule with a fault."""

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        raise KeyError("-----BEGIN PRIVATE KEY-----MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg")
        yield


class Advice(Rule):
    """Hardening."""

    pedantic = True

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        yield self.at(configuration.directives("http")[0], "advice")


RULES: dict[str, Rule] = {rule.name: rule for rule in (Advice(), PlainListen(), PlainServer())}


def run(
    *texts: str, settings: Settings | None = None, rules: dict[str, Rule] = RULES, requested: int | None = None
) -> Report:
    subjects = []
    for number, text in enumerate(texts):
        file = parse_text(text, f"{number}.conf")
        configuration = Configuration(Tree([file], [file]))
        subjects.append(Subject(configuration, {file} if requested in (None, number) else set()))
    return lint(subjects, rules, settings or Settings())


def reported(report: Report) -> list[tuple[str, int]]:
    return [(finding.rule, finding.location.span.line) for finding in report.findings]


def test_findings_are_told_in_the_order_of_the_text() -> None:
    assert reported(run(SITE)) == [("plain-server", 3), ("plain-listen", 4), ("plain-server", 7), ("plain-listen", 8)]


def test_a_fault_met_in_two_configurations_is_told_once_with_all_endpoints() -> None:
    file = parse_text(SITE)
    subjects = [Subject(Configuration(Tree([file], [file])), {file}) for _ in range(2)]
    assert len(lint(subjects, RULES, Settings()).findings) == 4


def test_only_what_was_asked_for_is_told() -> None:
    report = run(SITE, SITE, requested=1)
    assert {finding.location.name for finding in report.findings} == {"1.conf"}


def test_a_broken_rule_is_told_once_without_its_words_and_the_rest_goes_on() -> None:
    report = run(SITE, rules={**RULES, "broken": Broken()})
    assert len(report.findings) == 4
    (failure,) = report.failures
    assert failure.subject == "rule broken"
    assert "KeyError in test_linter.py" in failure.reason
    assert "MIGH" not in failure.reason


class Panic(BaseException):
    """What the Rust core of a library raises."""


Panic.__module__ = "pyo3_runtime"


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), Panic("-----BEGIN PRIVATE KEY-----")])
def test_whatever_a_rule_raises_costs_its_own_findings(error: BaseException) -> None:
    class Raising(Rule):
        """A rule with a fault."""

        def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
            raise error
            yield

    report = run(SITE, rules={**RULES, "raising": Raising()})
    assert len(report.findings) == 4
    assert [failure.subject for failure in report.failures] == ["rule raising"]


def test_an_interrupt_ends_the_run() -> None:
    class Interrupted(Rule):
        """A rule during which the user gives up."""

        def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
            raise KeyboardInterrupt
            yield

    with pytest.raises(KeyboardInterrupt):
        run(SITE, rules={"interrupted": Interrupted()})


def test_a_broken_part_of_the_model_costs_only_the_rules_that_look_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(configuration: Configuration) -> list[object]:
        raise KeyError

    monkeypatch.setattr("nginxtls.model.Configuration.upstreams", property(broken))

    class Upstreams(Rule):
        """A rule on upstreams."""

        def check_upstream(self, upstream: object, configuration: Configuration) -> Iterator[Finding]:
            yield self.at(configuration.directives("http")[0], "x")

    report = run(SITE, rules={**RULES, "upstreams": Upstreams()})
    assert len(report.findings) == 4
    (failure,) = report.failures
    assert "the model stopped with KeyError" in failure.reason


def test_findings_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "findings", 3)
    report = run(SITE)
    assert len(report.findings) == 3
    assert any("more than 3 findings" in entry.reason for entry in report.not_checked)


def test_texts_of_a_finding_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    class Long(Rule):
        """A rule that quotes a word of megabytes."""

        def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
            assert server.directive
            yield self.at(server.directive, "a" + "x" * 5_000_000 + "z", label="y" * 10_000, help="h" * 10_000)

    for finding in run(SITE, rules={"long": Long()}).findings:
        assert max(map(len, (finding.message, finding.label, finding.help))) <= 2000
        assert finding.message[0] + finding.message[-1] == "az"


def test_hardening_advice_is_asked_for() -> None:
    assert ("advice", 2) not in reported(run(SITE))
    assert ("advice", 2) in reported(run(SITE, settings=Settings(pedantic=True)))
    assert reported(run(SITE, settings=Settings(select=("advice",)))) == [("advice", 2)]


@pytest.mark.parametrize(
    ("select", "ignore", "names"),
    [
        ((), (), ["plain-listen", "plain-server"]),
        (("plain-listen",), (), ["plain-listen"]),
        (("plain-*",), ("plain-server",), ["plain-listen"]),
        (("test_linter",), (), ["plain-listen", "plain-server"]),
        ((), ("*",), []),
    ],
)
def test_rules_are_chosen_by_name_topic_or_pattern(
    select: tuple[str, ...], ignore: tuple[str, ...], names: list[str]
) -> None:
    assert [rule.name for rule in choose(RULES, select, ignore, pedantic=False)] == names


def test_an_unknown_rule_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError) as trouble:
        run(SITE, settings=Settings(select=("plain-lisen",)))
    assert trouble.value.help == 'did you mean "plain-listen"?'


def test_severities_are_changed_and_the_least_is_kept() -> None:
    settings = Settings(severity=(("plain-server", "error"),), min_severity="error")
    assert {finding.rule for finding in run(SITE, settings=settings).findings} == {"plain-server"}


def test_a_rule_is_ignored_for_paths() -> None:
    settings = Settings(per_path_ignores=(("1.*", ("plain-*",)),))
    assert {finding.location.name for finding in run(SITE, SITE, settings=settings).findings} == {"0.conf"}


def test_what_a_comment_ignores_is_kept_apart() -> None:
    report = run(SITE.replace("80;", "80; # nginxtls: ignore[plain-listen] known", 1))
    assert ("plain-listen", 4) not in reported(report)
    assert [finding.suppressed for finding in report.suppressed] == ["ignored: known"]


def comments(text: str) -> list[tuple[str, int, str]]:
    rules = {**RULES, **{name: rule for name, rule in installed_rules().items() if rule.topic == "suppression"}}
    report = run(text, rules=rules)
    return [(f.rule, f.location.span.column, f.message) for f in report.findings if "suppression" in f.rule]


def test_a_comment_of_no_use_is_told_at_its_place() -> None:
    text = SITE.replace("events {}", "events {} # nginxtls: ignore[plain-server]")
    assert comments(text) == [
        ("unused-suppression", 30, "the suppression of plain-server has no effect: it reports nothing here")
    ]
    assert comments(SITE.replace("80;", "80; # nginxtls: ignore[plain-listen]")) == []


def test_a_comment_for_a_rule_that_did_not_run_may_be_of_use() -> None:
    assert comments(SITE.replace("events {}", "events {} # nginxtls: ignore[advice]")) == []


def test_an_unknown_or_missing_name_is_told() -> None:
    text = SITE.replace("events {}", "events {} # nginxtls: ignore[plain-sever]")
    assert comments(text) == [
        ("unknown-suppression", 30, 'the comment suppresses nothing: there is no rule "plain-sever"')
    ]
    assert comments(SITE.replace("events {}", "events {} # nginxtls: ignore"))[0][0] == "unknown-suppression"


def test_the_report_counts_what_was_looked_at() -> None:
    report = run(SITE, SITE)
    assert (report.files, report.servers, report.certificates) == (2, 4, 0)


def test_text_that_nginx_cannot_read_is_a_failure_with_its_place() -> None:
    report = run("http {\n    server {\n")
    assert report.failures
    assert all(failure.location and failure.location.name == "0.conf" for failure in report.failures)


def test_includes_that_cannot_be_followed_are_told_once(tmp_path: Path) -> None:
    site = "server { include snippets/tls.conf; include /etc/passwd; }\n"
    (tmp_path / "nginx.conf").write_text(f"events {{ }}\nhttp {{\n{site}{site}include none/*.conf;\n}}\n")
    reported = {(entry.subject, entry.reason) for entry in nginxtls.check(tmp_path).not_checked}
    assert reported == {
        ("snippets/tls.conf", "no such file"),
        ("/etc/passwd", "outside the folders that may be read"),
        ("none/*.conf", "no such file"),
    }
    whole = nginxtls.check(tmp_path, root=tmp_path, maps={"/etc/passwd": str(tmp_path / "nginx.conf")})
    assert "none/*.conf" not in {entry.subject for entry in whole.not_checked}, "a pattern may match nothing"


@pytest.mark.parametrize("version", ["1.18.0", "1.26.3", "1.31.6"])
def test_no_rule_fails_on_the_lines_of_a_server_alone(tmp_path: Path, version: str) -> None:
    """A snippet is taken as a server of which the block is not seen: nothing can be added to it."""
    bodies: set[str] = set()
    for rule in installed_rules().values():
        for example in rule.examples:
            file = source("example.conf", whole(example.code))
            servers = [d for d in file.walk() if d.name == "server" and d.block]
            bodies.update(file.text[d.block[0].start : d.block[-1].end] for d in servers if d.block)
    for number, body in enumerate(sorted(bodies)):
        (tmp_path / f"{number}.conf").write_text(f"{body}\n")
    report = api.report([str(tmp_path)], Settings(nginx_version=version, openssl_version="3.5.9", pedantic=True))
    assert [failure for failure in report.failures if failure.trace] == []
    assert len(report.findings) > 100
