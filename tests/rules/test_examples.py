"""The examples in the rules' documentation: each bad one fires that very rule, each good one leaves it silent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nginxtls.linting.report import Report
from nginxtls.rule import Rule
from tests.rules.conftest import Sample


def test_example(sample: Sample, lint: Callable[..., Report]) -> None:
    if sample.rule.topic == "files":
        pytest.skip("its examples speak of files that are not there; test_files.py has their cases")
    report = lint("example.conf", sample.text, sample.options)
    fired = [f"line {f.location.span.line}: {f.message}" for f in report.findings if f.rule == sample.rule.name]
    if sample.example.good:
        assert not fired
    else:
        assert fired, [f"{f.rule}: {f.message}" for f in report.findings]


def test_every_rule_has_examples_of_both_kinds(rule: Rule) -> None:
    assert {example.good for example in rule.examples} == {True, False}
