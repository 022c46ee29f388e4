"""Reports kept between runs: as long as nothing that a run looked at has changed, the next one says the same.

An entry holds what was found, in JSON, with the state of every file and folder that was looked at (``journal``), of the
code that looked, and for which time it holds (``moment``); after that line the texts of the sites, of which some may
change without a difference (``neighbourhood``). Anything else, and the run is made anew.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from nginxtls.finding import Confidence, Edit, Failure, Finding, Fix, Label, Location, NotChecked, Report, Severity
from nginxtls.journal import changes, state_of
from nginxtls.lazy import NamedTuple
from nginxtls.neighbourhood import Sites
from nginxtls.syntax.decoding import decode
from nginxtls.syntax.tree import SourceFile, Span

if TYPE_CHECKING:
    from datetime import datetime

    from nginxtls.journal import Journal
    from nginxtls.moment import Bounds
    from nginxtls.rule import Rule

LEAST_FILES = 50
"""Reports on fewer files are not kept: they are made as soon as they are looked up."""
MOST_ENTRIES, MOST_BYTES = 16, 64 << 20
"""So much is kept at most; what was not used for longest goes first."""
MOST_CHANGES = 16
"""With so many changes a report is made anew. A file counts as often as it has paths, through links."""


def folder() -> Path:
    """The user's folder for it; made readable to nobody else."""
    from platformdirs import user_cache_path

    return user_cache_path("nginxtls") / "reports"


class Kept(NamedTuple):
    """An entry: its report, the paths that changed since, and the sites of its configurations if any did."""

    report: Report
    changed: frozenset[str]
    sites: list[Sites]
    data: dict[str, Any]

    def around(self) -> Sites | None:
        """The sites of which the changed paths are some, if those are of one configuration only."""
        found = [sites for sites in self.sites if not self.changed.isdisjoint(sites.texts)]
        return found[0] if len(found) == 1 and self.changed <= found[0].texts.keys() else None


class Cache:
    """The entry of one request: ``key`` says all that the run was asked, the version and the working directory too."""

    def __init__(self, key: str, place: Path | None = None) -> None:
        self.key = key
        self.place = folder() if place is None else place
        self.path = self.place / f"{zlib.crc32(key.encode('utf-8', 'surrogatepass')):08x}.json"

    def find(self, now: datetime) -> Kept | None:
        """The report of an earlier run, if little has changed since. What others may write is not trusted."""
        try:
            if not _is_ours(self.place):
                return None
            with open(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                if not _is_ours(file.fileno()) or os.fstat(file.fileno()).st_size > MOST_BYTES:
                    return None
                kept = self._look(json.loads(file.readline()), file, now)
            if kept is not None:
                os.utime(self.path)
        except (OSError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError):
            return None
        return kept

    def _look(self, data: dict[str, Any], texts: BinaryIO, now: datetime) -> Kept | None:
        if data["key"] != self.key or not data["since"] <= now.timestamp() < data["until"]:
            return None
        if data["code"] != _code(data["code"]):
            return None
        changed = changes(_joined(data["states"]), data["lists"], MOST_CHANGES)
        if len(changed) == MOST_CHANGES:
            return None
        sites = _read_sites(data["sites"], texts.read().decode()) if changed else []
        return Kept(_report(data["report"]), frozenset(changed), sites, data)

    def keep(self, report: Report, journal: Journal, bounds: Bounds, sites: Iterable[Sites]) -> None:
        """Write an entry, where the report can be kept. That it cannot be written is no fault of the run."""
        self._keep(report, journal, bounds, sites, _modules())

    def renew(self, kept: Kept, report: Report, sites: Sites, journal: Journal, bounds: Bounds) -> None:
        """Write an entry anew with what has become of the changed sites; all else is as it was."""
        journal.add(_joined(kept.data["states"]), kept.data["lists"])
        bounds.narrow(kept.data["since"], kept.data["until"])
        others = (each for each in kept.sites if each.main != sites.main)
        self._keep(report, journal, bounds, [*others, sites], _modules() | kept.data["code"])

    def _keep(
        self, report: Report, journal: Journal, bounds: Bounds, sites: Iterable[Sites], code: Mapping[str, object]
    ) -> None:
        # A fault in a text stays as long as the text; why else something failed may pass by itself.
        lasting = all(failure.location for failure in report.failures)
        if report.files < LEAST_FILES or not lasting or journal.is_racy:
            return
        sites = list(sites)
        if sum(len(text) for each in sites for text in each.texts.values()) > MOST_BYTES // 2:
            sites = []  # so that the report alone can be kept, and another beside it
        try:
            data = {
                "key": self.key,
                "since": bounds.since.timestamp() if bounds.since.year > 1 else 0,
                "until": bounds.until.timestamp(),
                "code": _code(code),
                "states": _split((path, state) for path, state in journal.states.items() if path.startswith("/")),
                "lists": list(journal.lists.items()),
                "report": _plain(report),
                "sites": [
                    [each.main, _split((path, len(text)) for path, text in each.texts.items())] for each in sites
                ],
            }
        except _CannotBeKeptError:
            return
        self._write(data, [text for each in sites for text in each.texts.values()])

    def _write(self, data: dict[str, Any], texts: Sequence[str]) -> None:
        try:
            self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(self.place):
                return
            draft = self.path.with_suffix(f".{os.getpid()}")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.write(json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n")
                file.writelines(text.encode() for text in texts)
            draft.replace(self.path)
            self._tidy()
        except OSError:
            pass

    def _tidy(self) -> None:
        entries = sorted(self.place.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for number, path in enumerate(entries):
            total += path.stat().st_size
            if number >= MOST_ENTRIES or (total > MOST_BYTES and number):
                path.unlink()


def _is_ours(place: Path | int) -> bool:
    state = os.stat(place)
    return state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


# -- the code ----------------------------------------------------------------------------------------------------------


def _modules() -> dict[str, list[int]]:
    """The files of all modules that are loaded and no part of Python: our own, and those that rules come from."""
    library = os.path.dirname(os.__file__) + "/"
    files = {getattr(module, "__file__", None) for module in [*sys.modules.values()]}
    ours = (file for file in files if file and not (file.startswith(library) and "-packages/" not in file))
    return {os.path.abspath(file): [] for file in ours}


def _code(files: Mapping[str, object]) -> dict[str, list[int]]:
    """The state of the code: of modules, and of the folders in which packages are installed."""
    found = {file: state_of(file) for file in files if not file.startswith(":")}
    for place in sys.path:
        try:
            found[f":{place}"] = [os.stat(place).st_mtime_ns]
        except OSError:
            found[f":{place}"] = []
    return found


# -- reports as plain data ---------------------------------------------------------------------------------------------


class _CannotBeKeptError(Exception):
    """Something in a report cannot be made again from what is on the disk."""


class _Rules(Mapping[str, "Rule"]):
    """The rules that ran, by name; loaded when one is looked at."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __getitem__(self, name: str) -> Rule:
        from nginxtls.registry import installed_rules

        return installed_rules()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class _Counted(Sequence[Any]):
    """Rows of which only the number is known: the formats that look at them keep no reports."""

    def __init__(self, count: int) -> None:
        self.count_of_rows = count

    def __len__(self) -> int:
        return self.count_of_rows

    def __getitem__(self, index: Any) -> Any:
        raise IndexError("the rows were not kept")


def _plain(report: Report) -> dict[str, Any]:
    numbers: dict[SourceFile, int] = {}

    def place(location: Location) -> list[int]:
        file = location.file
        if file not in numbers:
            if not file.stands_alone:
                raise _CannotBeKeptError
            numbers[file] = len(numbers)
        return [numbers[file], *location.span]

    def finding(found: Finding) -> list[Any]:
        fix = found.fix
        return [
            found.rule,
            int(found.severity),
            found.message,
            place(found.location),
            found.label,
            [[place(label.location), label.text] for label in found.labels],
            found.notes,
            found.help,
            fix and [fix.title, [[place(edit.location), edit.replacement] for edit in fix.edits], fix.safe],
            found.endpoints,
            found.confidence.value,
            found.security_severity,
            found.fingerprint,
            found.suppressed,
        ]

    return {
        "findings": list(map(finding, report.findings)),
        "suppressed": list(map(finding, report.suppressed)),
        "not_checked": [[*entry[:2], entry.location and place(entry.location)] for entry in report.not_checked],
        "failures": [
            [*failure[:2], failure.location and place(failure.location), failure.help] for failure in report.failures
        ],
        "rules": list(report.rules),
        "counts": [len(report.endpoints), report.files, report.servers, report.certificates],
        "gone": report.gone,
        "hints": report.hints,
        "files": [[file.name, file.path] for file in numbers],
    }


def _report(data: dict[str, Any]) -> Report:
    files = [_read_again(name, path) for name, path in data["files"]]

    def place(numbers: list[int]) -> Location:
        return Location(files[numbers[0]], Span(*numbers[1:]))

    def finding(row: list[Any]) -> Finding:
        rule, severity, message, where, label, labels, notes, help, fix, endpoints, confidence, *rest = row
        return Finding(
            rule,
            Severity(severity),
            message,
            place(where),
            label,
            tuple(Label(place(each), text) for each, text in labels),
            tuple(notes),
            help,
            fix and Fix(fix[0], tuple(Edit(place(each), text) for each, text in fix[1]), fix[2]),
            tuple(endpoints),
            Confidence(confidence),
            *rest,
        )

    endpoints, *counts = data["counts"]
    return Report(
        tuple(map(finding, data["findings"])),
        _Rules(data["rules"]),
        tuple(NotChecked(subject, reason, where and place(where)) for subject, reason, where in data["not_checked"]),
        failures=tuple(
            Failure(subject, why, where and place(where), help) for subject, why, where, help in data["failures"]
        ),
        suppressed=tuple(map(finding, data["suppressed"])),
        endpoints=_Counted(endpoints),
        **dict(zip(("files", "servers", "certificates"), counts, strict=True)),
        gone=tuple(data["gone"]),
        hints=tuple(data["hints"]),
    )


def _read_again(name: str, path: str) -> SourceFile:
    with open(path, "rb") as file:
        text, _ = decode(file.read())
    if text is None:
        raise ValueError(path)
    return SourceFile(name, text, path)


_T = TypeVar("_T")


def _split(by_path: Iterable[tuple[str, _T]]) -> dict[str, dict[str, _T]]:
    """What is said of paths, by folder and name: most paths share their folder with others."""
    found: dict[str, dict[str, _T]] = {}
    for path, said in by_path:
        folder, _, name = path.rpartition("/")
        found.setdefault(folder, {})[name] = said
    return found


def _joined(by_folder: Mapping[str, Mapping[str, _T]]) -> Iterator[tuple[str, _T]]:
    for folder, names in by_folder.items():
        for name, said in names.items():
            yield f"{folder}/{name}", said


def _read_sites(rows: Iterable[list[Any]], texts: str) -> list[Sites]:
    """The sites of an entry, their texts cut out of what stands after it."""
    found, start = [], 0
    for main, lengths in rows:
        ours = {}
        for path, length in _joined(lengths):
            ours[path] = texts[start : start + length]
            start += length
        found.append(Sites(main, ours))
    return found
