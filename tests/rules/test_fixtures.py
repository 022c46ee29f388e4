"""Each rule's fixtures: it finds what is expected at the very line, and is silent where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nginxtls.linting.report import Report
from nginxtls.rule import Rule
from tests.rules.conftest import Fixture

FIXTURES = Path(__file__).parents[2] / "fixtures"
LINTER_ONLY = {"unknown-suppression", "unused-suppression"}
"""Rules of which the linter itself finds the faults; tests/test_suppression.py has their cases."""

TRIED_ON_FILES = {
    *("key-readable-by-others", "key-in-writable-folder", "key-owned-by-worker"),
    *("key-in-repository", "missing-certificate-file", "missing-include"),
}
"""Rules about modes, repositories and missing files, which a fixture cannot have; test_files.py has their cases."""


def test_fixture(fixture: Fixture, lint: Callable[..., Report], rules: dict[str, Rule]) -> None:
    rule = rules.get(fixture.rule)
    assert rule, f"there is no rule {fixture.rule}"
    options = fixture.options
    if rule.pedantic and not options.pedantic:
        from dataclasses import replace

        options = replace(options, pedantic=True)
    report = lint(fixture.path.name, fixture.text, options)
    expected = fixture.expected
    if fixture.good:
        assert not [f"line {f.location.span.line}: {f.message}" for f in report.findings if f.rule == fixture.rule]
        return
    assert fixture.rule in {name for _, name, _ in expected}, "a bad fixture expects its own rule"
    requested = {name for _, name, _ in expected}
    seen = [
        f
        for f in report.findings
        if f.rule in requested or (rules[f.rule].topic == rule.topic and not rules[f.rule].pedantic)
    ]
    with_columns = {(line, name) for line, name, column in expected if column is not None}
    found = sorted(
        (f.location.span.line, f.rule, f.location.span.column if (f.location.span.line, f.rule) in with_columns else 0)
        for f in seen
    )
    assert found == sorted((line, name, column or 0) for line, name, column in expected), [
        f"{f.location.span.line}:{f.location.span.column} {f.rule}: {f.message}" for f in seen
    ]


def test_every_rule_has_fixtures_of_both_kinds(rule: Rule) -> None:
    if rule.name in LINTER_ONLY | TRIED_ON_FILES:
        pytest.skip("its cases are elsewhere")
    folder = FIXTURES / "rules" / rule.topic / rule.name
    assert list(folder.glob("bad*.conf")), f"fixtures/rules/{rule.topic}/{rule.name}/bad.conf is missing"
    assert list(folder.glob("good*.conf")), f"fixtures/rules/{rule.topic}/{rule.name}/good.conf is missing"
