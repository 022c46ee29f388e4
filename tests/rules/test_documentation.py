"""What every rule must say of itself, and how it must be called."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from nginxtls.linting.registry import GROUP
from nginxtls.rule import Rule

NAMED_BY_THE_CHAIN = {"no-server-auth", "no-subject-alt-name"}
"""What `nginxtls.pki` calls these faults; rules have the same names."""
ROOT = Path(__file__).parents[2]


def test_the_documentation_is_complete(rule: Rule) -> None:
    assert rule.documentation, "no docstring"
    assert len(rule.summary) <= 300, "the summary is the first paragraph; keep it short"
    assert rule.summary.endswith("."), "the summary is a sentence"
    assert re.search(r"^Fix: ", rule.documentation, re.MULTILINE), "a paragraph that starts with Fix: says how"


def test_what_concerns_security_has_a_reference(rule: Rule) -> None:
    if rule.topic == "suppression":
        return
    assert rule.references
    assert all(reference.startswith("https://") or not reference.startswith("http") for reference in rule.references)
    assert 0.0 <= rule.security_severity <= 10.0


def test_the_name_names_the_fault(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", rule.name)
    assert rule.name in NAMED_BY_THE_CHAIN or not rule.name.startswith(("no-", "check-", "bad-"))


def test_every_module_of_rules_is_an_entry_point(rules: dict[str, Rule]) -> None:
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {value.rpartition(".")[2] for value in project["entry-points"][GROUP].values()}
    assert {rule.topic for rule in rules.values()} <= named
