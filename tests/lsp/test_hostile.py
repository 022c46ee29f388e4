"""What no editor should send, and what a workspace may contain: the server answers, goes on, and keeps nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as lsp
from pygls.workspace import Workspace

from nginxtls.lsp.diagnostics import NOT_SHOWN
from nginxtls.lsp.server import on_close, on_completion, on_document, on_hover, server
from nginxtls.syntax.tree import SourceFile
from tests.lsp.conftest import SERVER, Editor, run, session

SITE = "server {\n    listen 443 ssl;\n    ssl_protocols SSLv3;\n}\n"
INITIALIZE: dict[str, Any] = {"processId": None, "rootUri": None, "capabilities": {}}


def talk(*messages: dict[str, Any]) -> tuple[dict[object, Any], int]:
    """What a server answers, by the number of the request, and its exit code."""
    bodies = [json.dumps({"jsonrpc": "2.0", **message}).encode() for message in messages]
    text = b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)
    done = subprocess.run([SERVER, "lsp"], input=text, capture_output=True, timeout=60, check=False)
    assert done.stderr == b""
    answers = {}
    rest = done.stdout
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length:")[2].split()[0])
        message, rest = json.loads(rest[:length]), rest[length:]
        if "method" not in message:
            answers[message["id"]] = message.get("error", {}).get("code", message.get("result"))
    return answers, done.returncode


def ask(number: int, method: str, params: object) -> dict[str, Any]:
    return {"id": number, "method": method, "params": params}


def test_every_request_is_answered() -> None:
    place = {"textDocument": {"uri": "file:///none"}, "position": {"line": 0, "character": 0}}
    answers, code = talk(
        ask(1, "textDocument/hover", place),
        ask(2, "initialize", {**INITIALIZE, "initializationOptions": {"jsonrpc": "2.0", "method": "exit"}}),
        ask(3, "textDocument/hover", {"textDocument": 1}),
        ask(4, "textDocument/hover", None),
        ask(5, "textDocument/hover", {**place, "position": {"line": -1, "character": 10**30}}),
        ask(6, "textDocument/none", {}),
        ask(7, "textDocument/hover", place),
        ask(8, "shutdown", None),
        ask(9, "textDocument/hover", place),
        {"method": "exit"},
    )
    assert "capabilities" in answers.pop(2)
    assert answers == {1: -32002, 3: -32602, 4: -32602, 5: -32602, 6: -32601, 7: None, 8: None, 9: -32600}
    assert code == 0


def test_the_exit_code_is_1_without_a_shutdown() -> None:
    assert talk(ask(1, "initialize", INITIALIZE), {"method": "exit"})[1] == 1
    assert talk(ask(1, "initialize", INITIALIZE))[1] == 1


def open_as(editor: Editor, uri: str, text: str) -> None:
    editor.versions[uri] = 1
    document = lsp.TextDocumentItem(uri, "nginx", 1, text)
    editor.client.text_document_did_open(lsp.DidOpenTextDocumentParams(document))


@pytest.mark.parametrize("name", ["a site é.conf", "100%.conf", "a%20b.conf", "😀 #1?;=[x].conf", "a:b@c+d.conf"])
def test_a_file_of_any_name_is_checked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(SITE)

    async def work() -> None:
        async with session(tmp_path) as editor:
            uri = editor.open(name)
            assert "obsolete-ssl" in await editor.codes(uri)
            assert "**ssl_protocols**" in await editor.hover(uri, 2, 6)
            assert await editor.actions(uri, 2)
            editor.type(uri, SITE.replace("SSLv3", "TLSv1.3"))
            assert "obsolete-ssl" not in await editor.codes(uri)
            editor.close(uri)
            other = (tmp_path.as_uri() + "/" + "".join(f"%{byte:02x}" for byte in name.encode())).replace("%2f", "/")
            open_as(editor, other, SITE)
            assert "obsolete-ssl" in await editor.codes(other)
            assert "**ssl_protocols**" in await editor.hover(uri, 2, 6)
            assert not editor.logged

    run(work)


STRANGE = (
    "file://[ file:// file: file:///%00 file:///a%00b.conf file://host/share/x.conf file:relative.conf FILE:///x "
    "untitled:x http://[::1 file:///tmp/%ff.conf file:///tmp/ file:///dev/stdin file:///proc/self/mem x"
).split()


def test_addresses_that_are_none(tmp_path: Path) -> None:
    async def work() -> None:
        async with session(tmp_path) as editor:
            for uri in ("", " ", f"file:///{'a' * 5000}", *STRANGE):
                open_as(editor, uri, SITE)
                refused = "[" in uri  # pygls cannot parse it and does not open the document
                assert ("**ssl_protocols**" in await editor.hover(uri, 2, 6)) is not refused, uri
                assert bool(await editor.completions(uri, 2, 4)) is not refused
                assert bool(await editor.actions(uri, 2)) is not refused
                editor.close(uri)
                assert not await editor.hover(uri, 2, 6)
                assert not await editor.completions(uri, 2, 4)
            assert set(editor.logged) == {"a message could not be processed: JsonRpcInternalError"}
            assert not editor.messages

    run(work)


def test_nothing_is_kept_of_documents_that_are_not_open(tmp_path: Path) -> None:
    ls = server()
    ls.protocol._workspace = Workspace(None, lsp.TextDocumentSyncKind.Full)
    (tmp_path / "a.conf").write_text(SITE)
    for uri in ("untitled:a", (tmp_path / "a.conf").as_uri()):
        place = lsp.TextDocumentIdentifier(uri), lsp.Position(0, 0)
        assert on_hover(ls, lsp.HoverParams(*place)) is None
        assert on_completion(ls, lsp.CompletionParams(*place)) is None
    assert not ls.groups


def test_a_file_that_is_open_twice(tmp_path: Path) -> None:
    (tmp_path / "sites-available").mkdir()
    (tmp_path / "sites-enabled").mkdir()
    (tmp_path / "nginx.conf").write_text("events {}\nhttp { include sites-enabled/*; }\n")
    (tmp_path / "sites-available/a.conf").write_text(SITE)
    (tmp_path / "sites-enabled/a.conf").symlink_to("../sites-available/a.conf")

    async def work() -> None:
        async with session(tmp_path) as editor:
            target = editor.open("sites-available/a.conf")
            link = editor.open("sites-enabled/a.conf")
            for uri in (target, link):
                (found,) = [d for d in await editor.diagnostics(uri) if d.code == "obsolete-ssl"]
                assert found.data
                assert found.data["edits"].keys() == {uri}
                (action,) = [each for each in await editor.actions(uri, 2) if each.title.startswith("write")]
                assert action.edit
                assert action.edit.document_changes
                (change,) = action.edit.document_changes
                assert isinstance(change, lsp.TextDocumentEdit)
                assert (change.text_document.uri, change.text_document.version) == (uri, 1)
            # The text that was changed last is checked, and the other document says so.
            editor.type(target, "\n" + SITE)
            await editor.diagnostics(link, lambda found: [d.code for d in found] == [NOT_SHOWN])
            (found,) = [d for d in await editor.diagnostics(target) if d.code == "obsolete-ssl"]
            assert found.range.start.line == 3
            editor.type(link, "\n" + SITE)
            for uri in (target, link):
                await editor.diagnostics(uri, lambda found: "obsolete-ssl" in {d.code for d in found})
            editor.close(link)
            assert "obsolete-ssl" in await editor.codes(target)

    run(work)


def test_files_and_folders_that_go_away(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "nginx.conf").write_text("events {}\nhttp { include a.conf; }\n")
    (folder / "a.conf").write_text(SITE)

    async def work() -> None:
        async with session(folder) as editor:
            uri = editor.open("a.conf")
            assert "obsolete-ssl" in await editor.codes(uri)
            (folder / "a.conf").unlink()
            assert "**ssl_protocols**" in await editor.hover(uri, 2, 6)
            shutil.rmtree(folder)
            editor.type(uri, "\n" + SITE)
            assert "obsolete-ssl" in await editor.codes(uri)
            assert "**ssl_protocols**" in await editor.hover(uri, 3, 6)
            assert not editor.logged

    run(work)


BAD_SETTINGS = {
    "version": "nginx-version: 9.9.99999999999999\n",
    "pipe": "trust: [pipe]\n",
    "baseline": "baseline: a.conf\n",
    "policy": "policy: a.conf\n",
    "nested": "a: " + "[" * 10_000,
    "tag": "a: !!python/object/apply:os.system ['touch made']\n",
}


@pytest.mark.parametrize("kind", BAD_SETTINGS)
@pytest.mark.parametrize("servers", [1, 120])
def test_settings_that_cannot_be_used_stop_no_check(tmp_path: Path, kind: str, servers: int) -> None:
    (tmp_path / ".nginxtls.yaml").write_text(BAD_SETTINGS[kind])
    (tmp_path / "a.conf").write_text(SITE * servers)
    os.mkfifo(tmp_path / "pipe")

    async def work() -> None:
        async with session(tmp_path) as editor:
            uri = editor.open("a.conf")
            assert "obsolete-ssl" in await editor.codes(uri)
            editor.type(uri, "\n" + SITE * servers)
            assert "obsolete-ssl" in await editor.codes(uri)
            assert len(editor.messages) == 1
            assert not editor.logged

    run(work)
    assert not (tmp_path / "made").exists()


def test_rapid_changes_are_checked_once_they_rest(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(SITE)

    async def work() -> None:
        async with session(tmp_path) as editor:
            uri = editor.open("a.conf")
            for number in range(500):
                editor.type(uri, "# 😀\n" * number + SITE)
            found = await editor.diagnostics(uri)
            (ssl,) = [d for d in found if d.code == "obsolete-ssl"]
            assert ssl.range.start.line == 499 + 2
            assert len(editor.published[uri]) < 50
            for line, character in ((0, 3), (0, 5), (0, 10**9), (10**9, 0), (2**31 - 1, 2**31 - 1)):
                assert not await editor.hover(uri, line, character)
                await editor.completions(uri, line, character)
                await editor.actions(uri, line)
            assert not editor.logged

    run(work)


def test_nothing_is_kept_of_closed_documents(tmp_path: Path) -> None:
    """Nor of requests to an editor that answers none."""
    ls = server()
    ls.protocol._workspace = Workspace(tmp_path.as_uri(), lsp.TextDocumentSyncKind.Full)
    hints = lsp.InlayHintWorkspaceClientCapabilities(refresh_support=True)
    ls.protocol.client_capabilities = lsp.ClientCapabilities(lsp.WorkspaceClientCapabilities(inlay_hint=hints))

    async def work() -> None:
        for number in range(20):
            folder = tmp_path / f"d{number}"
            folder.mkdir()
            (folder / "a.conf").write_text(SITE)
            if number % 2:
                (folder / ".nginxtls.yaml").write_text("pedantic: true\n")
            for uri in ((folder / "a.conf").as_uri(), f"untitled:{number}"):
                item = lsp.TextDocumentItem(uri, "nginx", 1, SITE)
                ls.workspace.put_text_document(item)
                on_document(ls, lsp.DidOpenTextDocumentParams(item))
                identifier = lsp.TextDocumentIdentifier(uri)
                assert on_hover(ls, lsp.HoverParams(identifier, lsp.Position(2, 6)))
                ls.workspace.remove_text_document(uri)
                on_close(ls, lsp.DidCloseTextDocumentParams(identifier))
        assert not ls.groups
        assert len(ls.protocol._request_futures) == len(ls.protocol._result_types) == 1

    asyncio.run(work())
    gc.unfreeze()
    gc.collect()
    files = [each for each in gc.get_objects() if isinstance(each, SourceFile)]
    assert not [file for file in files if str(file.path).startswith(str(tmp_path))]


def test_a_document_that_is_renamed_without_being_opened(tmp_path: Path) -> None:
    async def work() -> None:
        async with session(tmp_path) as editor:
            editor.open("a.conf", SITE)
            uri = editor.uri("b.conf")
            editor.versions[uri] = 1
            editor.type(uri, "\n" + SITE)
            (found,) = [d for d in await editor.diagnostics(uri) if d.code == "obsolete-ssl"]
            assert found.range.start.line == 3
            assert not editor.logged

    run(work)
