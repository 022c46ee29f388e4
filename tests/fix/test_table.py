"""The table of rules with fixes is what the rules offer on their fixtures and examples.

``python -m tests.fix.test_table`` writes it anew; ``python tests/test_docs.py --write`` runs that, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nginxtls.linting.fixable import fixes
from nginxtls.rule import Rule
from tests.fix.test_safety import CASES, linter
from tests.rules.conftest import all_rules

TABLE = Path(__file__).parents[2] / "nginxtls" / "linting" / "fixes.tsv"


def table() -> str:
    """A line for each rule whose findings have fixes: its name and their kinds."""
    found: dict[str, set[str]] = {}
    for text, options in CASES.values():
        for finding in linter(text, options)({}).report.findings:
            if finding.fix:
                found.setdefault(finding.rule, set()).add("safe" if finding.fix.safe else "unsafe")
    return "".join("\t".join((rule, *sorted(kinds))) + "\n" for rule, kinds in sorted(found.items()))


def test_the_table_is_what_the_rules_offer() -> None:
    assert TABLE.read_text(encoding="utf-8") == table()


@pytest.mark.parametrize(("name", "kinds"), [("early-data-without-tls13", ("safe",)), ("expired-certificate", ())])
def test_a_rule_has_the_fixes_of_the_table(name: str, kinds: tuple[str, ...]) -> None:
    assert fixes(all_rules()[name]) == kinds


def test_of_a_rule_of_another_package_nothing_is_known() -> None:
    assert fixes(type("Elsewhere", (Rule,), {})()) is None


ELSEWHERE = frozenset(
    "broken-chain byte-order-mark ca-certificate-as-leaf certificate-expires-soon certificate-not-yet-valid"
    " client-ca-not-ca client-ca-without-root dead-end-path duplicate-certificate expired-certificate expired-client-ca"
    " expired-intermediate expired-upstream-client-certificate incomplete-crl intermediate-expires-soon"
    " intermediate-not-a-ca key-in-repository key-in-writable-folder key-owned-by-worker key-readable-by-others"
    " known-vulnerability leftover-client-ca lifetime-too-long malformed-certificate minor-vulnerability"
    " missing-digital-signature missing-intermediate missing-leaf name-constraint-violated nginx-without-fixes"
    " no-server-auth no-subject-alt-name openssl-without-fixes oversized-chain oversized-client-ca-list"
    " path-length-exceeded policy-key policy-lifetime quic-compatibility-layer renewal-failed revoked-certificate"
    " root-sent self-signed-certificate shared-key staging-certificate stale-crl test-certificate ticket-key-size"
    " uncommon-key-type unknown-critical-extension unrelated-certificate unsupported-tls13 untrusted-root unusable-key"
    " unusable-wildcard upstream-ca-without-root upstream-certificate-without-client-auth useless-ocsp-response"
    " weak-key weak-signature wrong-order".split()
)
"""Rules whose fault is in a certificate, a key or another file, or in the installed nginx or OpenSSL: no edit of the
configuration fixes it."""


def test_most_faults_of_the_configuration_itself_have_a_fix() -> None:
    rules = {name: fixes(rule) for name, rule in all_rules().items()}
    assert rules.keys() >= ELSEWHERE
    assert not [name for name in ELSEWHERE if rules[name]]
    own = rules.keys() - ELSEWHERE
    assert sum(bool(rules[name]) for name in own) >= 0.6 * len(own)


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
