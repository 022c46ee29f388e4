"""Safe fixes are safe: on every fixture, every example of a rule and random configurations no client notices them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nginxtls.fix import plan
from nginxtls.fix.proof import State, handshakes, objection
from nginxtls.fix.rounds import Outcome, fix
from nginxtls.linting.run import lint
from nginxtls.linting.settings import Settings
from nginxtls.model import refusals
from tests.rules.conftest import Options, all_rules, configure, fixtures, samples
from tests.test_equivalence import LINES, SERVER, Server, block

Lint = Callable[[Mapping[str, str]], State]
NAME = "nginx.conf"
CASES = {f"{f.rule}/{f.path.stem}": (f.text, f.options) for f in fixtures()}
CASES |= {f"{s.rule.name} {number}": (s.text, s.options) for number, s in enumerate(samples())}


def linter(text: str, options: Options) -> Lint:
    """Lints a text, or what it has become."""

    def state(texts: Mapping[str, str]) -> State:
        subject = configure(NAME, texts.get(NAME, text), options)
        return State(lint([subject], all_rules(), Settings(pedantic=True)), subject.configurations)

    return state


def proven(text: str, options: Options) -> Outcome:
    """The outcome of all safe fixes, after checking that nothing but the text changes."""
    state = linter(text, options)
    outcome = fix(state, unsafe=False)
    new = next(iter(outcome.texts.values()), text)
    before, after = state({}), state({NAME: new})
    assert handshakes(before.configurations) == handshakes(after.configurations)
    assert not fix(linter(new, options), unsafe=False).texts
    return outcome


@pytest.mark.parametrize("case", CASES)
def test_safe_fixes_change_no_handshake_and_lead_to_no_finding(case: str) -> None:
    outcome = proven(*CASES[case])
    assert not [f"{f.rule} in line {f.location.span.line}: {reason}" for f, reason in outcome.disproven]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    servers=[(["listen 443 ssl;"], [], None, ["ssl_early_data on;", "ssl_protocols TLSv1 TLSv1.2;"], [])],
    level=["ssl_early_data on;"],
    nginx=None,
    openssl=None,
)
@given(
    servers=st.lists(SERVER, min_size=1, max_size=4),
    level=st.lists(st.sampled_from(LINES[1:]), max_size=3, unique=True),
    nginx=st.sampled_from([None, "1.18.0", "1.22.1", "1.26.3", "1.30.6"]),
    openssl=st.sampled_from([None, "1.1.1w", "3.0.20", "3.6.5"]),
)
def test_so_they_do_on_random_configurations(
    servers: list[Server], level: list[str], nginx: str | None, openssl: str | None
) -> None:
    text = "events {}\nhttp {\n" + "".join(f"    {line}\n" for line in level) + "".join(map(block, servers)) + "}\n"
    text, options = text.replace("    include tls.conf;\n", ""), Options(nginx=nginx, openssl=openssl)
    outcome = proven(text, options)
    # Of two servers with the same needless line, the fix of one can make the other's a surprise: then it is left.
    allowed = ["it would lead to "]
    if any(refusal.level == "emerg" for each in linter(text, options)({}).configurations for refusal in refusals(each)):
        # Such as two lines with the same address in a server, of which a fix changes one.
        allowed.append("nginx would refuse ")
    assert not [reason for _, reason in outcome.disproven if not reason.startswith(tuple(allowed))]


@pytest.mark.parametrize("case", CASES)
def test_each_fix_removes_its_finding_and_nginx_refuses_nothing_new(case: str) -> None:
    """The fixes of the rule that the case is about, and the safe ones of all others."""
    text, options = CASES[case]
    state = linter(text, options)
    before = state({})
    for finding in before.report.findings:
        if finding.fix is None or not (finding.fix.safe or finding.rule in case.replace(" ", "/").split("/")):
            continue
        for new in plan([finding], unsafe=True).texts.values():
            after = state({NAME: new})
            reason = objection(before, after, safe=False, fixed=[finding])
            # What leads to a worse fault is not applied.
            assert reason.partition(" to ")[0] in ("", "it would lead"), f"{finding.rule}: {finding.message}: {reason}"
            assert count(after, finding.rule) < count(before, finding.rule), f"{finding.rule} is still reported"


def count(state: State, rule: str) -> int:
    return sum(finding.rule == rule for finding in state.report.findings)
