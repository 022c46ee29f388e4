"""A client of pygls that talks to the installed server, as editors do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

SERVER = str(Path(sys.executable).with_name("nginxtls"))
PATIENCE = 60
"""Seconds; the machine may be busy."""


class Editor:
    """A session: what the server has sent, and the documents that are open."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.published: dict[str, list[lsp.PublishDiagnosticsParams]] = {}
        self.messages: list[str] = []
        self.logged: list[str] = []
        self.versions: dict[str, int] = {}
        self.arrived = asyncio.Event()
        self.capabilities = lsp.ServerCapabilities()

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None) -> str:
        """Open a document, with what is on disk or an unsaved text; its URI."""
        uri = self.uri(name)
        content = (self.folder / name).read_bytes().decode() if text is None else text
        self.versions[uri] = 1
        self.client.text_document_did_open(
            lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "nginx", 1, content))
        )
        return uri

    def type(self, uri: str, text: str) -> None:
        """Change the text of a document."""
        self.versions[uri] += 1
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(uri=uri, version=self.versions[uri]),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    def close(self, uri: str) -> None:
        """Close a document."""
        self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(uri)))

    async def diagnostics(
        self, uri: str, until: Callable[[list[lsp.Diagnostic]], bool] = lambda found: True
    ) -> list[lsp.Diagnostic]:
        """The diagnostics of a document's latest version, as soon as they are as expected."""

        async def wait() -> list[lsp.Diagnostic]:
            while True:
                latest = next(reversed(self.published.get(uri, [])), None)
                if latest and latest.version == self.versions[uri] and until([*latest.diagnostics]):
                    return [*latest.diagnostics]
                self.arrived.clear()
                await self.arrived.wait()

        try:
            return await asyncio.wait_for(wait(), PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(f"published: {self.published.get(uri)}; {self.messages} {self.logged}") from None

    async def codes(self, uri: str) -> list[str]:
        """The rules that report something in a document's latest version."""
        return [str(each.code) for each in await self.diagnostics(uri)]

    async def hover(self, uri: str, line: int, character: int) -> str:
        """The text at a position (from 0)."""
        found = await self.client.text_document_hover_async(
            lsp.HoverParams(lsp.TextDocumentIdentifier(uri), lsp.Position(line, character))
        )
        if found is None:
            return ""
        assert isinstance(found.contents, lsp.MarkupContent)
        return found.contents.value

    async def completions(self, uri: str, line: int, character: int) -> dict[str, lsp.CompletionItem]:
        """The items at a position by their label."""
        found = await self.client.text_document_completion_async(
            lsp.CompletionParams(lsp.TextDocumentIdentifier(uri), lsp.Position(line, character))
        )
        assert found is None or isinstance(found, lsp.CompletionList)
        return {item.label: item for item in found.items} if found else {}

    async def actions(self, uri: str, line: int, only: list[str] | None = None) -> list[lsp.CodeAction]:
        """The code actions of a line."""
        spot = lsp.Range(lsp.Position(line, 0), lsp.Position(line, 10_000))
        context = lsp.CodeActionContext([], only=only)
        found = await self.client.text_document_code_action_async(
            lsp.CodeActionParams(lsp.TextDocumentIdentifier(uri), spot, context)
        )
        return [action for action in found or () if isinstance(action, lsp.CodeAction)]


@asynccontextmanager
async def session(
    folder: Path,
    options: object = None,
    encodings: list[lsp.PositionEncodingKind | str] | None = None,
    capabilities: lsp.ClientCapabilities | None = None,
) -> AsyncIterator[Editor]:
    """A server with a folder as its workspace, ended properly."""
    client = LanguageClient("test", "1")
    editor = Editor(client, folder)

    def published(params: lsp.PublishDiagnosticsParams) -> None:
        editor.published.setdefault(params.uri, []).append(params)
        editor.arrived.set()

    def shown(params: lsp.ShowMessageParams) -> None:
        editor.messages.append(params.message)

    def logged(params: lsp.LogMessageParams) -> None:
        editor.logged.append(params.message)

    client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(published)
    client.feature(lsp.WINDOW_SHOW_MESSAGE)(shown)
    client.feature(lsp.WINDOW_LOG_MESSAGE)(logged)
    await client.start_io(SERVER, "lsp", cwd=folder)
    known = capabilities or lsp.ClientCapabilities(general=lsp.GeneralClientCapabilities(position_encodings=encodings))
    answer = await client.initialize_async(
        lsp.InitializeParams(
            capabilities=known,
            initialization_options=options,
            workspace_folders=[lsp.WorkspaceFolder(folder.as_uri(), folder.name)],
        )
    )
    editor.capabilities = answer.capabilities
    client.initialized(lsp.InitializedParams())
    try:
        yield editor
    finally:
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()  # type: ignore[no-untyped-call]


def run(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test's coroutine."""
    asyncio.run(asyncio.wait_for(work(), 4 * PATIENCE))


@pytest.fixture
def showcase(tmp_path: Path) -> Path:
    """A copy of the showcase, in a repository."""
    import shutil

    folder = tmp_path / "showcase"
    shutil.copytree(Path(__file__).parents[2] / "fixtures" / "showcase", folder)
    (folder / ".git").mkdir()
    for key in folder.rglob("*.key"):
        key.chmod(0o600)
    return folder
