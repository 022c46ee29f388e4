"""Which named clients a configuration lets in: certificates, names, SNI and ALPN on top of what both agree on."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

import nginxtls
from nginxtls.model import Configuration, handshake
from nginxtls.model.clients import Outcome, grouped, outcomes, tables
from nginxtls.tls.clients import matching

CERTIFICATES = Path(__file__).parents[2] / "fixtures/certificates"
AT = datetime(2026, 11, 26, tzinfo=timezone.utc)
OLD = "ssl_protocols TLSv1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;"
SERVER = """\
server {{
    listen 443 ssl;
    server_name {name};
    ssl_certificate {folder}/{certificate}.pem;
    ssl_certificate_key {folder}/{key}.key;
    {lines}
}}
"""


def server(name: str = "www.example.com", certificate: str = "good-rsa", key: str = "", lines: str = "") -> str:
    return SERVER.format(name=name, folder=CERTIFICATES, certificate=certificate, key=key or certificate, lines=lines)


def configured(folder: Path, *servers: str, nginx: str = "1.26.3", openssl: str = "3.5.9") -> Configuration:
    main = folder / "nginx.conf"
    main.write_text("events {}\nhttp {\n" + "\n".join(servers) + "}\n")
    return nginxtls.load(main, nginx_version=nginx, openssl_version=openssl, trust=[CERTIFICATES / "root.pem"], at=AT)


def ask(configuration: Configuration, client: str, name: str = "www.example.com") -> Outcome:
    (found,) = outcomes(handshake(configuration, "127.0.0.1", 443, name), matching([client]))
    return found


def test_a_client_of_today_gets_all_of_it(tmp_path: Path) -> None:
    found = ask(configured(tmp_path, server(lines="http2 on;")), "Chromium 156")
    assert found.connects
    assert (found.protocol, found.group, found.post_quantum) == ("TLSv1.3", "X25519MLKEM768", True)
    assert (found.key, found.alpn, found.resumption) == ("RSA 2048", "h2", "tickets")


def test_an_old_one_is_told_why_not(tmp_path: Path) -> None:
    found = ask(configured(tmp_path, server()), "Java 7u25")
    assert (found.connects, found.kind) == (False, "protocol")
    assert found.reason == "no common protocol version: the client offers SSLv3 TLSv1"


def test_old_windows_has_no_suite_for_rsa_with_aead(tmp_path: Path) -> None:
    """IE 11 of Windows 7 has ECDHE with AES-GCM for EC certificates only."""
    line = "ssl_protocols TLSv1.2; ssl_ciphers ECDHE+AESGCM;"
    assert ask(configured(tmp_path, server(lines=line)), "IE 11 Win 7").kind == "certificate"
    assert ask(configured(tmp_path, server(certificate="good", lines=line)), "IE 11 Win 7").connects


def test_a_missing_intermediate_is_found_by_browsers_alone(tmp_path: Path) -> None:
    configuration = configured(tmp_path, server(certificate="leaf-only", key="good"))
    found = {name: ask(configuration, name) for name in ("Chromium 156", "Go 1.27", "curl 8.23")}
    assert {name: outcome.kind for name, outcome in found.items()} == {
        "Chromium 156": found["Chromium 156"].kind, "Go 1.27": "chain", "curl 8.23": "chain",
    }  # fmt: skip
    assert found["Go 1.27"].connects is False


def test_the_name_counts_for_those_that_send_it_and_for_those_that_do_not(tmp_path: Path) -> None:
    configuration = configured(tmp_path, server("other.example.org", lines=OLD),
                               server(lines=OLD))  # fmt: skip
    assert ask(configuration, "Android 4.4").connects
    # Without SNI it gets the default server, whose certificate happens to be the same.
    assert ask(configuration, "Java 6u45").connects
    assert ask(configuration, "Android 4.4", "other.example.org").kind == "name"


def test_clients_without_sni_get_the_default_server(tmp_path: Path) -> None:
    """Whose EC certificate is of no use to them."""
    lines = "ssl_protocols TLSv1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;"
    configuration = configured(tmp_path, server("example.com", "good", lines=lines), server(lines=lines))
    assert ask(configuration, "IE 8 Win 7").key == "RSA 2048"
    assert ask(configuration, "Java 6u45").kind == "certificate"


def test_dh_parameters_that_a_client_rejects(tmp_path: Path) -> None:
    line = f"ssl_dhparam {CERTIFICATES}/dh1024.pem; ssl_protocols TLSv1.2; ssl_ciphers DHE:@SECLEVEL=0;"
    configuration = configured(tmp_path, server(lines=line))
    assert ask(configuration, "OpenSSL 3.5.9").kind == "dh"
    assert ask(configuration, "Node 8").connects


def test_no_common_alpn_protocol_ends_a_stream_handshake(tmp_path: Path) -> None:
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"events {{}}\nstream {{ server {{ listen 443 ssl; ssl_alpn mqtt; return ok;\n"
        f"ssl_certificate {CERTIFICATES}/good.pem; ssl_certificate_key {CERTIFICATES}/good.key; }} }}\n"
    )
    configuration = nginxtls.load(
        main, nginx_version="1.26.3", openssl_version="3.5.9", trust=[CERTIFICATES / "root.pem"], at=AT
    )
    assert ask(configuration, "Chromium 156").kind == "alpn"
    assert ask(configuration, "OpenSSL 3.5.9").connects


def test_equal_endpoints_are_one_table(tmp_path: Path) -> None:
    many = [server(f"{word}.api.example.com") for word in ("a", "b", "c")]
    found = tables(configured(tmp_path, *many), matching(["browsers"]))
    assert [table.names for table in found] == [
        ["(no name)", "a.api.example.com", "b.api.example.com", "c.api.example.com"]
    ]
    assert found[0].certificates == {"RSA 2048": [f"{CERTIFICATES}/good-rsa.pem"]}


def test_quic_sockets_have_clients_of_http3(tmp_path: Path) -> None:
    configuration = configured(tmp_path, server(lines="listen 443 quic;"))
    by_socket = {
        table.socket.quic: {o.client.family for o in table.outcomes} for table in tables(configuration, matching([]))
    }
    assert by_socket[True] == {"aioquic"}
    assert "aioquic" not in by_socket[False]


def test_an_unreadable_certificate_is_not_a_verdict(tmp_path: Path) -> None:
    line = "ssl_protocols TLSv1.2; ssl_ciphers ECDHE+AESGCM;"
    text = server(lines=line).replace(f"{CERTIFICATES}/good-rsa", "$ssl_server_name")
    assert ask(configured(tmp_path, text), "IE 11 Win 7").connects is None
    assert ask(configured(tmp_path, text), "Node 22").connects


@pytest.mark.parametrize("client", ["Node 22", "OpenJDK 21"])
def test_a_group_that_nobody_has(tmp_path: Path, client: str) -> None:
    configuration = configured(tmp_path, server(lines="ssl_ecdh_curve X448MLKEM1024;"), nginx="1.30.6", openssl="3.6.5")
    assert ask(configuration, client).kind == "refused"


def test_handshakes_of_nobody_are_no_table() -> None:
    assert grouped([], matching([])) == []
