"""A check of open documents: with their text in the editor, in the configurations that include them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxtls import api
from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.linting.settings import Settings, find_settings
from nginxtls.lsp.narrowing import Narrowing
from nginxtls.syntax.reading import KeptFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nginxtls.linting.report import Report
    from nginxtls.linting.subjects import Subject
    from nginxtls.syntax.discovery import LoadedTree
    from nginxtls.syntax.tree import Directive, SourceFile

UNSAVED = "-"
"""The path of a document that is not on disk: it is checked by itself, as standard input is."""
MOST_SERVERS = 100
"""With more servers, rules take too long to run them between two keys."""
MOST_CHARACTERS = 200_000
"""With more text, too."""


class Request(NamedTuple):
    """Documents to check together; all of it is plain data.

    ``documents``: their URIs and texts by path; ``folders``: those of the workspace; ``options``: the editor's.
    """

    documents: dict[str, tuple[str, str]]
    folders: tuple[str, ...]
    options: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The folder that relative paths of the editor's settings start from."""
        return Path(self.folders[0]) if self.folders else Path.cwd()

    @property
    def opened(self) -> dict[str, str]:
        """The URIs of the documents by real path."""
        return {real_path(path): uri for path, (uri, _) in self.documents.items()}

    @property
    def texts(self) -> dict[str, str]:
        """The texts of the documents on disk by real path."""
        return {real_path(path): text for path, (_, text) in self.documents.items() if path != UNSAVED}


class Checked(NamedTuple):
    """The configurations that documents are in, and what was found there.

    ``partial``: only a part of the configurations was looked at, or (without a report) nothing yet.
    """

    reading: api.Reading
    report: Report | None
    partial: bool
    includes: Mapping[Directive, tuple[SourceFile, ...]] = {}
    """What the includes bring in of which a part is left out."""

    def brought(self, subject: Subject, include: Directive) -> tuple[SourceFile, ...]:
        """The files that an include of a configuration brings in."""
        return self.includes.get(include) or subject.configuration.tree.includes.get(include, ())

    def places(self, path: str) -> Iterator[tuple[Subject, SourceFile]]:
        """The files that a document consists of (several for a dump or a manifest), each with its configuration."""
        real = real_path(path)
        for subject in self.reading.subjects:
            for file in subject.configuration.tree.files:
                name = file.outer[0] if file.outer else file.path or file.name
                if name == real or (file.outer and real_path(name) == real):
                    yield subject, file


class Checker:
    """Checks the documents of one set of settings, again and again: unchanged files are parsed once."""

    def __init__(self) -> None:
        self.kept = KeptFiles()
        self.narrowing = Narrowing()

    def check(self, request: Request, settings: Settings) -> Checked:
        """Check the documents in the part of their configurations that concerns them, if that does not take long.

        Raises:
            UsageError: a setting or an option cannot be used.
        """
        self.narrowing.begin(request.texts)
        reading = read(request, settings, self.kept, self.narrowing)
        servers = sum(len(each.servers) for subject in reading.subjects for each in subject.configurations)
        files = {file for subject in reading.subjects for file in subject.configuration.tree.files}
        if servers > MOST_SERVERS or sum(len(file.text) for file in files) > MOST_CHARACTERS:
            return Checked(reading, None, True, self.narrowing.includes)
        report = api.lint_reading(reading, settings, use_baseline=True)
        return Checked(reading, report, self.narrowing.left_out, self.narrowing.includes)


def check_whole(request: Request, settings: Settings) -> Checked:
    """Check the documents in their whole configurations.

    Raises:
        UsageError: a setting or an option cannot be used.
    """
    reading = read(request, settings)
    return Checked(reading, api.lint_reading(reading, settings, use_baseline=True), False)


def read(
    request: Request,
    settings: Settings,
    kept: KeptFiles | None = None,
    narrow: Callable[[LoadedTree], LoadedTree] = lambda loaded: loaded,
) -> api.Reading:
    """Read the configurations that the documents of a request are in.

    Raises:
        UsageError: a setting or an option cannot be used.
    """
    given = request.documents.get(UNSAVED)
    return api.read(
        [*request.documents],
        settings,
        root=request.options.get("root") or None,
        stdin_text=given[1] if given else None,
        instead=request.texts,
        folders=request.folders,
        kept=kept,
        narrow=narrow,
    )


def settings_for(path: str, request_options: dict[str, Any], folders: Iterable[str]) -> Settings:
    """The settings of a document: those of the settings file for it, with those of the editor over them.

    The file is the nearest one up to the root of the repository; outside of one, that of the folder of the workspace.

    Raises:
        UsageError: the file or the editor's settings cannot be used.
    """
    settings = Settings()
    folders = [*folders]
    if (file := settings_file(path, folders)) is not None:
        settings = api.settings_of(file)
    table = request_options.get("settings") or {}
    if not isinstance(table, dict):
        raise UsageError("nginxtls.settings", "must be a table of the keys of .nginxtls.yaml")
    base = Path(folders[0]) if folders else Path.cwd()
    return api.settings_over(settings, table, base) if table else settings


def settings_file(path: str, folders: Iterable[str]) -> Path | None:
    """The settings file of a document, or None.

    Raises:
        UsageError: it is a link to another folder.
    """
    if path == UNSAVED:
        found = None
    elif (found := find_settings(Path(path).parent)) is not None:
        return found
    within = (folder for folder in folders if path == UNSAVED or path.startswith(folder.rstrip("/") + "/"))
    return next(filter(None, (find_settings(Path(folder)) for folder in within)), None)


def real_path(path: str) -> str:
    """A path with its links resolved; that of an unsaved document as it is."""
    return path if path == UNSAVED else os.path.realpath(path)
