"""Headers: compared where the configuration alone decides them, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

import nginxtls
from nginxtls.live.compare import differences
from nginxtls.live.flights import Flight
from nginxtls.live.offers import Offer
from nginxtls.live.responses import Response
from nginxtls.live.visits import Seen
from nginxtls.model import Handshake

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
PAIR = f"ssl_certificate {CERTIFICATES}/good.pem; ssl_certificate_key {CERTIFICATES}/good.key;"
HSTS = "add_header Strict-Transport-Security max-age=9;"
OTHER = (("Strict-Transport-Security", "max-age=1"),)


def compared(folder: Path, lines: str, status: int, headers: tuple[tuple[str, str], ...]) -> list[str]:
    main = folder / "nginx.conf"
    main.write_text(f"events {{}}\nhttp {{ server {{ listen 443 ssl; server_name a.test; {PAIR} {lines} }} }}\n")
    configuration = nginxtls.load(main, nginx_version="1.30.0", openssl_version="3.5.0")
    offer = Offer("TLSv1.3", (0x1301,))
    flight = Flight(offer, version="TLSv1.3", suite=0x1301, group="X25519", complete=True)
    seen = Seen({"TLSv1.3": flight}, response=Response(status, headers))
    answer = Handshake(configuration, configuration.sockets[0], "a.test")
    found = differences(answer, seen, configuration.facts.at, full=True)
    return [each.message for each in found if each.rule == "other-header"]


@pytest.mark.parametrize(
    ("lines", "status", "headers"),
    [
        (f"{HSTS} return 200 x;", 200, OTHER),
        (f"{HSTS} return 301 https://b.test/;", 301, ()),
        ("return 200 x;", 200, OTHER),
        (f"{HSTS}", 200, OTHER),
        (f"{HSTS} location / {{ try_files $uri $uri/ =404; }}", 200, OTHER),
        (f"{HSTS} location / {{ proxy_pass http://127.0.0.1:1; }}", 200, OTHER),
    ],
)
def test_a_difference(tmp_path: Path, lines: str, status: int, headers: tuple[tuple[str, str], ...]) -> None:
    assert len(compared(tmp_path, lines, status, headers)) == 1


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (f"{HSTS} return 200 x;", 503),  # by a limit, or a module that is not modelled
        ("location / { proxy_pass http://127.0.0.1:1; }", 200),  # the back end sends it
        (f"{HSTS} location / {{ }} location = /index.html {{ add_header X y; }}", 200),
        (f"{HSTS} location / {{ error_page 404 =200 /x; }}", 200),
        (f"{HSTS} location / {{ try_files $uri @app; }} location @app {{ proxy_pass http://127.0.0.1:1; }}", 200),
        (f"{HSTS} location / {{ auth_request /auth; }}", 200),
        ("more_set_headers 'Strict-Transport-Security: max-age=1'; return 200 x;", 200),
        ("if ($http_cookie) { return 403; } return 200 x;", 200),
    ],
)
def test_what_something_else_decides(tmp_path: Path, lines: str, status: int) -> None:
    assert compared(tmp_path, lines, status, OTHER) == []
