"""What nginx answers to requests: the model's answers put to real nginx, rewrite directives drawn at random."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nginxtls.model import Configuration, Facts, NginxVersion, Store, headers
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import answer
from nginxtls.syntax import Files, read_tree

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
PAIR = f"ssl_certificate {CERTIFICATES}/good.pem; ssl_certificate_key {CERTIFICATES}/good.key;"
ROUNDS = 250 if os.environ.get("NGINXTLS_CONFORMANCE") == "full" else 40
HOSTS = ("example.com", "www.example.com", "shop.example.com", "other.test", "WWW.example.com")
PATHS = ("/", "/a", "/a/b", "/.well-known/acme-challenge/x", "/index.html?x=1", "/old")


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


@contextlib.contextmanager
def serving(generation: dict[str, Any], folder: Path, http_block: str, port: int) -> Iterator[Path]:
    temporary = " ".join(f"{n}_temp_path {folder}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{http_block}\n}}\n"
    )
    process = subprocess.Popen([generation["nginx"], "-p", folder, "-c", conf], stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.01)
        yield conf
    finally:
        process.terminate()
        process.wait()
        if process.stderr:
            process.stderr.close()


def get(port: int, host: str, path: str, sni: str | None = None) -> tuple[int, dict[str, str], str]:
    """Status, headers in lower case and body of a GET; over TLS with a server name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    if sni is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), server_hostname=sni)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    body = response.read().decode("latin-1")
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, body


def model(conf: Path, generation: dict[str, Any]) -> Configuration:
    door = Files([conf.parent])
    facts = Facts(nginx=NginxVersion.parse(generation["nginx_version"]))
    return Configuration(read_tree(str(conf), door), facts, Store(door, str(conf.parent)))


# -- random servers ----------------------------------------------------------------------------------------------------

TARGETS = (
    "https://$host$request_uri",
    "https://$server_name$uri",
    "$scheme://www.example.com$request_uri",
    "https://$canonical/$1",
    "http://$http_host/x$is_args$args",
    "/moved$uri",
    "https://$seen$document_uri?$args",
)
CONDITIONS = (
    "$host = www.example.com",
    "$host != example.com",
    "$host ~ ^www\\.(?<rest>.+)$",
    '$request_uri !~ "^/\\.well-known/"',
    "$canonical",
    "$unused",
    "$scheme = http",
    '$args = ""',
    "$uri ~* ^/A",
)
REGEXES = ("^", "^/a", "^/(.*)$", "^/old$", "^/a/(.+)$", "(?<tail>b)$")


def rewrite_lines(draw: random.Random, depth: int = 0) -> list[str]:
    lines = []
    for _ in range(draw.choice((0, 1, 1, 2, 3)) if not depth else draw.choice((1, 1, 2))):
        kind = draw.choice(("return", "rewrite", "rewrite", "set", "if", "if", "break"))
        if kind == "return":
            text = draw.choice(("301 {}", "302 {}", "308 {}", "404", "200 body", "{}")).format(draw.choice(TARGETS))
            lines.append(f"return {text if not text.startswith('/') else '302 ' + text};")
        elif kind == "rewrite":
            new = draw.choice((*TARGETS, "/a", "/new/$1", "/x?y=$uri", "/gone?"))
            flag = draw.choice(("", "", "last", "break", "redirect", "permanent"))
            lines.append(f"rewrite {draw.choice(REGEXES)} {new} {flag};")
        elif kind == "set":
            lines.append(f"set ${draw.choice(('seen', 'unused'))} {draw.choice(('$host', '$uri', 'x', '$canonical'))};")
        elif kind == "if" and not depth:
            lines.append(f"if ({draw.choice(CONDITIONS)}) {{ {' '.join(rewrite_lines(draw, 1))} }}")
        else:
            lines.append("break;")
    return lines


def random_server(draw: random.Random, listen: str, number: int) -> str:
    names = draw.choice(
        (
            "example.com",
            "www.example.com example.com",
            "*.example.com",
            r"~^(?<site>\w+)\.example\.com$",
            "_",
            ".other.test",
            "",
        )
    )
    locations = []
    for pattern in draw.sample(("/", "= /", "/a", "^~ /a/", r"~ ^/(a|b)", r"~* \.HTML$", "/new", "/.well-known/"), 4):
        header = draw.choice(("", f"add_header X-Place l{number} always;"))
        locations.append(f"location {pattern} {{ {header} {' '.join(rewrite_lines(draw))} }}")
    own = rewrite_lines(draw) if draw.random() < 0.5 else []
    lines = [
        f"{listen};",
        f"server_name {names};" if names else "",
        f"add_header X-Place s{number} always;",
        *own,
        *locations,
    ]
    draw.shuffle(lines)
    return f"server {{ {' '.join(lines)} set $seen $host; set $unused ''; root {CERTIFICATES}/nowhere; }}"


def test_random_requests(generation: dict[str, Any], tmp_path: Path) -> None:
    """Status, Location and the level whose headers are sent, for every host and path."""
    draw = random.Random(17)
    reported = requested = 0
    wrong = []
    for turn in range(ROUNDS):
        plain, tls = free_ports(2)
        folder = tmp_path / str(turn)
        folder.mkdir()
        lines = "hostnames; default ''; .example.com canonical.test; www.example.com example.com;"
        block = f"map $host $canonical {{ {lines} }}\n"
        block += "\n".join(random_server(draw, f"listen 127.0.0.1:{plain}", n) for n in range(2))
        block += "\n" + random_server(draw, f"{PAIR} listen 127.0.0.1:{tls} ssl", 2)
        with serving(generation, folder, block, plain) as conf:
            configuration = model(conf, generation)
            for found in configuration.sockets:
                for host in HOSTS:
                    for path in PATHS:
                        requested += 1
                        uri, _, args = path.partition("?")
                        scheme = "https" if found.tls else "http"
                        request = Request(scheme, host.lower(), found.port, uri, args)
                        expected = answer(configuration, found, request)
                        if expected is None:
                            continue
                        reported += 1
                        sent = f"{host}:{found.port}"
                        status, fields, _ = get(found.port, sent, path, host if found.tls else None)
                        target = expected.target
                        if target.startswith("/"):
                            target = f"{scheme}://{sent.lower()}{target}"
                        place = [h.value for h in headers.find(expected.scope, "X-Place")]
                        seen = (str(status), fields.get("location", "").lower())
                        if expected.status in ("301", "302", "308"):
                            right = seen == (expected.status, target.lower())
                        else:
                            right = seen[0] == (expected.status or "404") and not fields.get("location")
                        if expected.status != "500":
                            right = right and fields.get("x-place") == place[0]
                        if not right:
                            wrong.append(
                                (turn, request.url, expected.status, target, seen, fields.get("x-place"), place)
                            )
    assert not wrong, (len(wrong), wrong[:30])
    assert reported > requested * 0.9


# -- single questions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "value"),
    [
        ("_", "_"),
        ("*.example.com example.com", "*.example.com"),
        (r"~^(www\.)?example\.com$", r"~^(www\.)?example\.com$"),
        (".example.com", "example.com"),
        ("Example.COM", "example.com"),
        ("www.example.*", "www.example.*"),
        ("", ""),
    ],
)
def test_server_name_is_the_first_name_as_written(
    names: str, value: str, generation: dict[str, Any], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    named = f"server_name {names};" if names else ""
    server = f"server {{ listen 127.0.0.1:{port}; {named} return 301 https://$server_name/; }}"
    with serving(generation, tmp_path, server, port) as conf:
        assert get(port, "example.com", "/")[1]["location"] == f"https://{value}/"
        configuration = model(conf, generation)
        found = answer(configuration, configuration.sockets[0], Request("http", "example.com", port))
        assert found is not None
        assert found.target == f"https://{value}/"


def test_requests_for_other_names_on_an_accepted_connection(generation: dict[str, Any], tmp_path: Path) -> None:
    """421 for a server with a client check; content of a default server that rejects handshakes (1.19.4)."""
    (port,) = free_ports(1)
    new = tuple(map(int, generation["nginx_version"].split("."))) >= (1, 19, 4)
    default = "ssl_reject_handshake on;" if new else PAIR
    block = (
        f"server {{ listen 127.0.0.1:{port} ssl default_server; {default} location / {{ return 200 default; }} }}"
        f"server {{ listen 127.0.0.1:{port} ssl; server_name a.test; {PAIR} return 200 a; }}"
        f"server {{ listen 127.0.0.1:{port} ssl; server_name m.test; {PAIR} ssl_verify_client on;"
        f" ssl_client_certificate {CERTIFICATES}/client-ca.pem; return 200 m; }}"
    )
    with serving(generation, tmp_path, block, port):
        assert get(port, "a.test", "/", "a.test")[2] == "a"
        assert get(port, "m.test", "/", "a.test")[0] == 421
        assert get(port, "unknown.test", "/", "a.test")[2] == "default"


@pytest.mark.parametrize("cache", ["", "ssl_session_cache shared:S:1m;"])
def test_tickets_that_differ_from_the_default_servers(cache: str, generation: dict[str, Any], tmp_path: Path) -> None:
    """Before 1.29.2 a site with tickets behind a default server without: TLS 1.3 is never resumed, TLS 1.2 by cache."""
    (port,) = free_ports(1)
    block = (
        f"ssl_protocols TLSv1.2 TLSv1.3; {cache} {PAIR}"
        f"server {{ listen 127.0.0.1:{port} ssl; server_name a.test; ssl_session_tickets off; return 200 a; }}"
        f"server {{ listen 127.0.0.1:{port} ssl; server_name b.test; return 200 b; }}"
    )
    new = tuple(map(int, generation["nginx_version"].split("."))) >= (1, 29, 2)
    with serving(generation, tmp_path, block, port):
        assert resumed(generation, tmp_path, port, "-tls1_3") == new
        assert resumed(generation, tmp_path, port, "-tls1_2") == (new or bool(cache))


def resumed(generation: dict[str, Any], folder: Path, port: int, version: str) -> bool:
    command = [generation["openssl"], "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "b.test", "-ign_eof"]
    request = "GET / HTTP/1.0\r\nHost: b.test\r\n\r\n"
    session = folder / f"session{version}"
    for option in ("-sess_out", "-sess_in"):
        if option == "-sess_in" and not session.exists():
            return False
        done = subprocess.run(
            [*command, version, option, session], input=request, capture_output=True, text=True, check=False
        )
    return "Reused" in done.stdout


@pytest.mark.parametrize(("alpn", "accepted"), [("h3", True), ("h3-28", False), ("h3-29", False)])
def test_a_name_without_a_quic_listener_gets_the_default_servers_certificate(
    alpn: str, accepted: bool, generation: dict[str, Any], generations: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Over QUIC; drafts are refused."""
    if tuple(map(int, generation["nginx_version"].split("."))) < (1, 25, 0):
        pytest.skip("no QUIC before nginx 1.25.0")
    (port,) = free_ports(1)
    other = PAIR.replace("good.", "other.")
    block = (
        f"server {{ listen 127.0.0.1:{port} quic; listen 127.0.0.1:{port} ssl; server_name blog.test; {other} }}"
        f"server {{ listen 127.0.0.1:{port} ssl; server_name example.com; {PAIR} }}"
    )
    with serving(generation, tmp_path, block, port):
        client = [generations[-1]["openssl"], "s_client", "-quic", "-alpn", alpn, "-servername", "example.com"]
        done = subprocess.run(
            [*client, "-connect", f"127.0.0.1:{port}"],
            input="Q\n",
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert ("ALPN protocol: h3" in done.stdout) == accepted
    assert ("CN=other.example" in done.stdout) == accepted
