"""What nginx refuses is told once: by a rule of its own or, where there is none, by nginx-refuses and nginx-warns."""

from __future__ import annotations

GENERAL = {"nginx-refuses", "nginx-warns"}


def test_each_refusal_is_told_and_told_once(fixture, lint, configured):
    refusals = configured(fixture).configuration.refusals
    report = lint(fixture.path.name, fixture.text, fixture.options)
    for refusal in refusals:
        line = refusal.location.span.line
        here = {finding.rule for finding in report.errors if finding.location.span.line == line}
        if here & GENERAL:
            assert here <= GENERAL, f"{here} tell of {refusal.kind}: {refusal.message}"
        # Lists written for another library are no fault of the configuration; what is read of them is OpenSSL's.
        if refusal.level == "emerg" and refusal.kind != "ciphers" and not fixture.good:
            assert report.findings, f"nobody tells of {refusal.kind}: {refusal.message}"
