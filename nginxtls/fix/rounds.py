"""Fixes applied until nothing is left to fix: each round is linted again and proven before the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.fix import file_key, plan
from nginxtls.fix.proof import objection

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from nginxtls.finding import Finding
    from nginxtls.fix.proof import State
    from nginxtls.linting.report import Report
    from nginxtls.syntax.tree import SourceFile

MAX_ROUNDS, MAX_SPLIT = 10, 30
"""Rounds that apply all that is planned, and those in which a fix fails its proof: what most configurations need is
three, and what goes on for ever is a fix that leads to another that undoes it."""
MAX_DISPROVEN = 5
"""Fixes of a rule that fail their proof before the others of the rule are left: to find each takes several rounds."""


class Outcome(NamedTuple):
    """What fixing led to: nothing is written yet."""

    report: Report
    """What remains."""
    texts: Mapping[SourceFile, str]
    """The new text (with keys) of each file that changes, by the file as it was read first."""
    fixed: tuple[Finding, ...]
    left: tuple[tuple[Finding, str], ...]
    """The findings of the report whose fix is not applied, and why."""
    disproven: tuple[tuple[Finding, str], ...] = ()
    """Those of them whose fix does not keep its promise: a fault of the rule."""


def fix(
    lint: Callable[[Mapping[str, str]], State],
    *,
    unsafe: bool,
    requested: Container[str] = (),
    reachable: Callable[[SourceFile], str] = lambda file: "",
) -> Outcome:
    """Apply the fixes, safe ones first, until no round changes anything.

    Args:
        lint: what the linter finds if the files with these keys (see ``file_key``) have these texts.
        unsafe: apply unsafe fixes, too.
        requested: the rules whose unsafe fixes are applied anyway.
        reachable: why a file cannot be edited; empty if it can.
    """
    run = _Run(lint, reachable)
    while run.whole < MAX_ROUNDS and run.split < MAX_SPLIT:
        if run.round(unsafe=False):
            continue
        if (unsafe or requested) and run.round(unsafe=unsafe, requested=requested):
            continue
        if not run.again():
            break
    # Once more, for the reasons why fixes are left.
    rest = plan(run.candidates(), unsafe=unsafe, requested=requested, reachable=reachable)
    left = [
        *rest.left,
        *((finding, "fixes keep leading to new ones") for finding in rest.fixed),
        *((finding, f"{MAX_DISPROVEN} fixes of the rule failed their proof") for finding in run.distrusted()),
    ]
    disproven = [(f, run.refused[f.fingerprint]) for f in run.state.report.findings if f.fingerprint in run.refused]
    return Outcome(
        run.state.report,
        {file: run.texts[key] for key, file in run.originals.items() if run.texts[key] != file.raw},
        tuple(run.fixed),
        (*left, *disproven),
        tuple(disproven),
    )


class _Run:
    """The texts so far and what the linter finds in them."""

    def __init__(self, lint: Callable[[Mapping[str, str]], State], reachable: Callable[[SourceFile], str]) -> None:
        self.lint = lint
        self.reachable = reachable
        self.texts: dict[str, str] = {}
        self.originals: dict[str, SourceFile] = {}
        self.fixed: list[Finding] = []
        self.refused: dict[str, str] = {}
        """Fixes that failed their proof and why, by the finding's fingerprint."""
        self.failed: dict[str, set[str]] = {}
        """The fingerprints of all that ever failed, by rule."""
        self.stale = False
        """Whether the texts have changed since a fix failed its proof."""
        self.whole = self.split = 0
        """How many rounds applied all that was planned, and how many a part of it."""
        self.state = lint(self.texts)

    def again(self) -> bool:
        """Whether fixes that failed their proof may hold it now, because others were applied after that."""
        retry, self.stale = self.stale, False
        if retry:
            self.refused.clear()
        return retry

    def candidates(self) -> list[Finding]:
        return [finding for finding in self.untried() if self.trusts(finding)]

    def untried(self) -> list[Finding]:
        """The findings with a fix that is not known to fail its proof."""
        return [f for f in self.state.report.findings if f.fix and f.fingerprint not in self.refused]

    def trusts(self, finding: Finding) -> bool:
        """Whether few enough fixes of the rule have failed their proof."""
        return len(self.failed.get(finding.rule, ())) < MAX_DISPROVEN

    def distrusted(self) -> list[Finding]:
        """What is left of the rules of which too many fixes have failed their proof."""
        return [finding for finding in self.untried() if not self.trusts(finding)]

    def round(self, *, unsafe: bool, requested: Container[str] = ()) -> bool:
        """Apply what goes together, unsafe fixes by severity; whether there was anything to try."""
        safe = not (unsafe or requested)
        wanted = plan(self.candidates(), unsafe=unsafe, requested=requested, reachable=self.reachable).fixed
        if not wanted:
            return False
        if not safe:
            worst = max(finding.severity for finding in wanted)
            wanted = tuple(finding for finding in wanted if finding.severity is worst)
        done = len(self.fixed)
        self.apply(wanted, safe=safe)
        if len(self.fixed) - done == len(wanted):
            self.whole += 1
        else:
            self.split += 1
        return True

    def apply(self, findings: Sequence[Finding], *, safe: bool) -> bool:
        """Apply fixes if that holds its promise; else halve them until those that do not are found."""
        findings = [finding for finding in findings if self.trusts(finding)]
        if not findings:
            return False
        before = self.state
        changes = plan(findings, unsafe=True).texts
        after = self.lint(self.texts | {file_key(file): text for file, text in changes.items()})
        reason = objection(before, after, safe=safe, fixed=findings)
        if not reason:
            for file, text in changes.items():
                self.originals.setdefault(file_key(file), file)
                self.texts[file_key(file)] = text
            self.state = after
            self.fixed += findings
            self.stale = bool(self.refused)
            return True
        if len(findings) == 1:
            self.refused[findings[0].fingerprint] = reason
            self.failed.setdefault(findings[0].rule, set()).add(findings[0].fingerprint)
            return False
        half = len(findings) // 2
        first = self.apply(findings[:half], safe=safe)
        # After a change the offsets of the others are of an old text: they wait for the next round.
        return first or self.apply(findings[half:], safe=safe)
