"""What an editor offers at a place: hover, definitions, links, completion, hints, actions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lsprotocol import types as lsp

from tests.lsp.conftest import SERVER, Editor, run, session

SHOP, API, DEFAULT = "sites-enabled/shop.conf", "sites-enabled/api.conf", "sites-enabled/default.conf"
CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"


def changed(text: str, action: lsp.CodeAction, uri: str) -> str:
    """A text after an action, which changes this document alone."""
    assert action.edit
    (change,) = action.edit.document_changes or ()
    assert isinstance(change, lsp.TextDocumentEdit)
    assert change.text_document.uri == uri
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for edit in sorted(change.edits, key=lambda edit: edit.range.start, reverse=True):
        assert isinstance(edit, lsp.TextEdit)
        first, last = (starts[place.line] + place.character for place in (edit.range.start, edit.range.end))
        text = text[:first] + edit.new_text + text[last:]
    return text


def test_hover(showcase: Path) -> None:
    async def work() -> None:
        async with session(showcase) as editor:
            shop = editor.open(SHOP)
            protocols = await editor.hover(shop, 4, 8)
            assert "in http, server; default `TLSv1.2 TLSv1.3`, since nginx 0.2.2" in protocols
            assert "stream" not in protocols
            assert "effective for shop.example.com on *:443: `TLSv1 TLSv1.1 TLSv1.2`" in protocols
            assert "[sites-enabled/default.conf:6]" in protocols
            assert "clients get TLSv1.2" in protocols
            assert "**ignored-protocols**" in protocols
            certificate = await editor.hover(shop, 5, 8)
            for part in ("names: shop.example.com, www.shop.example.com", "expires: 2044-01-01, ", " days left"):
                assert part in certificate
            assert "1. shop.example.com, issued by Example Intermediate R3" in certificate
            assert ": untrusted" in certificate
            assert "EC key: it belongs to the certificate" in await editor.hover(shop, 6, 8)
            assert "effective for https://accounts" not in await editor.hover(shop, 11, 0)
            api = editor.open(API)
            ciphers = await editor.hover(api, 4, 20)
            assert "2 suites with OpenSSL 3.5.1" in ciphers
            assert "- `AES128-SHA`, no forward secrecy" in ciphers
            assert "skipped: ECDHE-RSA-AES128-GCM-SHA265" in ciphers
            main = editor.open("nginx.conf")
            assert "`shared:tls:10m`, from this line" in await editor.hover(main, 9, 8)
            text = (
                (showcase / SHOP)
                .read_text()
                .replace("proxy_pass https://accounts;", "proxy_pass https://accounts; proxy_ssl_verify off;")
            )
            editor.type(shop, text)
            assert "effective for https://accounts: `off`, from this line" in await editor.hover(shop, 10, 40)
            # A rule's name in a comment is its page.
            editor.type(shop, text.replace("ssl_stapling on;", "ssl_stapling on; # nginxtls: ignore[lost-hsts]"))
            assert "topic hsts" in await editor.hover(shop, 7, 45)

    run(work)


def test_no_hover_quotes_key_material(tmp_path: Path) -> None:
    key = (CERTIFICATES / "good.key").read_text()
    secret = key.splitlines()[1]
    shutil.copy(CERTIFICATES / "good.pem", tmp_path)
    (tmp_path / "good.key").write_text(key)
    (tmp_path / "good.key").chmod(0o600)
    lines = key.replace("\n", "\\n")
    text = (
        "events {}\nhttp {\n  server {\n    listen 443 ssl;\n    ssl_certificate good.pem;\n"
        f'    ssl_certificate_key "data:{key}";\n  }}\n'
        f"  map $x $key {{\n default '{key}';\n }}\n"
        '  server {\n    listen 444 ssl;\n    ssl_certificate good.pem;\n    ssl_certificate_key "data:$key";\n  }\n'
        "  server {\n    listen 445 ssl;\n    ssl_certificate good.pem;\n    ssl_certificate_key good.key;\n"
        f'    set $y "{lines}";\n    ssl_certificate_key "engine:pkcs11:pin-value={secret[:12]}";\n  }}\n}}\n'
    )
    pieces = {line[at : at + 12] for line in key.splitlines()[1:-1] for at in range(len(line) - 12)}
    (tmp_path / "nginx.conf").write_text(text)

    async def work() -> None:
        async with session(tmp_path) as editor:
            uri = editor.open("nginx.conf")
            shown = [repr(await editor.diagnostics(uri))]
            for number, line in enumerate(text.split("\n")):
                for character in {0, 5, 12, len(line) // 2, max(len(line) - 3, 0)}:
                    shown.append(await editor.hover(uri, number, character))
                    shown += await editor.completions(uri, number, character)
                shown += [repr(action) for action in await editor.actions(uri, number)]
            everything = "\n".join([*shown, *editor.logged, *editor.messages])
            assert "**ssl_certificate_key**" in everything
            assert not [piece for piece in pieces if piece in everything]

    run(work)


def test_definitions_and_links(showcase: Path) -> None:
    async def work() -> None:
        async with session(showcase) as editor:
            main, shop = editor.open("nginx.conf"), editor.open(SHOP)

            async def defined(uri: str, line: int, character: int) -> list[tuple[str, int]]:
                params = lsp.DefinitionParams(lsp.TextDocumentIdentifier(uri), lsp.Position(line, character))
                found = await editor.client.text_document_definition_async(params)
                assert isinstance(found, list | tuple)
                return [(each.uri, each.range.start.line) for each in found if isinstance(each, lsp.Location)]

            assert await defined(main, 17, 15) == [(editor.uri(name), 0) for name in (API, DEFAULT, SHOP)]
            assert await defined(shop, 10, 25) == [(main, 12)]
            assert await defined(shop, 1, 6) == []
            text = (showcase / SHOP).read_text()
            editor.type(shop, f"# nginxtls: ignore-file[lost-hsts, no-such-rule] reason\n{text}")
            links = await editor.client.text_document_document_link_async(
                lsp.DocumentLinkParams(lsp.TextDocumentIdentifier(shop))
            )
            (link,) = links or ()
            assert (link.range.start.character, link.range.end.character) == (24, 33)
            assert link.target
            assert Path(link.target.removeprefix("file://")).read_text().startswith("# lost-hsts\n")

    run(work)


def test_hints_are_shown_and_can_be_turned_off(showcase: Path) -> None:
    async def hints(editor: Editor, uri: str) -> list[tuple[int, str]]:
        everything = lsp.Range(lsp.Position(0, 0), lsp.Position(1000, 0))
        found = await editor.client.text_document_inlay_hint_async(
            lsp.InlayHintParams(lsp.TextDocumentIdentifier(uri), everything)
        )
        return [(hint.position.line, str(hint.label)) for hint in found or ()]

    async def work() -> None:
        async with session(showcase) as editor:
            uri = editor.open(SHOP)
            (line, served), (other, days) = await hints(editor, uri)
            assert (line, served) == (1, "TLSv1.2")
            assert other == 5
            assert days.endswith(" days left")
            editor.client.workspace_did_change_configuration(
                lsp.DidChangeConfigurationParams({"nginxtls": {"inlayHints": {"daysLeft": False}}})
            )
            assert await hints(editor, uri) == [(1, "TLSv1.2")]
            editor.client.workspace_did_change_configuration(
                lsp.DidChangeConfigurationParams({"nginxtls": {"inlayHints": False}})
            )
            assert await hints(editor, uri) == []
            # Where the version is not known and makes a difference, the hint is not one build's.
            settings = {"inlayHints": True, "settings": {"select": ["lost-hsts"]}}
            (showcase / ".nginxtls.yaml").unlink()
            editor.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams({"nginxtls": settings}))
            assert (1, "TLSv1.2 TLSv1.3 (depends on the version)") in await hints(editor, uri)

    run(work)


def test_completion_knows_the_block_and_the_version(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("events {}\nhttp {\n  include site.conf;\n}\n")
    (tmp_path / "site.conf").write_text("server {\n  \n}\n")

    async def work() -> None:
        async with session(tmp_path, {"settings": {"nginx-version": "1.18.0", "openssl-version": "1.1.1w"}}) as editor:
            uri = editor.open("site.conf")
            names = await editor.completions(uri, 1, 2)
            assert {"ssl_protocols", "ssl_certificate", "listen"} <= names.keys()
            assert not {"ssl_reject_handshake", "ssl_preread", "http2", "ssl_key_log"} & names.keys()

            async def offered(line: str) -> dict[str, lsp.CompletionItem]:
                editor.type(uri, f"server {{\n  {line}\n}}\n")
                return await editor.completions(uri, 1, 2 + len(line))

            assert [*await offered("ssl_protocols TLSv1.2 ")] == ["TLSv1", "TLSv1.1", "TLSv1.3"]
            suites = await offered("ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:!aNULL:ECDHE-")
            assert {"ECDHE-ECDSA-AES256-GCM-SHA384", "HIGH"} <= suites.keys()
            assert "TLS_AES_128_GCM_SHA256" not in suites
            edit = suites["HIGH"].text_edit
            assert isinstance(edit, lsp.TextEdit)
            assert edit.range == lsp.Range(lsp.Position(1, 49), lsp.Position(1, 55))
            groups = await offered("ssl_ecdh_curve X25519:")
            assert "prime256v1" in groups
            assert not {"X25519", "X25519MLKEM768"} & groups.keys()
            assert {"on", "off", "optional"} <= (await offered("ssl_verify_client o")).keys()
            listen = await offered("listen 443 ")
            assert "ssl" in listen
            assert "quic" not in listen
            assert await offered("# ssl_pro") == {}
            inner = await offered("location / { prox")
            assert "proxy_ssl_verify" in inner
            assert "ssl_protocols" not in inner
            newer = {"settings": {"nginx-version": "1.29.4", "openssl-version": "3.5.1"}}
            editor.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams({"nginxtls": newer}))
            assert "X25519MLKEM768" in await offered("ssl_ecdh_curve ")
            assert "quic" in await offered("listen 443 ")
            assert "TLS_AES_128_GCM_SHA256" in await offered("ssl_conf_command Ciphersuites ")
            assert "ssl_reject_handshake" in await offered("ssl_rej")

            alone = editor.open("new.conf", "server {\n  \n}\n")
            assert "ssl_certificate" in await editor.completions(alone, 1, 2)

    run(work)


def test_actions_fix_one_finding_all_safe_ones_and_ignore(showcase: Path) -> None:
    text = (showcase / SHOP).read_text().replace("TLSv1.2 TLSv1.3;", "TLSv1.2 TLSv1.2 TLSv1.3;")
    (showcase / SHOP).write_text(text)
    fixed = showcase.parent / "fixed"
    shutil.copytree(showcase, fixed)
    subprocess.run([SERVER, "check", SHOP, "--fix", "--exit-zero", "--quiet"], cwd=fixed, check=True)

    async def work() -> None:
        async with session(showcase) as editor:
            uri = editor.open(SHOP)
            await editor.diagnostics(uri)
            found = {action.title: action for action in await editor.actions(uri, 7)}
            stapling = found["remove `ssl_stapling`"]
            assert stapling.is_preferred
            assert changed(text, stapling, uri) == text.replace("    ssl_stapling on;\n", "")
            ignored = changed(text, found["Ignore stapling-without-responder on this line"], uri)
            assert "    ssl_stapling on;  # nginxtls: ignore[stapling-without-responder]\n" in ignored
            editor.type(uri, ignored)
            codes = await editor.codes(uri)
            assert not {"stapling-without-responder", "unused-suppression"} & {*codes}
            editor.type(uri, text)
            # On saving an editor asks for this kind alone, and applies it at once.
            (every,) = await editor.actions(uri, 0, only=["source.fixAll"])
            assert changed(text, every, uri) == (fixed / SHOP).read_text() != text
            editor.type(uri, (fixed / SHOP).read_text())
            assert await editor.actions(uri, 0, only=["source.fixAll.nginxtls"]) == []

    run(work)
    capabilities = lsp.ClientCapabilities(
        text_document=lsp.TextDocumentClientCapabilities(
            code_action=lsp.CodeActionClientCapabilities(
                resolve_support=lsp.ClientCodeActionResolveOptions(properties=["edit"])
            )
        )
    )

    async def later() -> None:
        async with session(showcase, capabilities=capabilities) as editor:
            uri = editor.open(SHOP)
            await editor.diagnostics(uri)
            every = next(each for each in await editor.actions(uri, 0) if each.kind == "source.fixAll.nginxtls")
            assert every.edit is None
            resolved = await editor.client.code_action_resolve_async(every)
            assert changed(text, resolved, uri) == (fixed / SHOP).read_text()

    run(later)
