"""A running nginx compared with its files: what ``nginxtls verify`` reports in the situations of real hosts."""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from nginxtls.api import read
from nginxtls.finding import Severity
from nginxtls.linting.settings import Settings
from nginxtls.live import prometheus
from nginxtls.live.connections import Limits
from nginxtls.live.targets import Host
from nginxtls.live.verify import Choice, Verification, verify

sys.path.insert(0, str(Path(__file__).parent))

import lab
from servers import Program, Server, free_ports

A = "ssl_certificate CERTS/a-ec.pem; ssl_certificate_key CERTS/a-ec.key;"
A_RSA = "ssl_certificate CERTS/a-rsa.pem; ssl_certificate_key CERTS/a-rsa.key;"
B = "ssl_certificate CERTS/b-ec.pem; ssl_certificate_key CERTS/b-ec.key;"
RELOAD = "run `nginx -t && systemctl reload nginx`"
HSTS = 'add_header Strict-Transport-Security "max-age=300";'


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificates, and their renewals: the same names with other keys."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    lab.make_certificates(first)
    lab.make_certificates(second)
    return first, second


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Any]], Program]]:
    made: dict[str, Program] = {}

    def program(generation: dict[str, Any]) -> Program:
        name = generation["name"]
        if name not in made:
            made[name] = Program(generation, tmp_path_factory.mktemp(name))
        return made[name]

    yield program
    for each in made.values():
        each.close()


@pytest.fixture
def server(
    generation: dict[str, Any],
    programs: Callable[[dict[str, Any]], Program],
    tmp_path: Path,
    certificates: tuple[Path, Path],
) -> Iterator[Server]:
    mine = tmp_path / "certificates"
    shutil.copytree(certificates[0], mine)
    made = Server(programs(generation), tmp_path / "run", mine, certificates[1])
    made.generation = generation
    try:
        yield made
    finally:
        made.stop()


def verified(server: Server, *paths: Path, **choice: Any) -> Verification:
    """The result of ``nginxtls verify`` of the server's configuration, or of other paths."""
    versions = server.generation["nginx_version"], server.generation["openssl_version"]
    settings = Settings(nginx_version=versions[0], openssl_version=versions[1])
    reading = read([str(path) for path in paths or (server.main,)], settings, root=None if paths else "/")
    return verify(reading, Choice(**{"limits": Limits(timeout=3), **choice}))


def told(verification: Verification, least: Severity = Severity.NOTE) -> list[str]:
    """The findings as ``rule: message``."""
    assert not verification.report.failures
    return [f"{each.rule}: {each.message}" for each in verification.report.findings if each.severity >= least]


def block(port: int | str, name: str, lines: str) -> str:
    return f"server {{ listen {port} ssl; server_name {name}; {lines}\nreturn 200 x; }}\n"


def test_a_fresh_server_serves_what_its_files_say(server: Server) -> None:
    ports = free_ports(3)
    unix = server.folder / "tls"
    server.write(
        block(ports[0], "a.test b.test *.c.test", f"{A} {A_RSA} {HSTS} add_header Alt-Svc 'h3=\":443\"; ma=60';")
        + block(ports[0], "d.test", f"{B} ssl_verify_client optional; ssl_client_certificate CERTS/two.pem;")
        + block(f"127.0.0.1:{ports[1]}", "tickets.test", f"{A} ssl_session_tickets off; ssl_protocols TLSv1.2;")
        + f"server {{ listen {ports[2]} ssl proxy_protocol; server_name proxied.test; {A} {HSTS} return 200 x; }}\n"
        + f"server {{ listen unix:{unix} ssl; server_name unix.test; {A} return 200 x; }}\n"
    )
    server.start(*ports)
    found = verified(server)
    assert told(found) == []
    assert {endpoint.place.answer.servername for endpoint in found.endpoints} >= {"any.c.test", "proxied.test", None}
    assert {endpoint.place.target.label for endpoint in found.endpoints} >= {f"unix:{unix}", f"127.0.0.1:{ports[1]}"}
    headers = [
        endpoint.seen.response for endpoint in found.endpoints if endpoint.place.answer.servername == "proxied.test"
    ]
    assert headers[0]
    assert headers[0].header("strict-transport-security") == "max-age=300"
    assert all(endpoint.served == endpoint.on_disk[:1] or len(endpoint.on_disk) > 1 for endpoint in found.endpoints)


def lineage(server: Server) -> Path:
    """A certificate as certbot keeps it: live/ links to the first version in archive/."""
    base = server.folder / "letsencrypt"
    for folder in ("live/a-ec.test", "archive/a-ec.test"):
        (base / folder).mkdir(parents=True)
    renew(server, 1, "a-ec")
    live: Path = base / "live/a-ec.test"
    return live


def renew(server: Server, number: int, pair: str) -> None:
    base = server.folder / "letsencrypt"
    for word, end in (("fullchain", "pem"), ("privkey", "key")):
        shutil.copy(server.certificates / f"{pair}.{end}", base / f"archive/a-ec.test/{word}{number}.pem")
        link = base / f"live/a-ec.test/{word}.pem"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../archive/a-ec.test/{word}{number}.pem")


def test_renewed_and_not_reloaded(server: Server) -> None:
    (port,) = free_ports(1)
    live = lineage(server)
    server.write(
        block(port, "a-ec.test", f"ssl_certificate {live}/fullchain.pem; ssl_certificate_key {live}/privkey.pem;")
    )
    server.start(port)
    assert told(verified(server)) == []
    server.renew()
    renew(server, 2, "a-ec")
    found = verified(server)
    assert told(found) == [
        'other-certificate: clients get the old certificate for "a-ec.test", with 59 days left: '
        "nginx was not reloaded after the renewal"
    ]
    (finding,) = found.report.findings
    assert finding.help == RELOAD
    assert f"found in {server.folder}/letsencrypt/archive/a-ec.test/fullchain1.pem" in finding.notes
    assert finding.label.startswith("changed 2")
    assert "nginx loaded its files 2" in finding.label
    assert finding.location.file.line_text(finding.location.span.line)[finding.location.span.column - 1 :].startswith(
        str(live)
    )
    server.reload()
    assert told(verified(server)) == []


def test_the_old_certificate_is_found_in_git(server: Server) -> None:
    (port,) = free_ports(1)
    git = ["git", "-C", server.certificates, "-c", "user.name=a", "-c", "user.email=a@a.test"]
    for command in (["init", "-q"], ["add", "a-ec.pem"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    server.write(block(port, "a-ec.test", A))
    server.start(port)
    server.renew()
    (finding,) = verified(server).report.findings
    assert finding.rule == "other-certificate"
    assert any(note.startswith("found in git, commit ") for note in finding.notes)


def test_edited_and_not_reloaded(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(
        block(port, "a.test", f"{A} ssl_protocols TLSv1.2; ssl_session_tickets off; ssl_ecdh_curve prime256v1; {HSTS}")
    )
    server.start(port)
    curve = "secp384r1:prime256v1"
    server.write(
        block(
            port,
            "a.test",
            f"{A_RSA} ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve {curve}; ssl_verify_client on; "
            "ssl_client_certificate CERTS/root.pem; ssl_ciphers ECDHE+CHACHA20;",
        )
    )
    found = verified(server)
    rules = {each.rule for each in found.report.findings}
    assert {"other-protocols", "other-session-tickets", "other-client-certificate", "other-suites"} <= rules
    assert "other-certificate" in rules
    changed = next(each for each in found.report.findings if each.rule == "other-protocols")
    assert changed.message == (
        "the running server accepts TLSv1.2, the configuration TLSv1.2, TLSv1.3: "
        "the configuration changed after nginx loaded it"
    )
    assert changed.help == RELOAD
    assert "nginx.conf changed 2" in changed.notes[0]
    server.reload()
    assert told(verified(server)) == []


def test_another_chain(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(block(port, "a.test", A.replace("a-ec.pem", "a-ec-only.pem")))
    server.start(port)
    server.write(block(port, "a.test", A))
    (finding,) = verified(server).report.findings
    assert finding.message == 'clients get another chain for "a-ec.test": 1 certificate sent, 2 in the file'
    assert finding.help == RELOAD


def test_edited_headers(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(block(port, "a.test", f"{A} {HSTS}"))
    server.start(port)
    server.write(block(port, "a.test", f"{A} {HSTS.replace('300', '500')}"))
    assert told(verified(server)) == [
        "other-header: Strict-Transport-Security: max-age=300 by the running server, max-age=500 by the configuration: "
        "the configuration changed after nginx loaded it"
    ]
    assert told(verified(server, http=False)) == []


def test_another_order_of_servers(server: Server) -> None:
    (port,) = free_ports(1)
    first, second = block(port, "a.test", A), block(port, "b.test", B)
    server.write(first + second)
    server.start(port)
    server.write(second + first)
    (line,) = told(verified(server))
    assert line == (
        'other-certificate: clients without a server name get the certificate of a.test, not that for "b-ec.test": '
        "the configuration changed after nginx loaded it"
    )


def test_a_name_that_the_running_server_does_not_know(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(block(port, "a.test", A))
    server.start(port)
    server.write(block(port, "a.test", A) + block(port, "new.test", f"{B} ssl_protocols TLSv1.2;"))
    found = verified(server)
    assert told(found) == [
        'other-certificate: clients of new.test get the certificate of the default server, not that for "b-ec.test": '
        "the configuration changed after nginx loaded it"
    ]
    assert found.report.findings[0].endpoints == (f"new.test on *:{port}",)


@contextlib.contextmanager
def python_server(port: int, certificate: Path) -> Iterator[None]:
    """Another process's TLS server: it accepts, shakes hands and closes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    connection.settimeout(2)
                    with connection, context.wrap_socket(connection, server_side=True) as stream:
                        stream.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def test_another_process_has_the_port(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(block(f"127.0.0.1:{port}", "a.test", A))
    with python_server(port, server.certificates / "ed.pem"):
        found = verified(server)
    (finding,) = found.report.findings
    assert finding.rule == "other-certificate"
    assert finding.message.startswith('clients get another certificate for "a-ec.test": ')
    assert f"(process {os.getpid()}) has the listener, not nginx" in finding.message
    assert finding.help.startswith("stop ")


def test_a_listener_that_nobody_has(server: Server) -> None:
    ports = free_ports(2)
    server.write(block(ports[0], "a.test", A))
    server.start(ports[0])
    server.write(block(ports[0], "a.test", A) + block(ports[1], "a.test b.test c.test d.test", A))
    found = verified(server)
    assert told(found) == [f"unanswered-listener: the listener *:{ports[1]} refuses connections"]
    assert len(found.report.findings[0].endpoints) == 1
    assert any("4 more names" in entry.subject for entry in found.report.not_checked)


def test_a_listener_without_tls(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(f"server {{ listen {port}; server_name a.test; return 200 x; }}")
    server.start(port)
    server.write(block(port, "a.test", A))
    assert told(verified(server)) == [
        f"not-tls: the listener *:{port} answers in plain HTTP: the configuration changed after nginx loaded it"
    ]


def test_rejected_and_accepted_handshakes(server: Server) -> None:
    if server.generation["name"] == "bullseye":
        pytest.skip("nginx 1.18 has no ssl_reject_handshake")
    (port,) = free_ports(1)
    rejects = f"server {{ listen {port} ssl; ssl_reject_handshake on; }}\n"
    server.write(rejects + block(port, "a.test", A))
    server.start(port)
    assert told(verified(server)) == []
    server.write(block(port, "a.test", A) + block(port, "b.test", B))
    lines = told(verified(server))
    assert any(
        line.startswith("rejected-handshake: the running server rejects every handshake (unrecognized_name)")
        for line in lines
    )
    server.reload()
    server.write(rejects + block(port, "a.test", A))
    assert any(line.startswith("accepted-handshake: ") for line in told(verified(server)))


def staple(folder: Path, until: datetime.timedelta) -> None:
    """A CA, a certificate and a response for it in DER, which is valid for some time from now.

    New files: since 1.27.4 nginx keeps a certificate on reload if file and time of change (in seconds) are the same.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    key, leaf_key = lab._key("p256"), lab._key("p256")
    ca = lab._certificate("ocsp ca", key, "ocsp ca", key, ca=True)
    leaf = lab._certificate("ocsp.test", leaf_key, "ocsp ca", key, ca=False)
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            leaf, ca, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, now - datetime.timedelta(days=9), now + until, None, None
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, ca)
        .sign(key, hashes.SHA256())
    )
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    for path in folder.glob("ocsp.*"):
        path.unlink()
    pem = leaf.public_bytes(Encoding.PEM) + ca.public_bytes(Encoding.PEM)
    (folder / "ocsp.pem").write_bytes(pem)
    (folder / "ocsp.key").write_bytes(leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "ocsp.der").write_bytes(response.public_bytes(Encoding.DER))
    assert isinstance(leaf, x509.Certificate)


def test_stapled_responses(server: Server) -> None:
    (port,) = free_ports(1)
    pair = "ssl_certificate CERTS/ocsp.pem; ssl_certificate_key CERTS/ocsp.key; ssl_stapling on;"
    staple(server.certificates, datetime.timedelta(days=3))
    server.write(block(port, "ocsp.test", f"{pair} ssl_stapling_file CERTS/ocsp.der;"))
    server.start(port)
    found = verified(server)
    assert told(found) == []
    assert all(endpoint.seen.accepted[0].staple for endpoint in found.endpoints)
    time.sleep(1.1)  # since 1.27.4 a reload keeps a certificate whose file has the same inode and second of change
    staple(server.certificates, datetime.timedelta(days=-1))
    server.reload()
    lines = told(verified(server))
    assert len(lines) == 1, lines
    assert lines[0].startswith("stale-stapled-response: the stapled OCSP response expired on ")
    server.write(block(port, "ocsp.test", pair.replace("ssl_stapling on;", "")))
    assert any(line.startswith("other-stapling: ") for line in told(verified(server)))


def test_workers_of_before_the_reload(server: Server) -> None:
    """They accept no connections, so that no handshake differs; an open connection still has the old certificate."""
    (port,) = free_ports(1)
    server.write(block(port, "a.test", A), main="worker_shutdown_timeout 60s;")
    server.start(port)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(connection, server_hostname="a.test") as stream:
            stream.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nX: ")  # a request that has begun keeps its worker
            server.write(block(port, "a.test", B), main="worker_shutdown_timeout 60s;")
            server.reload(wait=False)
            server.until(lambda: len(server.titles()) == 3)
            found = verified(server)
            (finding,) = found.report.findings
            assert finding.rule == "old-workers"
            assert finding.severity is Severity.NOTE
            assert finding.message.startswith(
                "1 worker process of before the last reload still serves open connections"
            )
            assert finding.help == "they end within 60s of the reload"


def test_two_masters_answer_in_turn(server: Server) -> None:
    """An upgrade that was not finished: ``USR2`` without ``QUIT`` to the old master, and the certificate renewed."""
    (port,) = free_ports(1)
    server.daemon = True
    server.write(block(port, "a.test", A))
    server.start(port)
    server.renew()
    os.kill(server.number, signal.SIGUSR2)
    old = server.folder / "pid.oldbin"
    server.until(old.exists)
    server.until(lambda: (server.folder / "pid").exists() and (server.folder / "pid").read_text().strip())
    new = int((server.folder / "pid").read_text())
    server.until(lambda: len(server.workers(new)) >= 2)
    findings = verified(server).report.findings
    assert findings
    # Which of the workers accepts a connection is the kernel's choice: those of one master may get them all.
    several = "several processes accept its connections"
    for finding in findings:
        assert finding.message in (
            f'clients get 2 different certificates for "a-ec.test", by connection: {several}',
            f'clients get the old certificate for "a-ec.test", with 59 days left: {several}',
        )
        assert finding.help == f"end the old one: `kill -QUIT {server.number}`"


def test_tls_1_0_only(server: Server) -> None:
    (port,) = free_ports(1)
    old = f"{A_RSA} ssl_protocols TLSv1; ssl_ciphers ALL:@SECLEVEL=0; {HSTS}"
    server.write(block(port, "a.test", old))
    server.start(port)
    found = verified(server)
    assert told(found) == []
    assert found.endpoints[0].seen.versions == ("TLSv1",)
    assert found.endpoints[0].served == found.endpoints[0].on_disk
    server.write(block(port, "a.test", f"{A_RSA} ssl_protocols TLSv1.2;"))
    assert any(line.startswith("other-protocols: the running server accepts TLSv1,") for line in told(verified(server)))


TICKETS = {"on": "", "off": "ssl_session_tickets off;", "none": "ssl_conf_command NumTickets 0;"}


@pytest.mark.parametrize("running", TICKETS)
def test_tickets_of_tls_1_3(server: Server, running: str) -> None:
    """Only TLS 1.3 is spoken: its tickets come after the handshake. With ``off`` they are numbers of kept sessions."""
    if running == "none" and server.generation["name"] == "bullseye":
        pytest.skip("this nginx has no ssl_conf_command")
    (port,) = free_ports(1)
    lines = f"{A} ssl_protocols TLSv1.3; ssl_verify_client optional; ssl_client_certificate CERTS/root.pem;"
    server.write(block(port, "a.test", f"{lines} {TICKETS[running]}"))
    server.start(port)
    assert told(verified(server)) == []
    server.write(block(port, "a.test", f"{lines} {TICKETS['off' if running == 'on' else 'on']}"))
    words = "on in the running server, off" if running == "on" else "off in the running server, on"
    expected = f"other-session-tickets: session tickets in TLSv1.3: {words} in the configuration"
    assert any(line.startswith(expected) for line in told(verified(server)))


def test_quic(server: Server) -> None:
    pytest.importorskip("aioquic")
    if server.generation["name"] in ("bullseye", "bookworm"):
        pytest.skip("this nginx has no QUIC")
    (port,) = free_ports(1)
    text = f"server {{ listen {port} quic; listen {port} ssl; server_name a.test; CERTIFICATE return 200 x; }}\n"
    server.write(text.replace("CERTIFICATE", A))
    server.start(port)
    found = verified(server)
    assert told(found) == []
    assert f"*:{port}/udp" in {endpoint.place.target.label for endpoint in found.endpoints if endpoint.served}
    server.write(text.replace("CERTIFICATE", B))
    endpoints = [name for each in verified(server).report.findings for name in each.endpoints]
    assert f"a.test on *:{port}/udp" in endpoints
    assert all("/udp" not in each.place.target.label for each in verified(server, quic=False).endpoints)


def test_a_certificate_that_no_handshake_finds(server: Server) -> None:
    """nginx looks for a certificate with variables in each handshake: whether it is there is not known."""
    (port,) = free_ports(1)
    pair = "ssl_certificate CERTS/none-$ssl_protocol.pem; ssl_certificate_key CERTS/a-ec.key;"
    server.write(block(port, "a.test", pair))
    server.start(port)
    found = verified(server)
    assert told(found) == []
    reasons = [each.reason for each in found.report.not_checked if each.subject == f"a.test on *:{port}"]
    assert any(reason.startswith("every handshake is rejected: nginx may not find") for reason in reasons)


def test_quic_that_aioquic_cannot_speak(server: Server) -> None:
    """A group that aioquic lacks keeps it out, not browsers: that is no difference, and is reported as not checked."""
    pytest.importorskip("aioquic")
    if server.generation["name"] in ("bullseye", "bookworm"):
        pytest.skip("this nginx has no QUIC")
    (port,) = free_ports(1)
    server.write(block(port, "a.test", f"listen {port} quic; ssl_ecdh_curve secp521r1; {A}"))
    server.start(port)
    found = verified(server)
    assert told(found) == []
    assert [each.reason for each in found.report.not_checked if each.subject == f"a.test on *:{port}/udp"] == [
        "aioquic cannot connect: no common group in TLSv1.3: the client offers secp256r1 secp384r1 X25519 X448"
    ]


def test_mail_with_starttls(server: Server) -> None:
    if not (server.program.modules / "ngx_mail_module.so").exists():
        pytest.skip("this generation has no mail module")
    ports = free_ports(5)
    lines = "".join(
        f"server {{ listen {port}; protocol {protocol}; starttls {mode}; }}\n"
        for port, protocol, mode in zip(ports, ("imap", "pop3", "smtp"), ("on", "only", "on"), strict=False)
    )
    lines += f"server {{ listen {ports[3]} ssl; protocol imap; }}\n"
    head = f"auth_http 127.0.0.1:{ports[4]}; server_name mail.test;"
    server.write(mail=f"{head} {A}\n{lines}")
    server.start(*ports[:4])
    found = verified(server)
    assert told(found) == []
    assert len([endpoint for endpoint in found.endpoints if endpoint.served]) == 4
    server.write(mail=f"{head} {B}\n{lines}")
    found = verified(server)
    assert len({target for each in found.report.findings for target in each.endpoints}) == 4
    server.write(mail=f"{head} {B}\nserver {{ listen {ports[0]}; protocol pop3; starttls on; }}")
    assert any(f"*:{ports[0]} does not offer STARTTLS in pop3" in line for line in told(verified(server)))


def test_stream(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(stream=f"server {{ listen {port} ssl; {A} return x; }}")
    server.start(port)
    assert told(verified(server)) == []
    server.write(stream=f"server {{ listen {port} ssl; {A_RSA} return x; }}")
    assert any(line.startswith("other-certificate: ") for line in told(verified(server)))


def test_hundreds_of_names_on_a_listener(server: Server) -> None:
    (port,) = free_ports(1)
    names = [f"n{number}.test" for number in range(300)]
    rest = "".join(block(port, " ".join(names[i : i + 30]), A) for i in range(30, 300, 30))
    server.write("server_names_hash_max_size 4096;\n" + block(port, " ".join(names[:30]), A) + rest)
    server.start(port)
    found = verified(server)
    assert told(found) == []
    assert {endpoint.place.answer.servername for endpoint in found.endpoints} == {*names, None}
    server.renew()
    (finding,) = verified(server).report.findings
    assert len(finding.endpoints) == 301


def test_files_that_nginx_refuses(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(block(port, "a.test", A))
    server.start(port)
    server.write(block(port, "a.test", f"{A} ssl_protocols TLSv1.9;"))
    (line,) = told(verified(server))
    assert line.startswith(
        "unloadable-configuration: a reload fails and the running server serves an earlier configuration: "
    )


def test_dumps_and_hosts(server: Server) -> None:
    """A dump has no certificates: what is in it is compared, and what is served is judged."""
    (port,) = free_ports(1)
    server.write(block(port, "a.test", f"{A} {HSTS}"))
    server.start(port)
    dump = server.folder.parent / "web1.dump"
    dump.write_text(f"# configuration file /etc/nginx/nginx.conf:\n{server.main.read_text()}")
    hosts = ((os.path.relpath(dump), (Host("localhost", port),)),)
    assert told(verified(server, dump, hosts_by_file=hosts)) == []
    dump.write_text(
        dump.read_text().replace("max-age=300", "max-age=1").replace(" ssl;", " ssl; ssl_protocols TLSv1.3;")
    )
    found = verified(server, dump, hosts_by_file=hosts, expiry_days=3000)
    assert {each.rule for each in found.report.findings} == {"other-protocols", "other-header"}
    assert found.report.findings[0].help == "run `nginx -T` on the host and compare it with these files"
    assert found.report.findings[0].endpoints[0].endswith(f" on *:{port} (localhost:{port})")


def test_expiry_as_served(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(block(port, "a-ec.test", A))
    server.start(port)
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=50)
    settings = Settings(nginx_version=server.generation["nginx_version"], openssl_version="3.0.0")
    reading = read([str(server.main)], settings, root="/", at=later)
    found = verify(reading, Choice(), later)
    assert told(found, Severity.WARNING)[0].startswith(
        'expiring-certificate-served: the certificate that clients get for "a-ec.test" expires on '
    )
    found = verify(reading, Choice(), later + datetime.timedelta(days=50))
    assert told(found)[0].startswith(
        'expired-certificate-served: the certificate that clients get for "a-ec.test" expired'
    )
    metrics = prometheus.render(found)
    days = float(metrics.split(f"{prometheus.SERVED}{{")[1].split("} ")[1].split("\n")[0])
    assert -41 < days < -39


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_nginx_in_a_container(server: Server) -> None:
    (port,) = free_ports(1)
    server.write(block(port, "a-ec.test", A))
    libc = ctypes.CDLL(None, use_errno=True)
    copies = [(shutil.copytree(folder, f"{folder}.image"), folder) for folder in (server.folder, server.certificates)]

    def contain() -> None:
        """A mount namespace with other files at the same paths: CLONE_NEWNS; MS_REC and MS_PRIVATE; MS_BIND."""
        assert libc.unshare(0x20000) == 0
        assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
        for image, folder in copies:
            assert libc.mount(os.fsencode(image), os.fsencode(folder), None, 0x1000, None) == 0

    server.start(port, before=contain)
    assert told(verified(server)) == []
    server.renew()
    (finding,) = verified(server).report.findings
    assert finding.message == (
        'clients get the old certificate for "a-ec.test", with 59 days left: '
        "nginx runs in a container and reads other files"
    )
    assert f"process {server.number} has another file, or none, at {server.main}" in finding.notes
    assert finding.help == f"compare with its files: `nginxtls verify --root /proc/{server.number}/root`"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_mount_namespace_with_the_same_files_is_no_container(server: Server) -> None:
    """As systemd gives one to a service with PrivateTmp."""
    (port,) = free_ports(1)
    server.write(block(port, "a-ec.test", A))
    server.start(port, before=lambda: ctypes.CDLL(None).unshare(0x20000))
    server.renew()
    (finding,) = verified(server).report.findings
    assert finding.message.endswith("nginx was not reloaded after the renewal")
