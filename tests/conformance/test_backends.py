"""Back ends that are sockets of the same configuration, and sockets that conflict: real nginx is asked for a page.

Each case is a configuration with a front (a socket that the client connects to) and a back end. Where the linter
reports an error, the request must fail in every generation; where it reports none, the page must arrive.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nginxtls import check
from nginxtls.finding import Severity

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
PAIR = f"ssl_certificate {CERTIFICATES}/{{0}}.pem; ssl_certificate_key {CERTIFICATES}/{{1}}.key;"
GOOD, DEEP = PAIR.format("good", "good"), PAIR.format("deep", "good")
CA = f"proxy_ssl_trusted_certificate {CERTIFICATES}/root.pem;"
VERIFY = f"proxy_ssl_verify on; {CA}"


def back(listen: str, more: str = GOOD) -> str:
    """A server that answers 200."""
    return f"server {{ listen 127.0.0.1:BACK {listen}; server_name example.com; {more} location / {{ return 200; }} }}"


def front(location: str) -> str:
    """A plain HTTP server that passes requests on."""
    return f"server {{ listen 127.0.0.1:FRONT; server_name front; location / {{ {location} }} }}"


def in_http(*servers: str) -> str:
    return f"http {{ access_log off; TEMPORARY {' '.join(servers)} }}"


def in_stream(server: str) -> str:
    return f"stream {{ server {{ listen 127.0.0.1:FRONT{server} }} }}"


HTTPS = "proxy_pass https://127.0.0.1:BACK;"
SUBJECT = "proxy_ssl_name example.com;"
NEXT = " proxy_pass 127.0.0.1:BACK;"
CASES: dict[str, tuple[str, str | None, bool]] = {
    # what is configured, the rule that reports it, whether the client speaks TLS
    "http to plain": (in_http(front("proxy_pass http://127.0.0.1:BACK;"), back("", "")), None, False),
    "https to TLS": (in_http(front(HTTPS), back("ssl")), None, False),
    "https to plain": (in_http(front(HTTPS), back("", "")), "tls-to-plain-listener", False),
    "http to TLS": (
        in_http(front("proxy_pass http://127.0.0.1:BACK;"), back("ssl")),
        "plain-text-to-tls-listener",
        False,
    ),
    "http to PROXY": (
        in_http(front("proxy_pass http://127.0.0.1:BACK;"), back("proxy_protocol", "")),
        "proxy-protocol-mismatch",
        False,
    ),
    "stream passes TLS": (in_stream(f"; ssl_preread on;{NEXT}") + in_http(back("ssl")), None, True),
    "stream passes TLS to plain": (
        in_stream(f"; ssl_preread on;{NEXT}") + in_http(back("", "")),
        "tls-to-plain-listener",
        True,
    ),
    "stream sends no PROXY": (
        in_stream(f"; ssl_preread on;{NEXT}") + in_http(back("ssl proxy_protocol")),
        "proxy-protocol-mismatch",
        True,
    ),
    "stream sends PROXY": (
        in_stream(f"; ssl_preread on; proxy_protocol on;{NEXT}") + in_http(back("ssl proxy_protocol")),
        None,
        True,
    ),
    "PROXY is not expected": (
        in_stream(f"; ssl_preread on; proxy_protocol on;{NEXT}") + in_http(back("ssl")),
        "proxy-protocol-mismatch",
        True,
    ),
    "stream ends TLS": (in_stream(f" ssl; {GOOD}{NEXT}") + in_http(back("", "")), None, True),
    "stream ends TLS before TLS": (
        in_stream(f" ssl; {GOOD}{NEXT}") + in_http(back("ssl")),
        "plain-text-to-tls-listener",
        True,
    ),
    "stream ends TLS and speaks it": (
        in_stream(f" ssl; {GOOD} proxy_ssl on;{NEXT}") + in_http(back("ssl")),
        None,
        True,
    ),
    "stream speaks TLS to plain": (
        in_stream(f" ssl; {GOOD} proxy_ssl on;{NEXT}") + in_http(back("", "")),
        "tls-to-plain-listener",
        True,
    ),
    "verified": (in_http(front(f"{HTTPS} {VERIFY} {SUBJECT}"), back("ssl")), None, False),
    "another name": (
        in_http(front(f"{HTTPS} {VERIFY} proxy_ssl_name app.internal;"), back("ssl")),
        "backend-certificate-mismatch",
        False,
    ),
    "another CA": (
        in_http(
            front(f"{HTTPS} proxy_ssl_verify on; {CA.replace('/root.pem', '/client-ca.pem')} {SUBJECT}"), back("ssl")
        ),
        "backend-certificate-mismatch",
        False,
    ),
    "a group's name": (
        in_http("upstream app { server 127.0.0.1:BACK; }", front(f"proxy_pass https://app; {VERIFY}"), back("ssl")),
        "backend-certificate-mismatch",
        False,
    ),
    "two intermediates": (
        in_http(front(f"{HTTPS} {VERIFY} {SUBJECT}"), back("ssl", DEEP)),
        "upstream-verify-depth",
        False,
    ),
    "two intermediates, depth 2": (
        in_http(front(f"{HTTPS} {VERIFY} {SUBJECT} proxy_ssl_verify_depth 2;"), back("ssl", DEEP)),
        None,
        False,
    ),
    "a CA without its root": (
        in_http(
            front(f"{HTTPS} proxy_ssl_verify on; {CA.replace('/root.pem', '/intermediate.pem')} {SUBJECT}"), back("ssl")
        ),
        "upstream-ca-without-root",
        False,
    ),
    "no common version": (
        in_http(front(f"{HTTPS} proxy_ssl_protocols TLSv1.2;"), back("ssl", f"{GOOD} ssl_protocols TLSv1.3;")),
        "backend-handshake-failure",
        False,
    ),
    "rejected without SNI": (
        in_http(
            front(f"{HTTPS} {SUBJECT}"), "server { listen 127.0.0.1:BACK ssl; ssl_reject_handshake on; }", back("ssl")
        ),
        "backend-handshake-failure",
        False,
    ),
    "accepted with SNI": (
        in_http(
            front(f"{HTTPS} {SUBJECT} proxy_ssl_server_name on; proxy_set_header Host example.com;"),
            "server { listen 127.0.0.1:BACK ssl; ssl_reject_handshake on; }",
            back("ssl"),
        ),
        None,
        False,
    ),
    "a client certificate is required": (
        in_http(
            front(HTTPS),
            back("ssl", f"{GOOD} ssl_verify_client on; ssl_client_certificate {CERTIFICATES}/client-ca.pem;"),
        ),
        "backend-handshake-failure",
        False,
    ),
    "gRPC to HTTP/1.1": (
        in_http(front("grpc_pass grpcs://127.0.0.1:BACK;"), back("ssl")),
        "backend-handshake-failure",
        False,
    ),
    "gRPC to HTTP/2": (in_http(front("grpc_pass grpcs://127.0.0.1:BACK;"), back("ssl http2")), None, False),
    "a client certificate is sent": (
        in_http(
            front(
                f"{HTTPS} proxy_ssl_certificate {CERTIFICATES}/client.pem;"
                f" proxy_ssl_certificate_key {CERTIFICATES}/client.key;"
            ),
            back("ssl", f"{GOOD} ssl_verify_client on; ssl_client_certificate {CERTIFICATES}/client-ca.pem;"),
        ),
        None,
        False,
    ),
    "an address is no name": (
        in_http(front(f"{HTTPS} {VERIFY}"), back("ssl", PAIR.format("ip", "good"))),
        "backend-certificate-mismatch",
        False,
    ),
    "no common suite": (
        in_http(
            front(f"{HTTPS} proxy_ssl_protocols TLSv1.2; proxy_ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;"), back("ssl")
        ),
        "backend-handshake-failure",
        False,
    ),
    "no suite for the newest version": (
        in_http(
            front(f"{HTTPS} proxy_ssl_protocols TLSv1.1; proxy_ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0;"),
            back("ssl", f"{GOOD} ssl_protocols TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;"),
        ),
        "backend-handshake-failure",
        False,
    ),
    "a client certificate of another CA": (
        in_http(
            front(
                f"{HTTPS} proxy_ssl_certificate {CERTIFICATES}/client.pem;"
                f" proxy_ssl_certificate_key {CERTIFICATES}/client.key;"
            ),
            back("ssl", f"{GOOD} ssl_verify_client on; ssl_client_certificate {CERTIFICATES}/root.pem;"),
        ),
        "backend-handshake-failure",
        False,
    ),
    "the Host is not the SNI": (
        in_http(
            front(f"{HTTPS} {SUBJECT} proxy_ssl_server_name on; proxy_set_header Host other.example;"),
            back("ssl"),
            back("ssl", f"{GOOD} ssl_verify_client optional; ssl_client_certificate {CERTIFICATES}/root.pem;").replace(
                "server_name example.com", "server_name other.example"
            ),
        ),
        "backend-handshake-failure",
        False,
    ),
    "a set of another location": (
        in_http(
            "server { listen 127.0.0.1:FRONT; server_name front; location / { set $to 127.0.0.1:BACK;"
            " proxy_pass https://$to; } location /b { set $to 127.0.0.1:FRONT; proxy_pass http://$to; } }",
            back("ssl"),
        ),
        None,
        False,
    ),
    "a loop over two servers": (
        in_http(
            front("proxy_pass http://127.0.0.1:BACK;"),
            "server { listen 127.0.0.1:BACK; location / { proxy_pass http://127.0.0.1:FRONT; } }",
        ),
        "proxy-loop",
        False,
    ),
    "a loop": (in_http(front("proxy_pass http://127.0.0.1:FRONT;")), "proxy-loop", False),
    "the same address in http and stream": (
        in_stream(NEXT.replace(" ", "; ", 1)) + in_http(back("", "").replace("BACK", "FRONT")),
        "address-already-in-use",
        False,
    ),
    "a wildcard in stream": (
        in_stream(f"; {NEXT}").replace("127.0.0.1:FRONT", "FRONT") + in_http(back("", "").replace("BACK", "FRONT")),
        "address-already-in-use",
        False,
    ),
    "bind beside a wildcard": (
        in_http(back("bind", "").replace("BACK", "FRONT"), "server { listen FRONT; }"),
        "address-already-in-use",
        False,
    ),
    "no bind beside a wildcard": (
        in_http(back("", "").replace("BACK", "FRONT"), "server { listen FRONT; }"),
        None,
        False,
    ),
}


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def page_arrives(port: int, *, tls: bool, certificate: bool = False) -> bool:
    """A GET of ``/`` is answered with 200, with a client certificate below the intermediate if one is wanted."""
    context = ssl._create_unverified_context()
    if certificate:
        context.load_cert_chain(CERTIFICATES / "client-auth-only.pem", CERTIFICATES / "good.key")
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    )
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/", headers={"Host": "example.com"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


CLIENT_CAS = {
    "intermediate": ("ssl_client_certificate {0}/intermediate.pem;", "client-ca-without-root"),
    "root": ("ssl_client_certificate {0}/root.pem;", None),
    "both": ("ssl_client_certificate {0}/intermediate.pem; ssl_trusted_certificate {0}/root.pem;", None),
    "twice": (
        "ssl_client_certificate {0}/intermediate.pem; ssl_trusted_certificate {0}/intermediate.pem;",
        "client-ca-without-root",
    ),
}


@contextlib.contextmanager
def running(generation: dict[str, Any], folder: Path, conf: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """nginx, once it listens on the port or has stopped."""
    process = subprocess.Popen([generation["nginx"], "-p", folder, "-c", conf], stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if process.poll() is not None:
                break
            time.sleep(0.01)
        yield process
    finally:
        process.terminate()
        process.wait()


def write(generation: dict[str, Any], folder: Path, text: str, ports: list[int]) -> Path:
    """The configuration of a case as a file, which nginx and the linter read."""
    temporary = " ".join(f"{n}_temp_path {folder}/{n};" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = text.replace("FRONT", str(ports[0])).replace("BACK", str(ports[1])).replace("TEMPORARY", temporary)
    module = Path(generation["modules"]) / "ngx_stream_module.so"
    load = f"load_module {module};\n" if "stream {" in text and module.exists() else ""
    conf = folder / "nginx.conf"
    body = f"events {{ worker_connections 64; }}\n{text}\n"
    conf.write_text(f"{load}daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;\n{body}")
    return conf


def errors(conf: Path) -> set[str]:
    """The rules of sockets and back ends that report an error."""
    report = check(conf, select=("sockets", "backends", "client_cas"), root="/")
    assert not report.failures
    return {finding.rule for finding in report.findings if finding.severity is Severity.ERROR}


@pytest.mark.parametrize("case", CASES)
def test_nginx_agrees(generation: dict[str, Any], case: str, tmp_path: Path) -> None:
    text, rule, tls = CASES[case]
    if "ssl_reject_handshake" in text and generation["nginx_version"].startswith("1.18."):
        pytest.skip("ssl_reject_handshake is known since 1.19.4")
    ports = free_ports(2)
    conf = write(generation, tmp_path, text, ports)
    assert errors(conf) == ({rule} if rule else set())
    with running(generation, tmp_path, conf, ports[0]) as process:
        if rule == "address-already-in-use":
            assert process.wait(10) == 1
        else:
            assert page_arrives(ports[0], tls=tls) == (rule is None), (tmp_path / "log").read_text()


@pytest.mark.parametrize("case", CLIENT_CAS)
def test_a_ca_without_its_root_verifies_no_client(generation: dict[str, Any], case: str, tmp_path: Path) -> None:
    cas, rule = CLIENT_CAS[case]
    ports = free_ports(2)
    text = in_http(back("ssl", f"{GOOD} ssl_verify_client on; ssl_verify_depth 2; {cas.format(CERTIFICATES)}"))
    conf = write(generation, tmp_path, text, ports)
    assert errors(conf) == ({rule} if rule else set())
    with running(generation, tmp_path, conf, ports[1]):
        assert page_arrives(ports[1], tls=True, certificate=True) == (rule is None), (tmp_path / "log").read_text()
