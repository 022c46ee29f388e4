"""Rounds of fixes: they end, and a fix that does not keep its promise is not applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping

import pytest

from nginxtls.finding import Finding, Fix, Severity
from nginxtls.fix.proof import State
from nginxtls.fix.rounds import MAX_DISPROVEN, MAX_ROUNDS, Outcome, fix
from nginxtls.linting.run import lint
from nginxtls.linting.settings import Settings
from nginxtls.model import Configuration
from nginxtls.rule import Rule, delete, replace_argument
from nginxtls.syntax.tree import Directive
from tests.rules.conftest import Options, all_rules, configure

TEXT = """\
events {}
http {
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2;
        ssl_session_timeout 1d;
        ssl_buffer_size 4k;
    }
}
"""


class NeedlessTimeout(Rule):
    """Its fix is safe."""

    directives = ("ssl_session_timeout",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        yield self.at(directive, "needless", fix=Fix("remove it", (delete(directive),), safe=True))


class Replaces(Rule):
    """Writes ``text`` for the first argument and says that no client notices."""

    directives = ("ssl_protocols",)
    text = ""

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        edit = replace_argument(directive, 0, self.text)
        if directive.args != tuple(self.text.split()):
            yield self.at(directive, "wrong", fix=Fix("write it", (edit,), safe=True))


class Other(Rule):
    """Finds what another fix leads to."""

    directives = ("ssl_buffer_size",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not any(line.name == "ssl_session_timeout" for line in configuration.tree.roots[0].walk()):
            yield self.at(directive, "new")


class Grows(Rule):
    """Is never satisfied."""

    directives = ("ssl_session_timeout",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        yield self.at(
            directive,
            f"short: {directive.args[0]}",
            fix=Fix("longer", (replace_argument(directive, 0, f"{directive.args[0]}1d"),)),
        )


def run(*rules: Rule, unsafe: bool = False, requested: Container[str] = ()) -> Outcome:
    def state(texts: Mapping[str, str]) -> State:
        subject = configure("nginx.conf", texts.get("nginx.conf", TEXT), Options())
        return State(lint([subject], {rule.name: rule for rule in rules}, Settings()), subject.configurations)

    return fix(state, unsafe=unsafe, requested=requested)


def writing(text: str) -> Rule:
    rule = Replaces()
    rule.text = text
    return rule


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("TLSv1.2 TLSv1.3", "a client would meet a different handshake"),
        ("TLSv9", "nginx would refuse the configuration after it"),
        ("TLSv1.2; } }", "nginx could not read the file after it"),
    ],
)
def test_a_fix_that_is_not_safe_is_not_applied_and_the_others_are(text: str, reason: str) -> None:
    outcome = run(NeedlessTimeout(), writing(text))
    assert list(outcome.texts.values()) == [TEXT.replace("        ssl_session_timeout 1d;\n", "")]
    assert [finding.rule for finding in outcome.fixed] == ["needless-timeout"]
    assert [(finding.rule, why) for finding, why in outcome.disproven] == [("replaces", reason)]
    assert outcome.left == outcome.disproven


def test_a_safe_fix_that_leads_to_a_finding_is_not_applied() -> None:
    outcome = run(NeedlessTimeout(), Other())
    assert outcome.texts == {}
    assert [why for _, why in outcome.disproven] == ["it would lead to other"]


def test_an_unsafe_fix_may_change_handshakes_but_not_break_the_configuration() -> None:
    class Adds(Replaces):
        def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
            if len(directive.args) == 1:
                edit = replace_argument(directive, 0, "TLSv1.2 TLSv1.3")
                yield self.at(directive, "lacking", fix=Fix("add it", (edit,)))

    assert list(run(Adds(), unsafe=True).texts.values()) == [TEXT.replace("TLSv1.2", "TLSv1.2 TLSv1.3")]
    assert run(Adds()).texts == {}


class Remains(Rule):
    """Its fix does not help."""

    directives = ("ssl_session_timeout",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        yield self.at(directive, "wrong", fix=Fix("write it", (replace_argument(directive, 0, "2d"),)))


class Worse(Rule):
    """Finds what the fix of a warning leads to."""

    severity = Severity.ERROR
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if len(directive.args) > 1:
            yield self.at(directive, "two versions")


class Appends(Rule):
    """Its unsafe fix removes its finding."""

    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if len(directive.args) == 1:
            yield self.at(directive, "one", fix=Fix("add it", (replace_argument(directive, 0, "TLSv1.2 TLSv1.3"),)))


def test_an_unsafe_fix_removes_its_finding_and_leads_to_nothing_more_severe() -> None:
    assert [why for _, why in run(Remains(), unsafe=True).disproven] == ["the finding would remain"]
    assert [why for _, why in run(Appends(), Worse(), unsafe=True).disproven] == ["it would lead to worse"]
    assert run(Appends(), unsafe=True).texts


def test_fixes_of_requested_rules_are_applied_though_they_are_unsafe() -> None:
    done = run(Appends(), Remains(), requested={"appends"})
    assert [finding.rule for finding in done.fixed] == ["appends"]
    assert [why for _, why in done.left] == ["the fix is unsafe"]


def test_fixes_that_never_end_are_cut() -> None:
    outcome = run(Grows(), unsafe=True)
    assert len(outcome.fixed) == MAX_ROUNDS
    assert [why for _, why in outcome.left] == ["fixes keep leading to new ones"]


PROTOCOLS = "        ssl_protocols TLSv1.2;"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("        # nginxtls: ignore[missing-stapling] as agreed\n" + PROTOCOLS, PROTOCOLS),
        (PROTOCOLS + "  # nginxtls: ignore[missing-tls13, weak-dhparam]", PROTOCOLS),
        (PROTOCOLS + "  # nginxtls: ignore[legacy-protocol, only] why", PROTOCOLS + "  # nginxtls: ignore[only] why"),
        (PROTOCOLS + "  # nginxtls: ignore[only, legacy-protocol]", PROTOCOLS + "  # nginxtls: ignore[only]"),
        (PROTOCOLS + "  # nginxtls: ignore[only,legacy-protocol,a]", PROTOCOLS + "  # nginxtls: ignore[only,a]"),
    ],
)
def test_unused_names_of_comments_are_removed(before: str, after: str) -> None:
    class Only(Replaces):
        def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
            yield self.at(directive, "ignored on purpose")

    rules = {name: Rule() for name in ("missing-stapling", "missing-tls13", "weak-dhparam", "legacy-protocol")}
    known = {**rules, "only": Only(), "unused-suppression": all_rules()["unused-suppression"]}
    for name, rule in rules.items():
        rule.__dict__["name"] = name
    text = TEXT.replace(PROTOCOLS, before)

    def state(texts: Mapping[str, str]) -> State:
        subject = configure("nginx.conf", texts.get("nginx.conf", text), Options())
        return State(lint([subject], known, Settings()), subject.configurations)

    assert list(fix(state, unsafe=False).texts.values()) == [TEXT.replace(PROTOCOLS, after)]


def test_a_rule_whose_fixes_fail_their_proof_is_left_after_some(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f"        ssl_session_timeout {number}d;\n" for number in range(200))
    text = TEXT.replace("        ssl_session_timeout 1d;\n", lines)
    monkeypatch.setattr(f"{__name__}.TEXT", text)
    runs = []

    class Counts(Rule):
        """Counts how often the rules run."""

        def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
            runs.append(configuration)
            return iter(())

    outcome = run(Remains(), Counts(), unsafe=True)
    assert Counter(why for _, why in outcome.left) == {
        "the finding would remain": MAX_DISPROVEN,
        "5 fixes of the rule failed their proof": 200 - MAX_DISPROVEN,
    }
    assert len(runs) < 60
