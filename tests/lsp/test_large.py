"""Large configurations: a part of them while typing, then all; the server's memory; what a workspace may not do."""

from __future__ import annotations

import gc
import os
import random
from pathlib import Path

import pytest

from nginxtls.base.limits import LIMITS
from nginxtls.linting.settings import Settings
from nginxtls.lsp.checking import MOST_CHARACTERS, Checked, Checker, Request, check_whole
from nginxtls.lsp.diagnostics import NOT_SHOWN, diagnostics
from nginxtls.lsp.narrowing import SMALL
from nginxtls.lsp.places import Places
from nginxtls.syntax.tree import SourceFile
from tests.lsp.conftest import run, session

MAIN = """\
events {}
http {
    server_tokens off;
    upstream shared { server 10.0.0.1:8443; }
    include sites/*.conf;
}
"""


def write(folder: Path, sites: dict[str, str], main: str = MAIN) -> None:
    """A configuration of these sites, and of plain ones that make it a large one."""
    (folder / "sites").mkdir(exist_ok=True)
    (folder / "nginx.conf").write_text(main)
    for number in range(SMALL):
        name = f"n{number:03}.example.net"
        (folder / f"sites/{name}.conf").write_text(site(name))
    for name, text in sites.items():
        (folder / f"sites/{name}.conf").write_text(text)


def site(name: str, lines: str = "", listen: str = "443 ssl") -> str:
    return f"server {{\n    listen {listen};\n    server_name {name};\n    ssl_protocols TLSv1.2 TLSv1.3;\n{lines}}}\n"


def request(folder: Path, name: str, text: str | None = None) -> Request:
    path = folder / f"sites/{name}.conf"
    return Request({str(path): (path.as_uri(), path.read_text() if text is None else text)}, (str(folder),), {})


def told(checked: Checked) -> list[tuple[object, ...]]:
    """The findings; their messages may count the servers that a part of the configuration lacks."""
    assert checked.report is not None
    return [(f.rule, f.severity, f.location.span) for f in checked.report.findings]


# What another site has to do with this one; each is found in the part of the configuration that is looked at.
RELATIONS = {
    "name": {"a": site("shop.example.org"), "b": site("shop.example.org")},
    "default server": {"0": site("first.example.org", listen="443 ssl").replace("TLSv1.2 TLSv1.3", "TLSv1.2")},
    "kind of listen": {"m": site("mixed.example.org", listen="443")},
    "upstream": {"m": site("m.example.org") + "upstream own { server 127.0.0.1:1; }\n"},
    "subdomains": {
        "b": site("sub.shop.example.org", listen="80").replace("    ssl_protocols TLSv1.2 TLSv1.3;\n", ""),
    },
    "port": {"m": site("m.example.org", listen="8443")},
}
LINES = """\
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    location / { proxy_pass https://own; }
    location /b { proxy_pass http://127.0.0.1:8443; }
"""


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_part_of_a_large_configuration_has_the_findings_of_the_whole(tmp_path: Path, relation: str) -> None:
    write(tmp_path, {"shop": site("shop.example.org www.shop.example.org", LINES), **RELATIONS[relation]})
    asked = request(tmp_path, "shop")
    checker = Checker()
    for _ in range(2):
        part = checker.check(asked, Settings(pedantic=True))
        assert part.partial
        assert len(part.reading.subjects[0].configuration.tree.files) < 10
        assert told(part) == told(check_whole(asked, Settings(pedantic=True)))


@pytest.mark.parametrize("seed", range(int(os.environ.get("NGINXTLS_LSP_SEEDS", "4"))))
def test_random_sites_have_the_findings_of_the_whole(tmp_path: Path, seed: int) -> None:
    """Sites that share names, ports, upstreams, certificates and zones; each is looked at by the same checker."""
    dice = random.Random(seed)
    lines = (
        "    ssl_session_cache shared:zone{0}:10m;\n",
        "    ssl_certificate c{0}.pem;\n    ssl_certificate_key c{0}.key;\n",
        "    location / {{ proxy_pass https://group{0}; proxy_ssl_verify on; }}\n",
        "    location /x {{ return 301 https://s{0}.example.org$request_uri; }}\n",
        '    add_header Strict-Transport-Security "max-age=63072000";\n',
        "    ssl_reject_handshake on;\n",
        "    ssl_verify_client on;\n    ssl_client_certificate ca{0}.pem;\n",
        "    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;\n",
    )
    listens = (
        "443 ssl",
        "443 ssl",
        "443 ssl http2",
        "443",
        "8443 ssl",
        "443 ssl default_server",
        "127.0.0.1:443 ssl",
        "80",
    )
    sites = {}
    for number in range(8):
        chosen = "".join(line.format(dice.randrange(4)) for line in dice.sample(lines, 3))
        extra = f"upstream group{number} {{ server 127.0.0.1:8443; }}\n" if dice.random() < 0.5 else ""
        sites[f"s{number}"] = extra + site(f"s{dice.randrange(6)}.example.org", chosen, dice.choice(listens))
    write(tmp_path, sites)
    checker = Checker()
    for name in dice.sample(sorted(sites), 3):
        asked = request(tmp_path, name)
        part, whole = checker.check(asked, Settings()), check_whole(asked, Settings())
        assert part.partial
        assert told(part) == told(whole), name


def test_the_whole_configuration_follows_in_another_process(tmp_path: Path) -> None:
    """More servers than rules are run on between two keys, and a workspace with modules of the standard library."""
    text = "".join(site(f"m{number}.example.org", "    ssl_protocols TLSv1;\n") for number in range(120))
    write(tmp_path, {"many": text, "other": site("m7.example.org")})
    for name in ("json.py", "asyncio.py", "sitecustomize.py"):
        (tmp_path / name).write_text("open('imported', 'w')\n")
    (tmp_path / "nginxtls").mkdir()
    (tmp_path / "nginxtls/__init__.py").write_text("open('imported', 'w')\n")

    async def work() -> None:
        async with session(tmp_path, {"settings": {"nginx-version": "1.26.3", "openssl-version": "3.5.1"}}) as editor:
            uri = editor.open("sites/many.conf")
            found = await editor.diagnostics(uri)
            assert {"repeated-ssl-protocols", "conflicting-server-name"} & {str(d.code) for d in found}
            assert len(found) >= 120
            # What is typed meanwhile ends an unfinished check, and the last text is what counts.
            for number in range(5):
                editor.type(uri, f"# {number}\n" * number + text)
            final = await editor.diagnostics(uri)
            assert min(d.range.start.line for d in final) == min(d.range.start.line for d in found) + 4
            assert not editor.logged

    run(work)
    assert not (tmp_path / "imported").exists()


def test_an_editor_gets_the_most_severe_findings_and_the_number_of_others(tmp_path: Path) -> None:
    most, path = LIMITS["diagnostics"], tmp_path / "a.conf"
    words = ":".join(f"W{number}" for number in range(most + 200))
    path.write_text(f"server {{\n    listen 443 ssl;\n    ssl_ciphers HIGH:{words};\n    ssl_protocols SSLv3;\n}}\n")
    request = Request({str(path): (path.as_uri(), path.read_text())}, (str(tmp_path),), {})
    checked = Checker().check(request, Settings(nginx_version="1.26.3", openssl_version="3.5.1"))
    assert checked.report
    (remark, *found) = diagnostics(checked, Places(request.opened), lambda rule: None)[path.as_uri()]
    assert len(found) == most
    left = len(checked.report.findings) - most
    assert left >= 200
    assert remark.message.startswith(f"{left:,} findings of this file are not shown")
    assert (remark.code, remark.range.start.line) == (NOT_SHOWN, 0)
    assert "obsolete-ssl" in {d.code for d in found}
    places = [(d.range.start.line, d.range.start.character) for d in found]
    assert places == sorted(places)


def test_a_long_text_is_checked_in_another_process(tmp_path: Path) -> None:
    words = ":".join(f"W{number}" for number in range(MOST_CHARACTERS // 6))
    text = site("a", f"    ssl_ciphers HIGH:{words};\n").replace("TLSv1.2", "SSLv3")
    (tmp_path / "a.conf").write_text(text)
    request = Request({str(tmp_path / "a.conf"): ((tmp_path / "a.conf").as_uri(), text)}, (str(tmp_path),), {})
    checked = Checker().check(request, Settings())
    assert checked.partial
    assert checked.report is None

    async def work() -> None:
        versions = {"nginx-version": "1.26.3", "openssl-version": "3.5.1"}
        async with session(tmp_path, {"settings": versions}) as editor:
            uri = editor.open("a.conf")
            assert "**ssl_protocols**" in await editor.hover(uri, 3, 6)
            assert uri not in editor.published
            assert {NOT_SHOWN, "obsolete-ssl"} <= {*await editor.codes(uri)}

    run(work)


def test_files_are_parsed_again_only_when_they_have_changed(tmp_path: Path) -> None:
    write(tmp_path, {"shop": site("shop.example.org")})
    checker = Checker()

    def trees(text: str) -> dict[str, SourceFile]:
        checked = checker.check(request(tmp_path, "shop", text), Settings())
        return {file.name: file for subject in checked.reading.subjects for file in subject.configuration.tree.files}

    first = trees(site("shop.example.org"))
    second = trees(site("shop.example.org", "    ssl_protocols TLSv1;\n"))
    changed = {name for name in first if first[name] is not second[name]}
    assert {Path(name).name for name in changed} == {"shop.conf"}
    (tmp_path / "nginx.conf").write_text(MAIN.replace("10.0.0.1", "10.0.0.2"))
    third = trees(site("shop.example.org", "    ssl_protocols TLSv1;\n"))
    assert {Path(name).name for name in second if second[name] is not third[name]} == {"nginx.conf"}


def test_a_long_session_keeps_no_old_texts(tmp_path: Path) -> None:
    write(tmp_path, {"shop": site("shop.example.org")})
    checker = Checker()

    def files_after(checks: int) -> int:
        for number in range(checks):
            text = site(
                "shop.example.org", f"    ssl_ciphers AES128-SHA:word{number};\n" + "include loop.conf;" * (number % 2)
            )
            checker.check(request(tmp_path, "shop", text), Settings())
        gc.collect()
        return sum(isinstance(each, SourceFile) for each in gc.get_objects())

    first = files_after(10)
    assert files_after(60) <= first + 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_the_memory_of_a_server_is_bounded(showcase: Path) -> None:
    async def work() -> None:
        async with session(showcase) as editor:
            uri = editor.open("sites-enabled/api.conf")
            text = (showcase / "sites-enabled/api.conf").read_text()
            server = editor.client._server
            assert server is not None

            async def memory_after(checks: int) -> int:
                for number in range(checks):
                    editor.type(uri, text + "\n" * number)
                    await editor.hover(uri, 0, 0)  # is answered for the text of now
                status = Path(f"/proc/{server.pid}/status").read_text()
                return int(status.partition("VmRSS:")[2].split()[0])

            first = await memory_after(30)
            assert await memory_after(100) < first + 6_000, "in kB"

    run(work)
