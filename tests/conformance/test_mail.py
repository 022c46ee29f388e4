"""Mail servers against real nginx: ALPN, what `nginx -t` refuses, TLS by the old `ssl on`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nginxtls
from nginxtls.model import handshake, refusals

sys.path.insert(0, str(Path(__file__).parent))

from generations import installed
from hello import ask, client_hello
from lab import Bench, make_certificates

PORT = 28400 + os.getpid() % 200 * 4
PROTOCOLS = ("imap", "pop3", "smtp")
HEAD = "auth_http 127.0.0.1:1; server_name mail.test;"
VARIABLES = "ssl_certificate /x/$server_name.pem; ssl_certificate_key /x/$server_name.key;"
PAIR = "ssl_certificate DIR/a-rsa.pem; ssl_certificate_key DIR/a-rsa.key;"


@pytest.fixture
def bench(generation: dict[str, Any], tmp_path: Path) -> Bench:
    mine = next(g for g in installed() if g.name == generation["name"])
    built = subprocess.run([mine.nginx, "-V"], capture_output=True, text=True, check=False).stderr
    if not (mine.modules / "ngx_mail_module.so").exists() and "--with-mail " not in built:
        pytest.skip("this generation has no mail module")
    make_certificates(tmp_path / "certificates")
    return Bench(mine, tmp_path / "run")


def _load(bench: Bench, body: str) -> tuple[Path, Any]:
    certificates = bench.folder.parent / "certificates"
    main = bench.write({"nginx.conf": f"{bench.head}mail {{\n{HEAD}\n{body}\n}}\n".replace("DIR", str(certificates))})
    versions = {"nginx_version": bench.generation.nginx_version, "openssl_version": bench.generation.openssl_version}
    return main, nginxtls.load(main, **versions)


def test_alpn(bench: Bench) -> None:
    """A mail protocol's own name is chosen, any other ends the handshake; before 1.21.4 nginx ignores ALPN."""
    servers = "".join(f"server {{ listen {PORT + i} ssl; protocol {p}; {PAIR} }}\n" for i, p in enumerate(PROTOCOLS))
    main, configuration = _load(bench, f"ssl_protocols TLSv1.2;\n{servers}")
    assert bench.test(main) == []
    with bench.running(main, PORT):
        for i, own in enumerate(PROTOCOLS):
            predicted = handshake(configuration, "127.0.0.1", PORT + i).to_dict()["alpn"]
            for offered in (*PROTOCOLS, "http/1.1"):
                flight = ask("127.0.0.1", PORT + i, client_hello(["TLSv1.2"], [0xC02F], None, alpn=[offered]))
                if predicted:
                    assert (flight.accepted, flight.alpn) == (offered in predicted, offered if offered == own else "")
                else:
                    assert (flight.accepted, flight.alpn) == (True, "")


@pytest.mark.parametrize(
    "body",
    [
        f"{VARIABLES} server {{ listen {PORT} ssl; protocol imap; }}",
        f"{VARIABLES} server {{ listen {PORT}; protocol imap; }}",
        f"server {{ listen {PORT}; {PAIR} }}",
        f"server {{ listen {PORT} ssl; protocol imap; {PAIR} }}",
        f"server {{ listen {PORT}; protocol smtp; starttls on; }}",
        f"ssl on; server {{ listen {PORT}; protocol imap; {PAIR} }}",
    ],
    ids=["variables-ssl", "variables-plain", "no-protocol", "ssl", "starttls", "ssl-on"],
)
def test_starting(bench: Bench, body: str) -> None:
    main, configuration = _load(bench, body)
    reported = [line for line in bench.test(main) if "[emerg]" in line and "bind() to" not in line]
    predicted = [refusal.message for refusal in refusals(configuration) if refusal.level == "emerg"]
    assert bool(reported) == bool(predicted), (reported, predicted)


def test_ssl_on(bench: Bench) -> None:
    """Up to 1.25.0 ``ssl on`` makes every mail port speak TLS at once."""
    main, configuration = _load(bench, f"ssl on; server {{ listen {PORT}; protocol imap; {PAIR} }}")
    if any("[emerg]" in line for line in bench.test(main)):
        pytest.skip("this generation has no ssl directive")
    with bench.running(main, PORT):
        flight = ask("127.0.0.1", PORT, client_hello(["TLSv1.2"], [0xC02F], None))
    assert flight.accepted
    assert handshake(configuration, "127.0.0.1", PORT).accepts
