"""Fixing: which edits of the findings go together, the texts after them, a diff, and writing them to disk."""

from __future__ import annotations

import os
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.writing import write_whole
from nginxtls.linting.fingerprint import offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from nginxtls.finding import Edit, Finding
    from nginxtls.syntax.tree import SourceFile

__all__ = ["Fixes", "apply", "diff", "encoding_on_disk", "file_key", "plan", "write"]


UNSAFE = "the fix is unsafe"


@dataclass(frozen=True, slots=True)
class Fixes:
    """The result: the new text (with keys) of each file that changes, what is fixed, what is not and why."""

    texts: Mapping[SourceFile, str]
    fixed: tuple[Finding, ...]
    left: tuple[tuple[Finding, str], ...]


def apply(findings: Iterable[Finding], *, unsafe: bool) -> dict[SourceFile, str]:
    """The new texts of the files that change; see ``plan``."""
    return dict(plan(findings, unsafe=unsafe).texts)


def file_key(file: SourceFile) -> str:
    """What a file is known by in every reading of it: its real path, or ``-``."""
    return file.path or file.name


def plan(
    findings: Iterable[Finding],
    *,
    unsafe: bool,
    requested: Container[str] = (),
    reachable: Callable[[SourceFile], str] = lambda file: "",
) -> Fixes:
    """Apply the fixes in order, each whole or not at all; where edits overlap, the first wins.

    An edit that two fixes have in common is made once.

    Args:
        findings: those whose fixes to apply; suppressed ones are skipped.
        unsafe: apply unsafe fixes, too.
        requested: the rules whose unsafe fixes are applied anyway.
        reachable: why a file cannot be edited; empty if it can.
    """
    files: dict[object, _Edits] = {}
    fixed: list[Finding] = []
    left: list[tuple[Finding, str]] = []
    for finding in findings:
        fix = finding.fix
        if fix is None or finding.suppressed is not None:
            continue
        if finding.group:
            left.append((finding, "no configuration includes the file"))
            continue
        if not (fix.safe or unsafe or finding.rule in requested):
            left.append((finding, UNSAFE))
            continue
        reasons = (_out_of_reach(edit) or reachable(edit.location.file) for edit in fix.edits)
        reason = next(filter(None, reasons), "") or _take(fix.edits, files)
        if reason:
            left.append((finding, reason))
        else:
            fixed.append(finding)
    texts = {edits.file: edits.text() for edits in files.values() if edits.places}
    return Fixes({f: text for f, text in texts.items() if text != f.raw}, tuple(fixed), tuple(left))


def diff(texts: Mapping[SourceFile, str]) -> str:
    """A unified diff of the files for ``patch -p1`` or ``git apply``; key material in it is hidden."""
    from difflib import unified_diff

    from nginxtls.base.secrets import hide

    lines: list[str] = []
    for file, text in sorted(texts.items(), key=lambda item: item[0].name):
        old, new = (_lines(version) for version in (file.text, hide(text)))
        changes = unified_diff(old, new, _header("a", file.name), _header("b", file.name))
        lines += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in changes]
    return "".join(lines)


def write(file: SourceFile, text: str) -> None:
    """Write a file's new text with its encoding, mode and owner; a reader sees the old file or the new one.

    Raises:
        OSError: it cannot be read or written, has changed since it was read, or its encoding lacks a character.
            The old file is still there.
    """
    encoding = encoding_on_disk(file)
    if encoding is None or file.path is None:
        raise OSError(f"{file.name} has changed since it was read")
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError as error:
        raise OSError(f"{file.name} is {encoding}, which lacks a character of the fix") from error
    path = Path(file.path)
    status = path.stat()
    write_whole(path, data, status.st_mode & 0o7777, owner=(status.st_uid, status.st_gid))


def encoding_on_disk(file: SourceFile) -> str | None:
    """The encoding with which the file's text is the content of its path, or None: it has changed, or is part of it.

    Raises:
        OSError: it cannot be read.
    """
    if file.path is None:
        return None
    # A path in the place of which somebody has put a link is another file.
    with open(os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        content = stream.read()
    for encoding in ("utf-8", "latin-1"):
        try:
            if file.raw.encode(encoding) == content:
                return encoding
        except UnicodeEncodeError:
            continue
    return None


class _Edits:
    """The edits of one file that go together, by offset."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.places: list[tuple[int, int, str]] = []

    def fits(self, start: int, end: int, text: str) -> bool:
        """Whether an edit neither overlaps another nor begins where another begins; an equal edit fits.

        Lines of different directives may be added at one place.
        """
        index = bisect_left(self.places, (start, end, text))
        if self.places[index : index + 1] == [(start, end, text)]:
            return True
        before = self.places[index - 1] if index else None
        after = self.places[index] if index < len(self.places) else None
        return not any(other and _collide((start, end, text), other) for other in (before, after))

    def add(self, start: int, end: int, text: str) -> None:
        index = bisect_left(self.places, (start, end, text))
        if self.places[index : index + 1] != [(start, end, text)]:
            self.places.insert(index, (start, end, text))

    def text(self) -> str:
        old, parts, at = self.file.raw, [], 0
        for start, end, replacement in self.places:
            parts += [old[at:start], replacement]
            at = end
        return "".join([*parts, old[at:]])


def _collide(edit: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    """Whether two edits of a file do not go together."""
    first, second = sorted((edit, other))
    if first[0] < second[0]:
        return first[1] > second[0]
    added = first[:2] == second[:2] == (first[0], first[0])
    return not added or first[2].split()[:1] == second[2].split()[:1]


def _take(edits: Iterable[Edit], files: dict[object, _Edits]) -> str:
    """Add the edits of a fix, all or none; the reason if one of them does not go with those before."""
    wanted: list[tuple[_Edits, int, int, str]] = []
    trial: dict[object, _Edits] = {}
    for edit in edits:
        file = edit.location.file
        key = file_key(file)
        known = files.setdefault(key, _Edits(file))
        own = trial.setdefault(key, _Edits(file))
        start, end = offsets(edit.location)
        text = edit.replacement
        if "\r\n" in file.text:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        if not (known.fits(start, end, text) and own.fits(start, end, text)):
            return "it overlaps another fix; run again after that"
        own.add(start, end, text)
        wanted.append((known, start, end, text))
    for known, start, end, text in wanted:
        known.add(start, end, text)
    return ""


def _out_of_reach(edit: Edit) -> str:
    """Why a file cannot be edited; empty if it can."""
    file = edit.location.file
    if file.outer is not None:
        return "it is in a dump"
    if file.first_line != 1:
        return "it is inside another file"
    start, end = offsets(edit.location)
    if file.raw[start:end] != file.text[start:end]:
        return "it would change key material"
    if file.masked[start:end] != file.text[start:end]:
        return "it would change a template's expression or tag"
    return ""


def _lines(text: str) -> list[str]:
    """The lines of a text as ``diff`` counts them: only LF ends a line."""
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _header(side: str, name: str) -> str:
    """A file's name in a diff, quoted as git does where it must be."""
    path = name if name.startswith("/") else f"/{name.removeprefix('./')}"
    text = side + path
    if text.isprintable() and text.isascii() and '"' not in text and "\\" not in text:
        return text
    quoted = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:03o}"
        for byte in text.encode("utf-8", "surrogateescape")
    )
    return f'"{quoted}"'
