"""What nginx refuses is told once: by a rule of its own or, where there is none, by nginx-refuses and nginx-warns."""

from __future__ import annotations

from collections.abc import Callable

from nginxtls.linting.report import Report
from nginxtls.linting.subjects import Subject
from nginxtls.model import refusals
from tests.rules.conftest import Fixture

GENERAL = {"nginx-refuses", "nginx-warns"}


def test_each_refusal_is_told_and_told_once(
    fixture: Fixture, lint: Callable[..., Report], configured: Callable[[Fixture], Subject]
) -> None:
    found = refusals(configured(fixture).configuration)
    report = lint(fixture.path.name, fixture.text, fixture.options)
    for refusal in found:
        line = refusal.location.span.line
        here = {finding.rule for finding in report.errors if finding.location.span.line == line}
        if here & GENERAL:
            assert here <= GENERAL, f"{here} tell of {refusal.category}: {refusal.message}"
        # Lists written for another library are no fault of the configuration; what is read of them is OpenSSL's.
        if refusal.level == "emerg" and refusal.category != "ciphers" and not fixture.good:
            assert report.findings, f"nobody tells of {refusal.category}: {refusal.message}"
