"""The baseline: a file of the findings that are already known, so that only new ones count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.base.printing import json_text
from nginxtls.base.reading import read_regular
from nginxtls.base.secrets import hide
from nginxtls.base.writing import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nginxtls.finding import Finding

VERSION = 1


class Entry(NamedTuple):
    """A known finding. Only the fingerprint counts; the rest is for the people who read the file."""

    fingerprint: str
    rule: str
    file: str
    message: str


class Baseline(NamedTuple):
    """The entries of a baseline file by fingerprint."""

    path: Path
    entries: dict[str, Entry]

    def apply(self, finding: Finding) -> Finding:
        """The finding, marked as known if it is in the baseline."""
        if finding.suppressed is None and finding.fingerprint in self.entries:
            return finding.replace(suppressed="baseline")
        return finding

    def gone(self, findings: Iterable[Finding], looked_for: Callable[[Entry], bool]) -> tuple[str, ...]:
        """The entries that this run looked for and that match no finding any more, as text."""
        here = {finding.fingerprint for finding in findings}
        return tuple(
            f"{entry.file}: {entry.rule}: {entry.message}"
            for entry in self.entries.values()
            if entry.fingerprint not in here and looked_for(entry)
        )


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file.

    Raises:
        UsageError: it does not exist, or is not a baseline of this version.
    """
    again = "write a new one with `--write-baseline`"
    try:
        data = json.loads(read_regular(path, LIMITS["baseline"]))
        if data["version"] != VERSION:
            raise UsageError(f"{path}", f"is a baseline of version {data['version']}, not {VERSION}", again)
        entries = [Entry(*(hide(str(row[key])) for key in Entry._fields)) for row in data["findings"]]
    except OSError as error:
        raise UsageError(f"{path}", f"cannot be read: {error.strerror}", again) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}", "is not a baseline of nginxtls", again) from error
    return Baseline(path, {entry.fingerprint: entry for entry in entries})


def write_baseline(path: Path, findings: Iterable[Finding]) -> int:
    """Write the findings as the new baseline, whole or not at all; returns how many they are.

    Raises:
        UsageError: the file cannot be written.
    """
    rows = sorted(
        (
            {"fingerprint": f.fingerprint, "rule": f.rule, "file": f.location.name, "message": f.message}
            for f in findings
        ),
        key=lambda row: (row["file"], row["rule"], row["fingerprint"]),
    )
    text = json_text({"version": VERSION, "findings": rows}, indent=1) + "\n"
    try:
        write(path, text.encode())
    except OSError as error:
        raise UsageError(
            f"{path}", f"cannot be written: {error.strerror}", "select another file with `--baseline`"
        ) from error
    return len(rows)
