"""``nginxtls check --fix`` and ``--diff``: which files may be changed, and what is written and printed of it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import shown
from nginxtls.fix import UNSAFE, diff, encoding_on_disk, file_key, write
from nginxtls.fix.proof import State
from nginxtls.fix.rounds import fix

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from nginxtls.api import Reading
    from nginxtls.finding import Finding
    from nginxtls.fix.rounds import Outcome
    from nginxtls.linting.report import Report
    from nginxtls.syntax.tree import SourceFile

SHOWN = 10
"""This many findings that are not fixed are listed; for more there is --diff and the report."""


def fixed(
    paths: Sequence[str],
    read_and_lint: Callable[[str | None, Mapping[str, str]], tuple[Reading, Report]],
    text: str | None,
    *,
    unsafe: bool,
    requested: Container[str] = (),
) -> Outcome:
    """Fix what is at the paths, in memory.

    Args:
        paths: those that were requested.
        read_and_lint: reads and lints them, standard input and files having these texts.
        text: standard input, if it is one of the paths.
        unsafe: apply unsafe fixes, too.
        requested: the rules whose unsafe fixes are applied anyway.

    Raises:
        UsageError: a path is a dump of ``nginx -T``, or standard input comes with other paths.
    """
    if text is not None and len(set(paths)) > 1:
        raise UsageError("-", "cannot be fixed together with other paths", "fix standard input by itself")

    def lint(texts: Mapping[str, str]) -> State:
        files = {key: new for key, new in texts.items() if key != "-"}
        reading, report = read_and_lint(texts.get("-", text), files)
        _refuse_dumps(paths, reading)
        return State(report, [each for s in reading.subjects if s.enabled for each in s.configurations])

    return fix(lint, unsafe=unsafe, requested=requested, reachable=_Reachable(paths))


def policy_rules() -> frozenset[str]:
    """The rules that compare with a policy."""
    from nginxtls.linting.registry import installed_rules

    return frozenset(name for name, rule in installed_rules().items() if rule.topic == "policy")


def save(outcome: Outcome, text: str | None, encoding: str) -> None:
    """Write the new texts to their files; that of standard input, changed or not, to standard output.

    Raises:
        UsageError: a file could not be written. It has its old content; those before it in the alphabet are fixed.
    """
    if text is not None:
        new = next(iter(outcome.texts.values()), text)
        sys.stdout.flush()
        try:
            data = new.encode(encoding)
        except UnicodeEncodeError as error:
            raise UsageError("standard input", f"is {encoding}, which lacks a character of the fix") from error
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    for file, new in sorted(outcome.texts.items(), key=lambda item: item[0].name):
        try:
            write(file, new)
        except OSError as error:
            reason = f"cannot be written: {error.strerror}" if error.strerror else str(error)
            raise UsageError(file.name, reason, "the file has its old content; run nginxtls again") from error


def print_diff(outcome: Outcome, encoding: str) -> None:
    """Print the unified diff, each file's in its encoding; ``encoding`` is that of standard input."""
    sys.stdout.flush()
    for file, text in sorted(outcome.texts.items(), key=lambda item: item[0].name):
        if sys.stdout.isatty():  # a terminal gets no control characters; a patch has those of the file
            sys.stdout.writelines(f"{shown(line)}\n" for line in diff({file: text}).split("\n")[:-1])
            continue
        sys.stdout.buffer.write(diff({file: text}).encode(encoding_on_disk(file) or encoding, "surrogateescape"))
    sys.stdout.buffer.flush()


def summary(outcome: Outcome, *, would: bool) -> str:
    """What is fixed, by rule, and what is not and why, as lines for standard error."""
    lines = []
    rules = Counter(finding.rule for finding in outcome.fixed)
    if rules:
        number, files = sum(rules.values()), len(outcome.texts)
        kinds = ", ".join(f"{rule} ({count})" if count > 1 else rule for rule, count in sorted(rules.items()))
        lines.append(
            f"{'would fix' if would else 'fixed'} {number} finding{'s' * (number != 1)} "
            f"in {files} file{'s' * (files != 1)}: {kinds}"
        )
    unsafe = sum(reason == UNSAFE for _, reason in outcome.left)
    others = [(finding, reason) for finding, reason in outcome.left if reason != UNSAFE]
    lines += [f"not fixed: {_place(finding)}: {finding.rule}: {reason}" for finding, reason in others[:SHOWN]]
    if len(others) > SHOWN:
        lines.append(f"and {len(others) - SHOWN} more that cannot be fixed")
    if unsafe:
        lines.append(f"{unsafe} unsafe fix{'es' * (unsafe != 1)} available with --unsafe-fixes")
    return "".join(f"{shown(line)}\n" for line in lines)


def _place(finding: Finding) -> str:
    return f"{finding.location.name}:{finding.location.span.line}"


def _refuse_dumps(paths: Sequence[str], reading: Reading) -> None:
    """A dump that is named is refused; one in a folder is left alone."""
    for subject in reading.subjects:
        outer = subject.configuration.tree.roots[0].outer
        if outer and outer[0] in {"-" if path == "-" else os.path.relpath(path) for path in paths} | set(paths):
            name = "standard input" if outer[0] == "-" else outer[0]
            raise UsageError(name, "is a dump of nginx -T, which cannot be fixed", "fix the files that it was made of")


class _Reachable:
    """Why a file must not be changed: it is outside the requested paths, or its content is not what was read."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.places = [Path(os.path.realpath(path)) for path in paths if path != "-"]
        self.known: dict[str, str] = {}

    def __call__(self, file: SourceFile) -> str:
        key = file_key(file)
        if key not in self.known:
            self.known[key] = self.reason(file)
        return self.known[key]

    def reason(self, file: SourceFile) -> str:
        if file.path is None:
            return "" if file.name == "-" else "it is not a file on disk"
        path = Path(os.path.realpath(file.path))
        if not any(path.is_relative_to(place) for place in self.places):
            return f"{file.name} is outside the requested paths; name it to fix it"
        try:
            return "" if encoding_on_disk(file) else "the file has changed since it was read"
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"
