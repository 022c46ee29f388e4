"""Faults between two places of a configuration: what real nginx sends to the clients of a name, and what is reported.

Each case is a configuration, and the words in it with which the fault is gone.
"""

from __future__ import annotations

import socket
import ssl
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509

import nginxtls

sys.path.insert(0, str(Path(__file__).parent))
from lab import Bench
from servers import free_ports

A, B = "a-ec.test", "b-ec.test"


class Case(NamedTuple):
    """A faulty configuration; ``fix`` replaces ``fault`` in it. Clients of ``name`` connect to PORT."""

    text: str
    rule: str
    fault: str
    fix: str
    name: str = B


def site(name: str, listen: str, certificate: str = "") -> str:
    files = certificate or name.removesuffix(".test")
    pair = f"ssl_certificate certs/{files}.pem; ssl_certificate_key certs/{files}.key;"
    return f"server {{ listen {listen} ssl; server_name {name}; {pair} }}"


def forwarding(lines: str, preread: str = "ssl_preread on;") -> str:
    return (
        f"stream {{ map $ssl_preread_server_name $up {{ {lines} }} server {{ listen 127.0.0.1:PORT; {preread} "
        f"proxy_pass $up; }} }} http {{ HTTP {site(A, '127.0.0.1:FIRST')} {site(B, '127.0.0.1:SECOND')} }}"
    )


CASES = {
    "a map chooses another certificate": Case(
        "http { HTTP map $ssl_server_name $pair { default a-ec; FIX } "
        + site(f"{A} {B}", "PORT", "$pair")
        + " }",
        "name-mismatch",
        "FIX",
        f"{B} b-ec;",
    ),
    "a map chooses the key of another": Case(
        "http { HTTP map $ssl_server_name $pair { default a-ec; } server { listen 127.0.0.1:PORT ssl; "
        f"server_name {A} {B}; ssl_certificate certs/b-ec.pem; ssl_certificate_key certs/$pair.key; }} }}",
        "variable-certificate-fails",
        "default a-ec;",
        "default b-ec;",
    ),
    "a capture is empty at the handshake": Case(
        "http { HTTP map $ssl_server_name $known { ~^(.*)\\.test$ $1; } " + site(f"~^(?<label>.*)\\.test$ {B}",
        "127.0.0.1:PORT", "$label") + " }",
        "empty-variable-in-certificate-path",
        "$label",
        "$known",
    ),
    "a variable of set is empty at the handshake": Case(
        "http { HTTP server { listen 127.0.0.1:PORT ssl; set $pair b-ec; " + f"server_name {B}; "
        "ssl_certificate certs/$pair.pem; ssl_certificate_key certs/$pair.key; } }",
        "empty-variable-in-certificate-path",
        "$pair.",
        "b-ec.",
    ),
    "a map forwards to the listener of another": Case(
        forwarding(f"{B} 127.0.0.1:FIRST; default 127.0.0.1:FIRST;"),
        "routed-to-other-certificate",
        f"{B} 127.0.0.1:FIRST",
        f"{B} 127.0.0.1:SECOND",
    ),
    "the name is not read": Case(
        forwarding(f"{B} 127.0.0.1:SECOND; default 127.0.0.1:FIRST;", "FIX"), "preread-off", "FIX", "ssl_preread on;"
    ),
    "a wildcard is compared letter by letter": Case(
        forwarding("FIX *.test 127.0.0.1:SECOND; default 127.0.0.1:FIRST;"),
        "map-without-hostnames",
        "FIX",
        "hostnames;",
    ),
    "a redirect to a name that nobody has": Case(
        f"http {{ HTTP server {{ listen 127.0.0.1:FIRST; server_name {B}; return 301 https://{B}:PORT/; }} "
        + site(A, "127.0.0.1:PORT")
        + " FIX }",
        "redirect-to-other-certificate",
        "FIX",
        site(B, "127.0.0.1:PORT"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_reported_is_what_clients_get(case: Case, bench: Bench) -> None:
    for text, faulty in ((case.text, True), (case.text.replace(case.fault, case.fix), False)):
        port, first, second = free_ports(3)
        text = text.replace("FIX", "").replace("HTTP", bench.http_head)
        for word, number in (("PORT", port), ("FIRST", first), ("SECOND", second)):
            text = text.replace(word, str(number))
        main = bench.write({"nginx.conf": bench.head + text})
        with bench.running(main, port):
            assert covers(port, case.name) is not faulty
        found = {finding.rule for finding in nginxtls.check(main).findings}
        assert (case.rule in found) is faulty


def covers(port: int, name: str) -> bool:
    """Whether a client that requests a name gets a certificate for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        plain = socket.create_connection(("127.0.0.1", port), 5)
        with context.wrap_socket(plain, server_hostname=name) as secured:
            leaf = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    except OSError:
        return False
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return name in names.get_values_for_type(x509.DNSName)
