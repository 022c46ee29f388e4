"""Which of two servers on a socket decides a setting: the default server D, or the server B that SNI selects.

Measured on nginx 1.18.0, 1.22.1, 1.26.3, 1.30.6 and 1.31.5; the random configurations of tests/conformance ask the
real servers again.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nginxtls.model import Configuration
from nginxtls.model.effective import DECIDES, effective, origin_of

Configure = Callable[..., Configuration]
CERTIFICATES = {
    "d": "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good.key;",
    "b": "ssl_certificate certificates/good-rsa.pem; ssl_certificate_key certificates/good-rsa.key;",
}
BEFORE, SINCE = "1.26.3", "1.30.6"
ROWS = [
    # setting, D's line, B's line, who decides before 1.29.2, who decides since
    ("ssl_protocols", "ssl_protocols TLSv1.2;", "ssl_protocols TLSv1.3;", "d", "b"),
    ("ssl_ciphers", "ssl_ciphers ECDHE;", "ssl_ciphers AES128-SHA;", "b", "b"),
    (
        "ciphersuites",
        "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;",
        "ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;",
        "d",
        "b",
    ),
    ("ssl_prefer_server_ciphers", "ssl_prefer_server_ciphers on;", "ssl_prefer_server_ciphers off;", "b", "b"),
    ("ssl_ecdh_curve", "ssl_ecdh_curve secp384r1;", "ssl_ecdh_curve X25519;", "d", "d"),
    ("ssl_session_tickets", "ssl_session_tickets on;", "ssl_session_tickets off;", "b", "b"),
    ("ssl_session_cache", "ssl_session_cache shared:a:1m;", "ssl_session_cache off;", "d", "d"),
    ("ssl_session_timeout", "ssl_session_timeout 1d;", "ssl_session_timeout 1h;", "d", "d"),
    ("ssl_session_ticket_key", "ssl_session_ticket_key d.key;", "ssl_session_ticket_key b.key;", "d", "d"),
    ("ssl_early_data", "ssl_early_data on;", "ssl_early_data off;", "d", "d"),
    ("ssl_certificate", "", "", "b", "b"),
    ("ssl_dhparam", "ssl_dhparam d.pem;", "ssl_dhparam b.pem;", "b", "b"),
    ("ssl_verify_client", "ssl_verify_client off;", "ssl_verify_client on;", "b", "b"),
    ("ssl_client_certificate", "ssl_client_certificate d.pem;", "ssl_client_certificate b.pem;", "b", "b"),
    ("ssl_trusted_certificate", "ssl_trusted_certificate d.pem;", "ssl_trusted_certificate b.pem;", "b", "b"),
    ("ssl_stapling", "ssl_stapling off;", "ssl_stapling on;", "b", "b"),
    ("ssl_reject_handshake", "ssl_reject_handshake off;", "ssl_reject_handshake on;", "b", "b"),
    ("ssl_alpn", "ssl_alpn d;", "ssl_alpn b;", "b", "b"),
]


@pytest.mark.parametrize(("name", "d", "b", "before", "since"), ROWS, ids=[row[0] for row in ROWS])
def test_the_deciding_server(configure: Configure, name: str, d: str, b: str, before: str, since: str) -> None:
    module = "stream" if name == "ssl_alpn" else "http"
    text = (
        "events {} "
        + module
        + " {"
        + "".join(
            f"server {{ listen 443 ssl{default}; server_name {letter}.test; {CERTIFICATES[letter]} {line} "
            f"{'return x;' if module == 'stream' else ''} }}\n"
            for letter, default, line in (("d", " default_server", d), ("b", "", b))
        )
        + "}"
    )
    for nginx, decides in ((BEFORE, before), (SINCE, since)):
        configuration = configure(text, nginx=nginx)
        servers = dict(zip("db", configuration.servers, strict=True))
        (socket,) = servers["b"].sockets
        deciding = effective(socket, servers["b"]).decided_by(name)
        assert deciding is servers[decides], f"{name} on nginx {nginx}"
        assert origin_of(deciding, name) in list(servers[decides].walk())


def test_every_setting_of_the_table_is_tried() -> None:
    assert {row[0] for row in ROWS} == set(DECIDES)
