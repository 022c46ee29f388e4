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


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
