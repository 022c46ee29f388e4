"""The language server: documents are checked as they are typed, by themselves and in what includes them."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

import nginxtls
from nginxtls.base.errors import UsageError, printable
from nginxtls.linting.hooks import stopped
from nginxtls.linting.settings import Settings
from nginxtls.lsp import actions, completion, definitions, hints
from nginxtls.lsp.checking import UNSAVED, Checked, Checker, Request, read, real_path, settings_file, settings_for
from nginxtls.lsp.context import spot
from nginxtls.lsp.diagnostics import diagnostics, elsewhere, moved
from nginxtls.lsp.hover import hover
from nginxtls.lsp.pages import Pages
from nginxtls.lsp.places import Places, path_of
from nginxtls.lsp.protocol import Protocol
from nginxtls.lsp.whole import whole_diagnostics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from pygls.workspace import TextDocument

    from nginxtls.linting.subjects import Subject
    from nginxtls.lsp.diagnostics import Diagnostics
    from nginxtls.syntax.tree import SourceFile

DEBOUNCE = 0.05
"""Seconds without another key before a document is checked."""
REST = 0.5
"""Seconds without another key before the whole of a large configuration is."""
WATCHED = ("**/*.conf", "**/nginx.conf*", "**/.nginxtls.yaml", "**/pyproject.toml", "**/*.{pem,crt,cer,key,template}")

T = TypeVar("T")


class Group:
    """The open documents with the same settings, which are checked together, and the last check."""

    def __init__(self) -> None:
        self.checker = Checker()
        self.paths: dict[str, str] = {}
        """The paths of its documents by key; the one changed last is the last."""
        self.checked: Checked | None = None
        self.request = Request({}, (), {})
        self.settings = Settings()
        self.places = Places({})
        self.found: Diagnostics = {}
        self.timer: asyncio.TimerHandle | None = None
        self.whole: asyncio.Task[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether a document has changed since the last check."""
        return self.timer is not None

    def checked_as(self, path: str, uri: str) -> str:
        """The URI of the document that was checked for a path: of several with one file, the one changed last."""
        return self.places.opened.get(real_path(path), uri) if path != UNSAVED else uri

    def stop(self) -> None:
        """Forget what was to be done for an older text."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.whole is not None:
            self.whole.cancel()
            self.whole = None


class Server(LanguageServer):
    """The state of a session: the editor's options, and the groups of open documents."""

    def __init__(self) -> None:
        # Full texts: pygls ends lines at form feeds, where the protocol does not, and would misplace partial changes.
        full = lsp.TextDocumentSyncKind.Full
        super().__init__("nginxtls", nginxtls.__version__, text_document_sync_kind=full, protocol_cls=Protocol)
        self.options: dict[str, Any] = {}
        self.groups: dict[tuple[str, str], Group] = {}
        self.pages = Pages()
        self.shown: set[str] = set()
        self.refresh: Future[Any] | None = None
        """The last request to fetch inlay hints again."""

    # -- what the client says ------------------------------------------------------------------------------------------

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log an error of pygls; its text is not shown, as it might quote a key."""
        self.log(f"a message could not be processed: {type(error).__name__}")

    def log(self, text: str) -> None:
        """Write a line to the editor's log."""
        self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Warning, printable(text)))

    def show(self, error: UsageError) -> None:
        """Show a message about settings that cannot be used, once."""
        text = f"nginxtls: {error}" + (f" ({error.help})" if error.help else "")
        if text not in self.shown:
            self.shown.add(text)
            self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Error, printable(text)))

    def set_options(self, given: object) -> None:
        """Use the options of the editor, alone or as the section ``nginxtls`` of its settings."""
        if isinstance(given, dict):
            section = given.get("nginxtls", given)
            self.options = section if isinstance(section, dict) else {}
            self.shown.clear()

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of the workspace."""
        uris = [folder.uri for folder in self.workspace.folders.values()] or [self.workspace.root_uri or ""]
        return tuple(filter(None, map(path_of, uris)))

    @property
    def hint_kinds(self) -> tuple[str, ...]:
        """The kinds of inlay hints that are on."""
        wanted = self.options.get("inlayHints", True)
        if isinstance(wanted, dict):
            return tuple(kind for kind in hints.KINDS if wanted.get(kind, True))
        return hints.KINDS if wanted else ()

    def document(self, uri: str) -> TextDocument | None:
        """An open document, however its URI is encoded."""
        documents: dict[str, TextDocument] = self.workspace.text_documents
        return documents.get(unquote(uri))

    def document_version(self, uri: str) -> int | None:
        """The version of an open document."""
        document = self.document(uri)
        return document.version if document else None

    # -- groups --------------------------------------------------------------------------------------------------------

    def group(self, document: TextDocument) -> Group:
        """The group of an open document, which is added to it."""
        key = unquote(document.uri)
        path = path_of(document.uri)
        if path is None or not os.path.isfile(path):
            name = (UNSAVED, key)
            path = UNSAVED
        else:
            try:
                name = ("", str(settings_file(path, self.folders) or ""))
            except UsageError:
                name = ("", "")  # shown when it is checked
        for other, group in [*self.groups.items()]:
            if other != name and key in group.paths:
                self.leave(key)  # it was saved, or its settings file has come or gone
        group = self.groups.setdefault(name, Group())
        group.paths[key] = path
        return group

    def leave(self, key: str) -> None:
        """Remove a document from its group."""
        for name, group in [*self.groups.items()]:
            if group.paths.pop(key, None) is not None:
                if group.paths:
                    self.schedule(group)
                else:
                    group.stop()
                    del self.groups[name]

    def schedule(self, group: Group) -> None:
        """Check a group as soon as no key is pressed any more."""
        group.stop()
        self.forget_futures()
        group.timer = asyncio.get_running_loop().call_later(DEBOUNCE, self.run, group)

    def forget_futures(self) -> None:
        """Remove what pygls 2.1 keeps of notifications, and of its requests without a result."""
        futures, types = self.protocol._request_futures, self.protocol._result_types
        for key in [key for key, future in futures.items() if future.done()]:
            del futures[key]
        for key in types.keys() - futures.keys():
            del types[key]

    def schedule_all(self) -> None:
        """Check everything anew: files or settings have changed."""
        for document in [*self.workspace.text_documents.values()]:
            self.schedule(self.group(document))

    def fresh(self, uri: str) -> Group | None:
        """The group of a document, checked with its text of now; None if it is not open."""
        document = self.document(uri)
        if document is None:
            return None
        group = self.group(document)
        if group.waits or group.checked is None:
            self.run(group)
        return group

    # -- checking ------------------------------------------------------------------------------------------------------

    def run(self, group: Group) -> None:
        """Check a group and publish what is found; whatever happens, the server goes on."""
        group.stop()
        first = group.checked is None
        documents: dict[str, tuple[str, str]] = {}
        for key, path in group.paths.items():
            if (document := self.workspace.text_documents.get(key)) is not None:
                documents.pop(path, None)
                documents[path] = document.uri, document.source
        group.request = request = Request(documents, self.folders, self.options)
        group.places = Places(request.opened, self.workspace.position_encoding)
        try:
            in_a_folder(self.folders)
            group.settings = self.settings(request, next(iter(documents), UNSAVED))
            try:
                group.checked = group.checker.check(request, group.settings)
            except UsageError as error:  # of a file that the settings name
                self.show(error)
                group.settings = Settings()
                group.checked = group.checker.check(request, group.settings)
            if group.checked.report is not None:
                for failure in (*group.checked.reading.failures, *group.checked.report.failures):
                    if failure.location is None and failure.subject.startswith("rule "):
                        self.log(f"{failure.subject} {failure.reason}")
                self.publish(group, diagnostics(group.checked, group.places, self.pages.address))
        except UsageError as error:
            self.show(error)
            return
        except Exception as error:
            self.log(f"the check {stopped(error)}")
            return
        if group.checked.partial:
            group.whole = asyncio.get_running_loop().create_task(self.run_whole(group, request))
        self.refresh_hints()
        if first:
            settle()

    def settings(self, request: Request, path: str) -> Settings:
        """The settings of a document; the defaults, if they cannot be used."""
        try:
            return settings_for(path, request.options, request.folders)
        except UsageError as error:
            self.show(error)
            return Settings()

    async def run_whole(self, group: Group, request: Request) -> None:
        """Check a group in its whole configurations, in another process; a key ends that."""
        await asyncio.sleep(REST)
        encoding = str(
            group.places.encoding.value if hasattr(group.places.encoding, "value") else group.places.encoding
        )
        try:
            answer = await whole_diagnostics(request, next(iter(request.documents)), encoding, self.pages)
        except Exception as error:
            self.log(f"the check of the whole configuration {stopped(error)}")
            return
        if answer is None:
            self.log("the check of the whole configuration failed")
            return
        group.whole = None
        found, refused = answer
        if refused is not None:
            self.show(refused)
        self.publish(group, found)

    def publish(self, group: Group, found: Diagnostics) -> None:
        """Publish the diagnostics of a group's documents, and of no other files."""
        group.found = {}
        for key, path in group.paths.items():
            if (document := self.workspace.text_documents.get(key)) is None:
                continue
            uri, checked = document.uri, group.checked_as(path, document.uri)
            of_document = found.get(checked, [])
            if checked != uri:
                other = self.document(checked)
                same = other is not None and other.source == document.source
                of_document = moved(of_document, checked, uri) if same else [elsewhere(checked)]
            group.found[uri] = of_document
            self.text_document_publish_diagnostics(
                lsp.PublishDiagnosticsParams(uri, of_document, version=document.version)
            )

    def refresh_hints(self) -> None:
        """Ask the editor to fetch inlay hints again, if it can."""
        workspace = self.client_capabilities.workspace
        if workspace and workspace.inlay_hint and workspace.inlay_hint.refresh_support:
            if self.refresh is not None:
                self.refresh.cancel()
                self.forget_futures()
            self.refresh = self.workspace_inlay_hint_refresh(None)

    # -- places --------------------------------------------------------------------------------------------------------

    def files(self, uri: str) -> Iterator[tuple[Group, Subject, SourceFile]]:
        """The files that a document consists of, checked with its text of now."""
        group = self.fresh(uri)
        if group is not None and group.checked is not None:
            for subject, file in group.checked.places(real_path(group.paths[unquote(uri)])):
                yield group, subject, file

    def at(self, uri: str, position: lsp.Position) -> Iterator[tuple[Group, Subject, SourceFile, int]]:
        """The files of a document that have a position, and its offset there."""
        for group, subject, file in self.files(uri):
            offset = group.places.offset(file, position)
            if offset is not None:
                yield group, subject, file, offset

    def diagnostics_in(self, group: Group, uri: str, wanted: lsp.Range) -> list[lsp.Diagnostic]:
        """The diagnostics of a document that touch a range."""
        start, end = wanted.start, wanted.end
        found = self.all_diagnostics(group, uri)
        return [each for each in found if each.range.start <= end and start <= each.range.end]

    def all_diagnostics(self, group: Group, uri: str) -> list[lsp.Diagnostic]:
        """The diagnostics of a document."""
        document = self.document(uri)
        return group.found.get(document.uri, []) if document else []


def in_a_folder(folders: Sequence[str]) -> None:
    """Move out of a working directory that was removed: no path could be resolved in it."""
    try:
        os.getcwd()
    except FileNotFoundError:
        os.chdir(next(filter(os.path.isdir, folders), os.sep))


def settle() -> None:
    """Keep the trees of a first check out of garbage collections, which would look at every directive between two keys.

    What an earlier call kept and nobody uses any more is collected before.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def guarded(work: Callable[[Server, Any], T]) -> Callable[[Server, Any], T | None]:
    """The handler, which answers nothing where it fails: an error in it must not disturb the editor."""

    def handler(ls: Server, params: Any) -> T | None:
        try:
            return work(ls, params)
        except UsageError as error:
            ls.show(error)
        except Exception as error:
            ls.log(f"{work.__name__} {stopped(error)}")
        return None

    handler.__name__ = work.__name__
    return handler


# -- documents ---------------------------------------------------------------------------------------------------------


def on_initialize(ls: Server, params: lsp.InitializeParams) -> None:
    """Use the options that the editor starts the server with."""
    ls.set_options(params.initialization_options)
    with suppress(IndexError, OSError):
        os.chdir(ls.folders[0])  # names in messages are relative to it


async def on_initialized(ls: Server, params: lsp.InitializedParams) -> None:
    """Watch files, if the editor can, and fetch its settings."""
    workspace = ls.client_capabilities.workspace
    if workspace and workspace.did_change_watched_files and workspace.did_change_watched_files.dynamic_registration:
        watchers = [lsp.FileSystemWatcher(glob) for glob in WATCHED]
        options = lsp.DidChangeWatchedFilesRegistrationOptions(watchers)
        registration = lsp.Registration("watch", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        with suppress(Exception):
            await ls.client_register_capability_async(lsp.RegistrationParams([registration]))
    await fetch_settings(ls)


async def fetch_settings(ls: Server) -> None:
    """Ask the editor for its settings, if it supports the request."""
    workspace = ls.client_capabilities.workspace
    if workspace and workspace.configuration:
        section = lsp.ConfigurationItem(section="nginxtls")
        with suppress(Exception):
            (given,) = await ls.workspace_configuration_async(lsp.ConfigurationParams([section]))
            if isinstance(given, dict) and given:
                ls.set_options(given)
                ls.schedule_all()


async def on_configuration(ls: Server, params: lsp.DidChangeConfigurationParams) -> None:
    """Use changed settings of the editor."""
    if params.settings:
        ls.set_options(params.settings)
    else:
        await fetch_settings(ls)
    ls.schedule_all()


def on_document(ls: Server, params: Any) -> None:
    """Check a document that was opened, changed or saved."""
    document = ls.document(params.text_document.uri)
    if document is not None:
        group, key = ls.group(document), unquote(document.uri)
        group.paths[key] = group.paths.pop(key)
        ls.schedule(group)


def on_close(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    """Forget a document, and remove its diagnostics."""
    uri = params.text_document.uri
    ls.leave(unquote(uri))
    ls.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))


def on_files(ls: Server, params: Any) -> None:
    """Check everything: files on disk, or the folders of the workspace, have changed."""
    ls.shown.clear()
    ls.schedule_all()


# -- requests ----------------------------------------------------------------------------------------------------------


def on_hover(ls: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    """What is known of the word at a position."""
    uri, position = params.text_document.uri, params.position
    for group, subject, file, offset in ls.at(uri, position):
        reported = ls.diagnostics_in(group, uri, lsp.Range(position, position))
        text = hover(spot(subject, file, offset), group.places, [str(each.code) for each in reported])
        if text:
            return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text))
    return None


def on_definition(ls: Server, params: lsp.DefinitionParams) -> list[lsp.Location]:
    """Where what is named at a position is defined."""
    for group, subject, file, offset in ls.at(params.text_document.uri, params.position):
        assert group.checked is not None
        found = definitions.definitions(group.checked, spot(subject, file, offset), group.places)
        if found:
            return found
    return []


def on_links(ls: Server, params: lsp.DocumentLinkParams) -> list[lsp.DocumentLink]:
    """The links of a document to pages of rules."""
    files = {file: group for group, _, file in ls.files(params.text_document.uri)}
    return [link for file, group in files.items() for link in definitions.links(file, group.places, ls.pages.address)]


def on_completion(ls: Server, params: lsp.CompletionParams) -> lsp.CompletionList | None:
    """What is allowed at a position."""
    uri, position = params.text_document.uri, params.position
    found = next(ls.at(uri, position), None)
    if found is None:
        # A text that does not read like nginx's yet.
        document, group = ls.document(uri), ls.fresh(uri)
        if document is None or group is None:
            return None
        alone = Request({UNSAVED: (uri, document.source)}, ls.folders, ls.options)
        for subject in read(alone, group.settings).subjects:
            file = subject.configuration.tree.roots[0]
            places = Places(alone.opened, ls.workspace.position_encoding)
            items = completion.completions(subject.configuration, file, places.offset(file, position) or 0, places)
            return lsp.CompletionList(is_incomplete=False, items=items)
        return None
    group, subject, file, offset = found
    items = completion.completions(subject.configuration, file, offset, group.places)
    return lsp.CompletionList(is_incomplete=False, items=items)


def on_hints(ls: Server, params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
    """The inlay hints of a range."""
    kinds = ls.hint_kinds
    seen: dict[SourceFile, list[lsp.InlayHint]] = {}
    for group, subject, file in ls.files(params.text_document.uri) if kinds else ():
        start, end = group.places.offset(file, params.range.start), group.places.offset(file, params.range.end)
        last = len(file.text)
        found = hints.hints(subject, file, start or 0, last if end is None else end, group.places, kinds)
        seen[file] = seen.get(file) or [*found]
    return [hint for found in seen.values() for hint in found]


def on_actions(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """The fixes of the findings in a range, comments that ignore them, and all safe fixes of the document."""
    uri, only = params.text_document.uri, params.context.only
    group = ls.fresh(uri)
    found: list[lsp.CodeAction] = []
    if group is None:
        return found
    reported = ls.diagnostics_in(group, uri, params.range)
    if _wanted(lsp.CodeActionKind.QuickFix, only):
        found += actions.fixes(reported, ls.document_version)
        for _, _, file in ls.files(uri):
            if file.outer is None and file.first_line == 1:
                found += actions.ignores(reported, uri, file, group.places, ls.document_version)
                break
    if _wanted(actions.FIX_ALL, only) and any(
        each.data and each.data["safe"] for each in ls.all_diagnostics(group, uri)
    ):
        every = lsp.CodeAction("Apply all safe fixes", lsp.CodeActionKind.SourceFixAll, data={"uri": uri})
        every.kind = actions.FIX_ALL
        # Only an editor that applies it at once (on saving) or cannot fetch it later gets the edits now.
        found.append(_resolved(ls, every) if only or not _resolves(ls) else every)
    return found


def on_resolve(ls: Server, action: lsp.CodeAction) -> lsp.CodeAction:
    """An action with its edits."""
    return _resolved(ls, action) if isinstance(action.data, dict) and "uri" in action.data else action


def _resolved(ls: Server, action: lsp.CodeAction) -> lsp.CodeAction:
    uri: str = (action.data or {}).get("uri", "")
    edits: actions.Edits = {}
    for group, _, file in ls.files(uri):
        checked = group.places.document(file)[0]
        found = actions.fix_all(group.request, group.settings, file, checked, group.checker.narrowing, group.places)
        edits = {uri: found[checked]} if checked in found else {}
        break
    action.edit = actions.workspace_edit(edits, ls.document_version)
    return action


def _resolves(ls: Server) -> bool:
    """Whether the editor fetches the edits of an action when it is chosen."""
    document = ls.client_capabilities.text_document
    support = document.code_action.resolve_support if document and document.code_action else None
    return support is not None and "edit" in support.properties


def _wanted(kind: str, only: Sequence[lsp.CodeActionKind | str] | None) -> bool:
    """Whether an editor that wants only some kinds of actions wants this one: ``source`` includes ``source.fixAll``."""
    return only is None or any(kind == each or kind.startswith(f"{each}.") for each in map(_text, only))


def _text(kind: lsp.CodeActionKind | lsp.PositionEncodingKind | str) -> str:
    return str(kind.value) if isinstance(kind, lsp.CodeActionKind | lsp.PositionEncodingKind) else kind


def server() -> Server:
    """A server with all its handlers."""
    ls = Server()
    actions_options = lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix, actions.FIX_ALL], resolve_provider=True)
    completion_options = lsp.CompletionOptions(trigger_characters=[" ", ":", "!", "+"])
    ls.feature(lsp.INITIALIZE)(on_initialize)
    ls.feature(lsp.INITIALIZED)(on_initialized)
    ls.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)(on_configuration)
    for name in (lsp.TEXT_DOCUMENT_DID_OPEN, lsp.TEXT_DOCUMENT_DID_CHANGE, lsp.TEXT_DOCUMENT_DID_SAVE):
        ls.feature(name)(guarded(on_document))
    ls.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)(guarded(on_close))
    ls.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)(guarded(on_files))
    ls.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(guarded(on_files))
    ls.feature(lsp.TEXT_DOCUMENT_HOVER)(guarded(on_hover))
    ls.feature(lsp.TEXT_DOCUMENT_DEFINITION)(guarded(on_definition))
    ls.feature(lsp.TEXT_DOCUMENT_DOCUMENT_LINK, lsp.DocumentLinkOptions())(guarded(on_links))
    ls.feature(lsp.TEXT_DOCUMENT_COMPLETION, completion_options)(guarded(on_completion))
    ls.feature(lsp.TEXT_DOCUMENT_INLAY_HINT, lsp.InlayHintOptions())(guarded(on_hints))
    ls.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, actions_options)(guarded(on_actions))
    ls.feature(lsp.CODE_ACTION_RESOLVE)(guarded(on_resolve))
    return ls


def serve() -> bool:
    """Serve an editor over standard input and output until it ends the session; whether it did that properly."""
    sys.path[:] = filter(None, sys.path)  # nothing of a workspace is imported
    gc.enable()  # the command line, whose runs are short, disables it
    logging.disable()  # pygls writes tracebacks to standard error, which quote messages and the keys in them
    ls = server()
    try:
        ls.start_io()
    finally:
        ls.pages.remove()
    return ls.protocol._shutdown
