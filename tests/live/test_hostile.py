"""Peers that hang, send garbage or never end: a run ends in time, says what happened, and never raises."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nginxtls.api import read
from nginxtls.linting.settings import Settings
from nginxtls.live import offers
from nginxtls.live import verify as live_verify
from nginxtls.live.connections import MOST_BYTES, Connection, Gate, Limits, NoConnection, Target
from nginxtls.live.flights import ask
from nginxtls.live.responses import head
from nginxtls.live.served import leaf_of
from nginxtls.live.verify import Choice, Verification, verify
from nginxtls.report import Options, renderer
from tests.test_secrets import certified

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
PAIR = f"ssl_certificate {CERTIFICATES}/good.pem; ssl_certificate_key {CERTIFICATES}/good.key;"
NUMBERS = tuple(offers.numbers()[name] for name in offers.MODERN)
TIMEOUT = 0.4

Peer = Callable[[socket.socket], None]


@contextlib.contextmanager
def peer(behave: Peer) -> Iterator[int]:
    """A server on a free port that does this with each connection, and the port."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            behave(connection)
            while not ended.is_set() and connection.recv(4096):
                pass

    def accept() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            for thread in threads:
                thread.join(10)


def hang(connection: socket.socket) -> None:
    time.sleep(TIMEOUT * 3)


def drip(connection: socket.socket) -> None:
    """One byte at a time: each of them arrives in time, the answer never does."""
    for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def garbage(connection: socket.socket) -> None:
    connection.sendall(random.Random(1).randbytes(5000))


def plain_http(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def endless_message(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x02\xff\xff\xff" + bytes(0x4000 - 4))


def endless_records(connection: socket.socket) -> None:
    record = b"\x14\x03\x03\x00\x01\x01" * 1000
    while True:
        connection.sendall(record)


def close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def verified(folder: Path, text: str, timeout: float = TIMEOUT) -> Verification:
    main = folder / "nginx.conf"
    main.write_text(f"events {{}}\n{text}\n")
    limits = Limits(timeout=timeout, jobs=8)
    reading = read([str(main)], Settings(nginx_version="1.30.0", openssl_version="3.5.0"), root="/")
    return verify(reading, Choice(limits=limits))


def http(port: int, names: str = "a.test") -> str:
    return f"http {{ server {{ listen 127.0.0.1:{port} ssl; server_name {names}; {PAIR} }} }}"


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (hang, "does not answer"),
        (drip, "does not answer"),
        (garbage, "does not speak TLS"),
        (plain_http, "answers in plain HTTP"),
        (endless_message, "sends a handshake message without end"),
        (endless_records, "sends data without end"),
    ],
)
def test_a_peer_that_gives_no_tls_answer(tmp_path: Path, behave: Peer, said: str) -> None:
    """However many names there are, it costs few time limits."""
    names = " ".join(f"n{number}.test" for number in range(100))
    with peer(behave) as port:
        start = time.monotonic()
        slow = behave in (hang, drip)
        found = verified(tmp_path, http(port, names), TIMEOUT if slow else 10)
        seconds = time.monotonic() - start
        (finding,) = found.report.findings
        assert finding.rule == "not-tls"
        assert finding.message.startswith(f"the listener 127.0.0.1:{port} {said}")
        assert not slow or seconds < 20 * TIMEOUT
    assert any("more names" in entry.subject for entry in found.report.not_checked)


@pytest.mark.parametrize("behave", [close, reset])
def test_a_peer_that_closes(tmp_path: Path, behave: Peer) -> None:
    with peer(behave) as port:
        found = verified(tmp_path, http(port))
    assert [each.rule for each in found.report.findings] == ["rejected-handshake"]
    assert "closes the connection" in found.report.findings[0].message


@pytest.mark.parametrize("accepts", [True, False])
def test_a_peer_that_is_always_slow_costs_a_limited_time(
    accepts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer comes within the limit, to ever so many names."""
    monkeypatch.setattr(live_verify, "_SLOW", 20)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "good.pem", CERTIFICATES / "good.key")

    def delay(connection: socket.socket) -> None:
        time.sleep(TIMEOUT * 0.7)
        if accepts:
            context.wrap_socket(connection.dup(), server_side=True, suppress_ragged_eofs=True).close()
        else:
            connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")

    names = " ".join(f"n{number}.test" for number in range(300))
    with peer(delay) as port:
        start = time.monotonic()
        found = verified(tmp_path, http(port, names))
        assert time.monotonic() - start < 40 * TIMEOUT
    (left,) = (entry for entry in found.report.not_checked if "more names" in entry.subject)
    assert left.reason == "the listener answers too slowly"


def test_a_name_with_many_addresses_costs_one_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*arguments: object, **options: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 100

    with socket.socket() as full:  # nobody accepts, and the queue is full
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.socket()).setblocking(False)
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            start = time.monotonic()
            attempt = Gate(Limits(timeout=TIMEOUT)).connection(Target(None, "many.test", port))  # type: ignore[arg-type]
            with pytest.raises(NoConnection, match="within the time limit"), attempt:
                pass
            assert time.monotonic() - start < 2 * TIMEOUT


@pytest.mark.parametrize("place", ["subject", "header"])
def test_no_peer_brings_a_key_or_a_long_text(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_verify, "Processes", lambda: None)  # else that Python listens explains everything
    key = "-----BEGIN PRIVATE KEY-----" + "MIGHAgEAX1zrZv8IbzjZUnhsbWlsecLbwjndTpG0ZynXOif7V9lrhrJz" * 2000
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "good.pem", CERTIFICATES / "good.key")
    if place == "subject":
        (tmp_path / "hostile.pem").write_bytes(b"".join(certified(key[:6_000])))
        context.load_cert_chain(tmp_path / "hostile.pem")

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection.dup(), server_side=True) as stream:
            if stream.recv(4096):
                stream.sendall(f"HTTP/1.1 200 x\r\nStrict-Transport-Security: {key[:3000]}\r\n\r\n".encode())

    with peer(answer) as port:
        text = http(port).replace("ssl;", 'ssl; add_header Strict-Transport-Security "max-age=1"; return 200;', 1)
        report = verified(tmp_path, text, 5).report
    assert {"subject": "other-certificate", "header": "other-header"}[place] in {f.rule for f in report.findings}
    for form in ("text", "json", "html"):
        assert key[40:60] not in renderer(form)(report, Options())
    texts = [text for f in report.findings for text in (f.message, f.label, f.help, *f.notes)]
    assert max(map(len, texts)) <= 2000


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = verified(tmp_path, http(free.getsockname()[1]))
    assert [each.rule for each in found.report.findings] == ["unanswered-listener"]


def test_a_mail_server_that_never_ends_its_greeting(tmp_path: Path) -> None:
    def greet(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"220-hello\r\n" * 1000)

    with peer(greet) as port:
        mail = f"mail {{ server_name a.test; auth_http 127.0.0.1:1; {PAIR} server {{ listen 127.0.0.1:{port}; "
        found = verified(tmp_path, mail + "protocol smtp; starttls on; } }")
    assert "sends text without end" in found.report.findings[0].message


@pytest.mark.parametrize("behave", [hang, garbage, endless_records, close, reset])
def test_quic_peers(tmp_path: Path, behave: Peer) -> None:
    pytest.importorskip("aioquic")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.05)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    _, address = listener.recvfrom(65535)
                    if behave is not hang:
                        for _ in range(600 if behave is endless_records else 1):
                            listener.sendto(os.urandom(1200), address)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            port = listener.getsockname()[1]
            text = http(port).replace("ssl;", "quic;", 1)
            found = verified(tmp_path, text)
        finally:
            ended.set()
            thread.join()
    assert [each.rule for each in found.report.findings] == ["not-tls"], found.report.findings


class Scripted(Connection):
    """A connection whose peer sends these bytes, whatever it receives, and then closes."""

    def __init__(self, data: bytes) -> None:
        ours, theirs = socket.socketpair()
        theirs.sendall(data[:100_000])
        theirs.shutdown(socket.SHUT_WR)
        self._theirs = theirs
        super().__init__(ours, time.monotonic() + 5)

    def close(self) -> None:
        super().close()
        self._theirs.close()


def offered(version: str) -> offers.Offer:
    suites = tuple(n for n in NUMBERS if version in offers.by_number()[n].protocols)
    groups = tuple(offers.GROUPS[name] for name in offers.CLASSIC)
    return offers.Offer(version, suites, "a.test", groups=groups, alpn=("h2",))


def records(payload: bytes, kind: int = 22) -> bytes:
    return b"".join(
        struct.pack("!BHH", kind, 0x0303, len(part)) + part
        for part in (payload[i : i + 16384] for i in range(0, len(payload), 16384))
    )


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


messages = st.lists(
    st.tuples(st.sampled_from([0, 2, 4, 8, 11, 12, 13, 14, 20, 22]), st.binary(max_size=80)), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(offers.VERSIONS)), messages, st.sampled_from(offers.MODERN), st.binary(max_size=60))
def test_no_answer_makes_it_raise(version: str, rest: list[tuple[int, bytes]], suite: str, extensions: bytes) -> None:
    """A ServerHello that is nearly right, then anything."""
    number = offers.VERSIONS[version]
    hello = (
        struct.pack("!H", min(number, 0x0303)) + bytes(32) + b"\0" + struct.pack("!H", offers.numbers()[suite]) + b"\0"
    )
    hello += len(extensions).to_bytes(2, "big") + extensions
    data = records(message(2, hello) + b"".join(message(kind, body) for kind, body in rest))
    connection = Scripted(data)
    try:
        flight = ask(connection, offered(version))
        leaf_of(flight)
        assert flight.complete or flight.refusal
        assert isinstance(flight.accepted, bool)
    finally:
        connection.close()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(list(offers.VERSIONS)))
def test_no_bytes_make_it_raise(data: bytes, version: str) -> None:
    connection = Scripted(data)
    try:
        assert not ask(connection, offered(version)).accepted
    finally:
        connection.close()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_response_makes_head_raise(data: bytes) -> None:
    """Not even one that is not TLS."""
    connection = Scripted(data)
    try:
        assert head(connection, "a.test", "a.test").trouble
    finally:
        connection.close()


def test_what_is_read_of_a_connection_is_bounded() -> None:
    """A peer that sends for ever is left after half a megabyte."""
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        while True:
            sent += connection.send(b"\x14\x03\x03\x00\x01\x01" * 10_000)

    with peer(flood) as port, socket.create_connection(("127.0.0.1", port)) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        flight = ask(Connection(stream, time.monotonic() + 20), offered("TLSv1.2"))
        assert flight.trouble == "sends data without end"
        stream.close()
    assert sent < MOST_BYTES + 16 * 1024 * 1024  # and what the kernel's buffers hold
