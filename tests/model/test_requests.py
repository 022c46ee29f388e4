"""What nginx answers to a request, and where redirects lead."""

from __future__ import annotations

import pytest

from nginxtls.model import handshake
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import answer, follow
from tests.model.conftest import Configure

TLS = "ssl_certificate certificates/good.pem; ssl_certificate_key certificates/good.key;"


def target(configure: Configure, server: str, path: str = "/", host: str = "example.com") -> str | None:
    """Where a server on port 80 redirects to; empty: nowhere; None: unknown."""
    configuration = configure(
        f"map $host $canonical {{ default ''; ~^www\\.(.+)$ $1; }} server {{ listen 80; {server} }}"
    )
    found = answer(configuration, configuration.sockets[0], Request("http", host, 80, path))
    return None if found is None else found.target


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("location / { return 301 /in; } return 301 https://$host$request_uri;", "https://example.com/"),
        ("location / { return 301 /in; } if ($scheme = https) { return 301 /tls; }", "/in"),
        ("rewrite ^ /a; location / { return 302 /no; } location /a { return 302 /yes; }", "/yes"),
        ("rewrite ^/$ /a last; return 302 /no; location /a { return 302 $uri; }", "/a"),
        ("location / { rewrite ^ /a break; return 302 /no; } location /a { return 302 /no; }", ""),
        ("location / { rewrite ^ /a; } location /a { return 302 /yes; }", "/yes"),
        ("set $to /x; return 302 $to;", "/x"),
        ("if ($host != example.com) { return 302 /no; } return 404;", ""),
        ("location / { rewrite ^ /; }", ""),
    ],
)
def test_rewrite_directives_run_in_order_of_the_text(configure: Configure, server: str, expected: str) -> None:
    assert target(configure, server) == expected


@pytest.mark.parametrize(
    "server",
    [
        "if ($http_x_forwarded_proto = http) { return 301 /a; }",
        "if ($cookie_seen) { return 301 /a; }",
        "if (-f $request_filename) { break; } return 301 /a;",
        "return 301 $nowhere;",
        "include elsewhere.conf; return 301 /a;",
    ],
)
def test_what_depends_on_other_things_is_unknown(configure: Configure, server: str) -> None:
    assert target(configure, server) is None


def test_what_runs_before_an_unknown_condition_is_known(configure: Configure) -> None:
    assert target(configure, "return 301 /a; if ($cookie_seen) { return 301 /b; }") == "/a"


def test_values_of_a_map_and_its_captures(configure: Configure) -> None:
    server = "server_name www.example.com; return 301 https://$canonical$request_uri;"
    assert target(configure, server, "/x", "www.example.com") == "https://example.com/x"


def test_redirects_are_followed_until_one_repeats(configure: Configure) -> None:
    configuration = configure(f"""
        server {{ listen 80; server_name example.com; return 301 https://$host$request_uri; }}
        server {{ listen 443 ssl; server_name example.com; {TLS} return 301 https://www.example.com$request_uri; }}
        server {{ listen 443 ssl; server_name www.example.com; {TLS} return 301 https://example.com/; }}
    """)
    path = follow(configuration, configuration.sockets[0], Request("http", "example.com", 80))
    assert [found.request.url for found in path.answers] == [
        "http://example.com/",
        "https://example.com/",
        "https://www.example.com/",
    ]
    assert path.loop == 2


def test_a_redirect_to_a_name_of_others_ends_the_path(configure: Configure) -> None:
    configuration = configure("server { listen 80; server_name example.com; return 301 http://example.org/; }")
    path = follow(configuration, configuration.sockets[0], Request("http", "example.com", 80))
    assert (len(path.answers), path.loop, path.complete) == (1, 0, True)


def test_the_level_of_an_if_in_a_location_applies(configure: Configure) -> None:
    configuration = configure("server { listen 80; location / { if ($host) { expires 1h; } root /a; } }")
    found = answer(configuration, configuration.sockets[0], Request("http", "example.com", 80))
    assert found is not None
    assert found.scope.level == "if"


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("add_header Strict-Transport-Security max-age=1; return 404;", None),
        ("add_header Strict-Transport-Security max-age=1 always; return 404;", "max-age=1"),
        ("add_header Strict-Transport-Security max-age=1; location / { add_header X y; } return 301 /a;", "max-age=1"),
        ("add_header Strict-Transport-Security max-age=1; location / { add_header X y; }", None),
        ("add_header Strict-Transport-Security $hsts;", "max-age=2"),
        ("add_header Strict-Transport-Security max-age=1; location / { if ($host) { add_header X y; } }", None),
        ("add_header Strict-Transport-Security max-age=1; rewrite ^ /a; location /a { add_header X y; }", None),
    ],
)
def test_hsts_as_a_client_receives_it(configure: Configure, server: str, expected: str | None) -> None:
    mapped = "map $scheme $hsts { https max-age=2; }"
    configuration = configure(f"{mapped} server {{ listen 443 ssl; server_name example.com; {TLS} {server} }}")
    found = handshake(configuration, "127.0.0.1", 443, "example.com")
    assert (found.hsts, found.unknown) == (expected, [])
