"""What a client's own text reaches, and whom a list of groups refuses, asked of real nginx."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from generations import installed
from hello import ask, client_hello
from lab import Bench, make_certificates

PORT = 29300 + os.getpid() % 200 * 2
ECDHE_ECDSA = 0xC02B
TLS13 = 0x1301


@pytest.fixture
def bench(generation: dict[str, Any], tmp_path: Path) -> Bench:
    make_certificates(tmp_path / "certificates")
    (tmp_path / "certificates" / "sites").mkdir()
    return Bench(next(g for g in installed() if g.name == generation["name"]), tmp_path / "run")


def _http(bench: Bench, body: str) -> Path:
    certificates = bench.folder.parent / "certificates"
    text = f"{bench.head}http {{\n{bench.http_head}\n{body}\n}}\n".replace("DIR", str(certificates))
    path: Path = bench.write({"nginx.conf": text})
    return path


NAMED = "ssl_certificate DIR/sites/$ssl_server_name.pem; ssl_certificate_key DIR/sites/$ssl_server_name.key;"


def test_an_sni_with_dots_leaves_the_folder(bench: Bench) -> None:
    main = _http(bench, f"server {{ listen {PORT} ssl; server_name *.test; {NAMED} }}")
    assert bench.test(main) == []
    with bench.running(main, PORT):
        flight = ask("127.0.0.1", PORT, client_hello(["TLSv1.2"], [ECDHE_ECDSA], "../a-ec"))
    assert flight.accepted


def test_an_sni_with_dots_leaves_the_root_of_a_server_that_the_host_header_selects(bench: Bench) -> None:
    (bench.folder.parent / "certificates" / "index.html").write_text("outside")
    pair = "ssl_certificate DIR/a-ec.pem; ssl_certificate_key DIR/a-ec.key;"
    main = _http(
        bench,
        f"server {{ listen {PORT} ssl; {pair} return 404; }}"
        f"server {{ listen {PORT} ssl; server_name b.test; {pair} root DIR/sites/$ssl_server_name; }}",
    )
    command = [bench.generation.openssl, "s_client", "-quiet", "-connect", f"127.0.0.1:{PORT}", "-servername", ".."]
    with bench.running(main, PORT):
        done = subprocess.run(
            command, input="GET / HTTP/1.0\r\nHost: b.test\r\n\r\n", capture_output=True, text=True, check=False
        )
    assert done.stdout.endswith("outside")


def test_behind_a_default_server_only_names_arrive(bench: Bench) -> None:
    default = "ssl_certificate DIR/b-rsa.pem; ssl_certificate_key DIR/b-rsa.key;"
    main = _http(
        bench,
        f"server {{ listen {PORT} ssl default_server; {default} }}"
        f"server {{ listen {PORT} ssl; server_name *.test ~.; {NAMED} }}",
    )
    assert bench.test(main) == []
    with bench.running(main, PORT):
        for name in ("../a-ec", "a/../../a-ec", "..", "a..test"):
            assert not ask("127.0.0.1", PORT, client_hello(["TLSv1.2"], [ECDHE_ECDSA], name)).accepted


def test_hybrid_groups_alone_refuse_other_clients(bench: Bench) -> None:
    if tuple(map(int, bench.generation.openssl_version.split(".")[:2])) < (3, 5) or "1.1.1" in (
        bench.generation.openssl_version
    ):
        pytest.skip("this OpenSSL has no ML-KEM")
    pair = "ssl_certificate DIR/a-ec.pem; ssl_certificate_key DIR/a-ec.key;"
    main = _http(bench, f"server {{ listen {PORT} ssl; {pair} ssl_ecdh_curve X25519MLKEM768; }}")
    assert bench.test(main) == []
    with bench.running(main, PORT):
        hello = client_hello(["TLSv1.3"], [TLS13], "a.test", groups=["X25519MLKEM768"])
        assert ask("127.0.0.1", PORT, hello).accepted
        for version, suite in (("TLSv1.3", TLS13), ("TLSv1.2", ECDHE_ECDSA)):
            hello = client_hello([version], [suite], "a.test", groups=["X25519", "prime256v1"])
            assert not ask("127.0.0.1", PORT, hello).accepted
