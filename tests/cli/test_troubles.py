"""``nginxtls explain "ERROR TEXT"``: texts of real clients lead to their causes; all that the page names exists."""

from __future__ import annotations

import shlex
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nginxtls.linting.pages import contents
from nginxtls.linting.registry import installed_rules
from nginxtls.linting.troubles import find, troubles
from nginxtls.live.differences import rules as live_rules

CERTIFICATES = Path(__file__).parents[2] / "fixtures/certificates"
RULES = Path(__file__).parents[2] / "rules"


@contextmanager
def server(bundle: str | None) -> Iterator[int]:
    """A TLS server with a bundle, or (None) one that answers in plain HTTP; the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if bundle:
        context.load_cert_chain(CERTIFICATES / bundle, CERTIFICATES / "good.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        try:
            if bundle:
                context.wrap_socket(connection, server_side=True)
            else:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        except OSError:
            pass
        connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(5)
    listener.close()


@pytest.mark.parametrize(
    ("bundle", "name", "trouble"),
    [
        ("leaf-only.pem", "example.com", "untrusted-issuer"),
        ("self-signed.pem", "example.com", "untrusted-issuer"),
        ("good.pem", "other.example", "wrong-name"),
        ("expired.pem", "example.com", "expired"),
        (None, "example.com", "not-tls"),
    ],
)
def test_what_a_real_client_prints(bundle: str | None, name: str, trouble: str) -> None:
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "root.pem"))
    if trouble in ("wrong-name", "untrusted-issuer"):
        context.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME: the fixtures are valid in the middle of 2026
    with (
        server(bundle) as port,
        socket.create_connection(("127.0.0.1", port), 5) as connection,
        pytest.raises(ssl.SSLError) as caught,
    ):
        context.wrap_socket(connection, server_hostname=name)
    assert [found.name for found in find(str(caught.value))][:1] == [trouble], caught.value


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("NET::ERR_CERT_AUTHORITY_INVALID", "untrusted-issuer"),
        ("sec_error_unknown_issuer", "untrusted-issuer"),
        ("curl: (60) SSL: no alternative certificate subject name matches target host name 'a.test'", "wrong-name"),
        ("SSL_ERROR_RX_RECORD_TOO_LONG", "not-tls"),
        ("SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number) while SSL handshaking to"
         " upstream, client: 10.0.0.1, server: a.test", "bad-gateway"),
        ("no shared cipher", "no-common-version-or-cipher"),
        ("400 No required SSL certificate was sent", "client-certificate"),
        ("421 Misdirected Request", "misdirected-request"),
        ('nginx: [emerg] SSL_CTX_use_PrivateKey("/etc/a.key") failed (SSL: error:05800074:x509 certificate'
         " routines::key values mismatch)", "key-does-not-load"),
        ("bind() to 0.0.0.0:443 failed (98: Address already in use)", "does-not-start"),
        ('nginx: [emerg] no "ssl_certificate" is defined for the "listen ... ssl" directive in /etc/x:3',
         "does-not-start"),
        ("ERR_TOO_MANY_REDIRECTS", "too-many-redirects"),
        ('nginx: [warn] conflicting server name "a.test" on 0.0.0.0:443, ignored', "start-warnings"),
    ],
)  # fmt: skip
def test_what_people_paste(text: str, trouble: str) -> None:
    assert find(text)[0].name == trouble


@pytest.mark.parametrize("text", ["missing-intermediat", "hello world", "ssl", ""])
def test_other_texts_name_nothing(text: str) -> None:
    assert find(text) == []


def test_the_command() -> None:
    command = [sys.executable, "-m", "nginxtls", "explain"]
    done = subprocess.run(
        [*command, "unable to get local issuer certificate"], capture_output=True, text=True, check=True
    )
    assert "missing-intermediate" in done.stdout
    wrong = subprocess.run([*command, "missing-intermediat"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, 'did you mean "missing-intermediate"?' in wrong.stderr) == (2, True)


def test_all_that_is_named_exists() -> None:
    known = {*installed_rules(), *live_rules()}
    for trouble in troubles():
        for cause in trouble.causes:
            assert set(cause.rules) <= known, trouble.name
        assert find(trouble.texts[0])[0] is trouble
        program, *arguments = shlex.split(trouble.command)
        assert program == "nginxtls"
        # --help is looked at after the options before it: an unknown one is refused.
        done = subprocess.run(
            [sys.executable, "-m", "nginxtls", *arguments, "--help"], capture_output=True, check=False
        )
        assert done.returncode == 0, trouble.command


def test_each_file_of_an_example_is_described() -> None:
    named = {
        part.partition(":")[2].strip()
        for file in RULES.rglob("*.py")
        for line in file.read_text().splitlines()
        if line.strip().startswith("```nginx ")
        for part in line.split(",")
        if part.strip().startswith(("certificate:", "key:"))
    }
    assert named - {"none"} <= set(contents())
    assert all((CERTIFICATES / name).exists() for name in contents())
