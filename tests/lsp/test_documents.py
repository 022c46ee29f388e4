"""Diagnostics as an editor gets them: for unsaved text, in the configuration that includes it, whatever is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from tests.lsp.conftest import SERVER, run, session

SHOP = "sites-enabled/shop.conf"


def reported(folder: Path, name: str) -> list[tuple[str, int, int]]:
    """What ``nginxtls check`` reports in a file: rules with lines and columns, from 0."""
    command = [SERVER, "check", ".", "--format", "json", "--exit-zero"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    places = [(found["rule"], found["location"]) for found in json.loads(done.stdout)["findings"]]
    return [(rule, place["line"] - 1, place["column"] - 1) for rule, place in places if place["file"].endswith(name)]


def test_diagnostics_are_those_of_check_and_follow_what_is_typed(showcase: Path) -> None:
    expected = reported(showcase, SHOP)
    text = (showcase / SHOP).read_text()

    async def work() -> None:
        async with session(showcase) as editor:
            uri = editor.open(SHOP)
            found = await editor.diagnostics(uri)
            assert [(d.code, d.range.start.line, d.range.start.character) for d in found] == expected
            chain = next(d for d in found if d.code == "missing-intermediate")
            assert (chain.severity, chain.source) == (lsp.DiagnosticSeverity.Error, "nginxtls")
            assert chain.code_description
            assert "# missing-intermediate" in Path(chain.code_description.href.removeprefix("file://")).read_text()
            ignored = next(d for d in found if d.code == "ignored-protocols")
            related = [each.location for each in ignored.related_information or ()]
            assert [place.uri for place in related] == [editor.uri("sites-enabled/default.conf")]
            assert related[0].range.start.line == 5

            # The line that decides is in another document, whose text is not saved either.
            default = (showcase / "sites-enabled/default.conf").read_text()
            other = editor.open(
                "sites-enabled/default.conf", default.replace("TLSv1 TLSv1.1 TLSv1.2", "TLSv1.2 TLSv1.3")
            )
            await editor.diagnostics(other)
            await editor.diagnostics(uri, lambda found: "ignored-protocols" not in {d.code for d in found})
            editor.type(uri, text.replace("    ssl_stapling on;\n", ""))
            codes = await editor.codes(uri)
            assert "stapling-without-responder" not in codes
            assert "missing-intermediate" in codes
            assert (showcase / SHOP).read_text() == text
            editor.close(other)
            await editor.diagnostics(uri, lambda found: "ignored-protocols" in {d.code for d in found})
            assert editor.published[other][-1].diagnostics in ((), [])
            assert not editor.messages

    run(work)


def test_what_cannot_be_parsed_is_reported_and_stops_nothing(showcase: Path) -> None:
    text = (showcase / SHOP).read_text()
    broken = [text[: len(text) * part // 12] for part in range(12)]
    broken += [
        "}" * 500,
        "server {" * 300,
        "\0\x01\x0c\u2028",
        '"',
        "ssl_certificate \"data:'",
        "{{ x }",
        "if (",
        "#",
        "",
    ]

    async def work() -> None:
        async with session(showcase) as editor:
            uri = editor.open(SHOP, text.replace("ssl_stapling on;", "ssl_stapling on"))
            found = await editor.diagnostics(uri)
            assert [d.message for d in found if d.code == "syntax"]
            for each in broken:
                editor.type(uri, each)
                await editor.completions(uri, 1_000_000, 3)
                await editor.hover(uri, 0, 1)
                await editor.actions(uri, 0)
            editor.type(uri, text)
            codes = await editor.codes(uri)
            assert "missing-intermediate" in codes
            assert "syntax" not in codes
            assert not editor.messages
            assert not editor.logged

    run(work)


def test_documents_that_are_not_on_disk_are_checked_by_themselves(tmp_path: Path) -> None:
    async def work() -> None:
        async with session(tmp_path) as editor:
            uri = editor.open("new.conf", "server {\n  listen 443 ssl;\n  ssl_protocols SSLv3;\n}\n")
            found = await editor.diagnostics(uri)
            assert [d.range.start.line for d in found if d.code == "obsolete-ssl"] == [2]
            editor.type(uri, "# nothing\n")
            assert await editor.diagnostics(uri) == []

    run(work)


@pytest.mark.parametrize(
    ("encoding", "column"),
    [
        (lsp.PositionEncodingKind.Utf8, 12 + 4 + 2),
        (lsp.PositionEncodingKind.Utf16, 12 + 2 + 1),
        (lsp.PositionEncodingKind.Utf32, 12 + 1 + 1),
    ],
    ids=str,
)
def test_positions_are_in_the_units_that_were_agreed_on(
    tmp_path: Path, encoding: lsp.PositionEncodingKind, column: int
) -> None:
    text = "server { listen 443 ssl;\n  set $x '😀é'; ssl_protocols SSLv3;\n}\n"

    async def work() -> None:
        async with session(tmp_path, encodings=[encoding]) as editor:
            uri = editor.open("a.conf", text)
            found = next(d for d in await editor.diagnostics(uri) if d.code == "obsolete-ssl")
            assert editor.capabilities.position_encoding == encoding
            start = column + len("; ssl_protocols ") - len("; ")
            assert found.range.start == lsp.Position(1, start + 1)
            assert "**ssl_protocols**" in await editor.hover(uri, 1, start - 3)
            assert not await editor.hover(uri, 1, 9)

    run(work)


def test_settings_of_the_file_and_of_the_editor(showcase: Path) -> None:
    file = showcase / ".nginxtls.yaml"

    async def work() -> None:
        async with session(showcase, options={"settings": {"ignore": ["lost-hsts"]}}) as editor:
            uri = editor.open(SHOP)
            codes = await editor.codes(uri)
            assert "lost-hsts" not in codes
            assert "missing-intermediate" in codes
            changed = lsp.DidChangeConfigurationParams({"nginxtls": {"settings": {"select": ["lost-hsts"]}}})
            editor.client.workspace_did_change_configuration(changed)
            await editor.diagnostics(uri, lambda found: {d.code for d in found} == {"lost-hsts"})

            # Settings that cannot be used are shown once, and the rest goes on without them.
            editor.client.workspace_did_change_configuration(
                lsp.DidChangeConfigurationParams({"nginxtls": {"settings": {"selekt": ["x"]}}})
            )
            await editor.diagnostics(uri, lambda found: len(found) > 3)
            assert [message for message in editor.messages if 'unknown key "selekt"' in message]
            editor.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams({"nginxtls": {}}))
            file.write_text(file.read_text() + "ignore: [missing-intermediate]\n")
            editor.client.workspace_did_change_watched_files(
                lsp.DidChangeWatchedFilesParams([lsp.FileEvent(file.as_uri(), lsp.FileChangeType.Changed)])
            )
            await editor.diagnostics(
                uri,
                lambda found: "lost-hsts" in (codes := {d.code for d in found}) and "missing-intermediate" not in codes,
            )
            file.write_text("ignore: [\n")
            editor.client.workspace_did_change_watched_files(
                lsp.DidChangeWatchedFilesParams([lsp.FileEvent(file.as_uri(), lsp.FileChangeType.Changed)])
            )
            await editor.diagnostics(uri, lambda found: "missing-intermediate" in {d.code for d in found})
            assert [message for message in editor.messages if ".nginxtls.yaml: cannot be read" in message]

    run(work)


def test_without_pygls_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pygls'] = None; sys.argv = ['nginxtls', 'lsp']\nfrom nginxtls.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: nginxtls lsp: needs pygls\n  = help: install nginxtls with its extra: nginxtls[lsp]\n"


def test_a_message_that_cannot_be_read_is_not_quoted(showcase: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\\nMIGHAgEAX+zrZv/IbzjZUnhsbWlsecLbwjndTpG0ZynXOif7V+lrhrJz/zT84Z1r\\n"
    item = {"uri": (showcase / SHOP).as_uri(), "languageId": "nginx", "version": "one", "text": key}
    bodies = [
        json.dumps({"jsonrpc": "2.0", **message}).encode()
        for message in (
            {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}},
            {"method": "textDocument/didOpen", "params": {"textDocument": item}},
            {"method": "$/setTrace", "params": {"value": key}},
            {"method": "exit", "params": None},
        )
    ]
    bodies.insert(1, json.dumps(key).encode())
    text = b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)
    done = subprocess.run([SERVER, "lsp"], input=text, capture_output=True, timeout=60, check=False)
    assert b"capabilities" in done.stdout
    assert b"MIGHAg" not in done.stdout + done.stderr
    assert (done.returncode, done.stderr) == (1, b"")  # it was not shut down before
