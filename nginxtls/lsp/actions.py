"""Code actions: the fix of a finding, all safe fixes of a document, and a comment that ignores a finding."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp

from nginxtls import api
from nginxtls.fix import file_key
from nginxtls.fix.proof import State
from nginxtls.fix.rounds import fix
from nginxtls.linting.suppression import ignoring
from nginxtls.lsp.checking import Request, read
from nginxtls.lsp.diagnostics import NOT_SHOWN, SYNTAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nginxtls.linting.settings import Settings
    from nginxtls.lsp.narrowing import Narrowing
    from nginxtls.lsp.places import Places
    from nginxtls.syntax.tree import SourceFile

FIX_ALL = "source.fixAll.nginxtls"

Edits = dict[str, list[lsp.TextEdit]]
Versions = Callable[[str], "int | None"]


def fixes(diagnostics: Sequence[lsp.Diagnostic], versions: Versions) -> Iterator[lsp.CodeAction]:
    """An action for each fix of some diagnostics."""
    for diagnostic in diagnostics:
        data: Any = diagnostic.data
        if data:
            yield lsp.CodeAction(
                title=data["title"] if data["safe"] else f"{data['title']} (unsafe)",
                kind=lsp.CodeActionKind.QuickFix,
                diagnostics=[diagnostic],
                is_preferred=data["safe"] or None,
                edit=workspace_edit(_structured(data["edits"]), versions),
            )


def ignores(
    diagnostics: Sequence[lsp.Diagnostic], uri: str, file: SourceFile, places: Places, versions: Versions
) -> Iterator[lsp.CodeAction]:
    """An action for each rule that reports something: a comment that ignores it there."""
    seen: set[tuple[object, int]] = set()
    for diagnostic in diagnostics:
        offset = places.offset(file, diagnostic.range.start)
        code = diagnostic.code
        key = code, diagnostic.range.start.line
        if not isinstance(code, str) or code in (SYNTAX, NOT_SHOWN) or offset is None or key in seen:
            continue
        seen.add(key)
        edit = ignoring(file, offset, code)
        text = lsp.TextEdit(places.range(file, edit.location.span), edit.replacement)
        yield lsp.CodeAction(
            title=f"Ignore {code} on this line",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=[diagnostic],
            edit=workspace_edit({uri: [text]}, versions),
        )


def fix_all(
    request: Request, settings: Settings, file: SourceFile, uri: str, narrowing: Narrowing, places: Places
) -> Edits:
    """The edits of all safe fixes of a document, each round proven as ``check --fix`` does it.

    Raises:
        UsageError: a setting or an option cannot be used.
    """
    key = file_key(file)

    def lint(texts: Mapping[str, str]) -> State:
        documents = {
            path: (of, texts.get(key, text) if of == uri else text) for path, (of, text) in request.documents.items()
        }
        changed = request._replace(documents=documents)
        narrowing.begin(changed.texts)
        reading = read(changed, settings, None, narrowing)
        report = api.lint_reading(reading, settings, use_baseline=True)
        return State(report, [each for s in reading.subjects if s.enabled for each in s.configurations])

    outcome = fix(lint, unsafe=False, reachable=lambda other: "" if file_key(other) == key else "another document")
    text = next((text for other, text in outcome.texts.items() if file_key(other) == key), None)
    return {} if text is None else {uri: _changes(file, text, places)}


def _changes(file: SourceFile, text: str, places: Places) -> list[lsp.TextEdit]:
    """The lines that differ, as edits; a key in the text stays where it is."""
    old, new = file.raw.splitlines(keepends=True), text.splitlines(keepends=True)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line))
    return [
        lsp.TextEdit(places.between(file, starts[first], starts[last]), "".join(new[start:end]))
        for kind, first, last, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if kind != "equal"
    ]


def workspace_edit(edits: Edits, versions: Versions) -> lsp.WorkspaceEdit:
    """Edits for the versions of the documents that they were made for; ``versions`` has those of open documents."""
    return lsp.WorkspaceEdit(
        document_changes=[
            lsp.TextDocumentEdit(
                lsp.OptionalVersionedTextDocumentIdentifier(uri=uri, version=versions(uri)), [*several]
            )
            for uri, several in edits.items()
        ]
    )


def _structured(edits: Mapping[str, Sequence[Mapping[str, Any]]]) -> Edits:
    return {
        uri: [
            lsp.TextEdit(
                lsp.Range(lsp.Position(**edit["range"]["start"]), lsp.Position(**edit["range"]["end"])),
                edit["newText"],
            )
            for edit in several
        ]
        for uri, several in edits.items()
    }
