"""Random HTTP/3 servers, asked by the QUIC clients of OpenSSL and aioquic, compared field by field with the model.

Run them with ``python tests/conformance/random_runs.py --kind quic --seeds 0-999``. OpenSSL's client is the newest
that is installed. A generation without HTTP/3 is asked whether it refuses the configuration.
"""

from __future__ import annotations

import contextlib
import random
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from generations import installed
from hello import count
from lab import Bench, Difference, sha256
from random_runs import PORT, Case

from nginxtls.live.connections import Gate, Limits, Target
from nginxtls.live.offers import GROUPS as EVERY_GROUP
from nginxtls.live.offers import SIGNATURES
from nginxtls.live.quic import hello_of, unfit, visit_quic
from nginxtls.model import Handshake, handshake
from nginxtls.tls.agreement import Hello

PORTS = (PORT, PORT + 1)
NAMES = ("a.test", "b.test", "*.a.test", ".b.test", "_", "www.*", "~^r[0-9]+\\.test$", "UPPER.test",
         r"~^\Qq.test\E$", r'"~^\p{L}+\.zzz$"')  # fmt: skip
ASKED = (None, "a.test", "sub.b.test", "r12.test", "q.test")
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
GROUPS = {"X25519": "X25519", "P-256": "prime256v1", "P-384": "secp384r1", "X25519MLKEM768": "X25519MLKEM768"}
CURVES = ("auto", "auto", "prime256v1", "X25519:prime256v1", "secp384r1", "X25519MLKEM768:X25519", "X448")
PROTOCOLS = ("TLSv1.2 TLSv1.3", "TLSv1.3", "TLSv1.2 TLSv1.3", "TLSv1.3", "TLSv1.2", "TLSv1 TLSv1.3",
             "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3")  # fmt: skip
CIPHERS = ("HIGH:!aNULL", "ECDHE+AESGCM", "DEFAULT:@SECLEVEL=0", "HIGH", "ALL:@SECLEVEL=3")
COMMANDS = ("Ciphersuites TLS_CHACHA20_POLY1305_SHA256", "Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256",
            "MaxProtocol TLSv1.2", "MinProtocol TLSv1.3", "Groups P-384", "Options -SessionTicket",
            "SignatureAlgorithms ECDSA+SHA256", "Certificate DIR/b-rsa.pem; ssl_conf_command PrivateKey DIR/b-rsa.key",
            "VerifyMode Request", "CipherString ECDHE+AES128")  # fmt: skip
PAIRS = ("a-ec", "b-ec", "a-rsa", "ed", "a-ec a-rsa", "b-rsa b-ec", "a-rsa b-rsa")


def draw(seed: int, bench: Bench, certificates: Path) -> Case:
    """Up to three servers on two ports, most of them with a QUIC listener."""
    r = random.Random(f"quic {seed}")
    lines = ["http {", bench.http_head]
    if r.random() < 0.5:
        lines += _settings(r, 0.25)
    if r.random() < 0.3:
        lines += _certificate(r)
    for number in range(r.choice((1, 2, 2, 3))):
        lines.append("server {")
        default = " default_server" if r.random() < 0.15 else ""
        for port in r.sample(PORTS, r.choice((1, 1, 1, 2))):
            address = r.choice(("", "", "", "127.0.0.1:", "*:", "[::]:"))
            if r.random() < 0.85:
                lines.append(f"listen {address}{port} quic{default}{' reuseport' if r.random() < 0.05 else ''};")
            if r.random() < 0.7 or lines[-1] == "server {":
                lines.append(f"listen {address}{port} ssl{default};")
        names = r.sample(NAMES, r.randrange(0, 3))
        if names:
            lines.append(f"server_name {' '.join(names)};")
        if r.random() < 0.93:
            lines += _certificate(r)
        lines += [*_settings(r, 0.2), "location / {", f"return 200 s{number};", "}", "}"]
    lines.append("}")
    return Case({"nginx.conf": (bench.head + "\n".join(lines) + "\n").replace("DIR", str(certificates))}, [], "quic")


def _settings(r: random.Random, chance: float) -> list[str]:
    lines = []

    def maybe(weight: float, line: str) -> None:
        if r.random() < weight:
            lines.append(line)

    maybe(chance, f"ssl_protocols {r.choice(PROTOCOLS)};")
    maybe(chance, f'ssl_ciphers "{r.choice(CIPHERS)}";')
    maybe(chance, f"ssl_ecdh_curve {r.choice(CURVES)};")
    maybe(chance * 0.6, f"ssl_conf_command {r.choice(COMMANDS)};")
    maybe(chance * 0.5, f"ssl_reject_handshake {r.choice(('on', 'on', 'off'))};")
    maybe(chance * 0.3, f"http3 {r.choice(('on', 'off'))};")
    maybe(chance * 0.3, "ssl_early_data on;")
    if r.random() < chance:
        lines.append(f"ssl_verify_client {r.choice(('on', 'optional', 'optional_no_ca', 'off'))};")
        maybe(0.95, f"ssl_client_certificate DIR/{r.choice(('root', 'two'))}.pem;")
    return lines


def _certificate(r: random.Random) -> list[str]:
    lines = []
    for label in r.choice(PAIRS).split():
        suffix = r.choice(("", "", "", "-only"))
        lines += [f"ssl_certificate DIR/{label}{suffix}.pem;", f"ssl_certificate_key DIR/{label}.key;"]
    return lines


# -- asking the real one ----------------------------------------------------------------------------------------------


@cache
def _client() -> Path:
    """The newest openssl; its QUIC client came with 3.2."""
    newest = max(installed(), key=lambda generation: tuple(map(int, re.findall(r"\d+", generation.openssl_version))))
    return Path(newest.openssl)


class Unanswered(Exception):
    """Nothing came back from a port in several attempts: neither a handshake nor a refusal."""


@dataclass
class Answer:
    """What a QUIC client has got. ``suite`` is empty where the server refused it."""

    suite: str = ""
    chain: tuple[str, ...] = field(default_factory=tuple)
    alpn: str = ""
    asks_client: bool = False


SECONDS = (10, 20, 30)
"""How long each attempt waits: a busy machine loses datagrams, and QUIC sends them again ever more slowly."""


def ask(port: int, name: str | None, *, suites: str = "", groups: str = "", alpn: str = "h3") -> Answer:
    """One connection of OpenSSL's QUIC client.

    Raises:
        Unanswered: no attempt got an answer.
    """
    command = [str(_client()), "s_client", "-quic", "-alpn", alpn, "-connect", f"127.0.0.1:{port}", "-showcerts"]
    command += ["-servername", name] if name else ["-noservername"]
    command += ["-ciphersuites", suites] if suites else []
    command += ["-groups", groups] if groups else []
    for seconds in SECONDS:
        count()
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command, input="Q\n", capture_output=True, text=True, errors="replace", timeout=seconds, check=False
            )
            suite = re.search(r"^New, TLSv1\.3, Cipher is (\S+)", done.stdout, re.MULTILINE)
            if suite is not None:
                return _answer(suite[1], done.stdout)
            if REFUSED in done.stderr:
                return Answer()
            raise RuntimeError(done.stderr)
    raise Unanswered(f"{port} {name}")


REFUSED = "protocol is shutdown"
"""What OpenSSL's client says of a server that ends the handshake."""


def _answer(suite: str, output: str) -> Answer:
    chain = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", output, re.DOTALL)
    chosen = re.search(r"^ALPN protocol: (\S+)", output, re.MULTILINE)
    return Answer(
        suite,
        tuple(sha256(ssl.PEM_cert_to_DER_cert(each)) for each in chain),
        chosen[1] if chosen else "",
        "Requested Signature Algorithms" in output,
    )


def ask_aioquic(answer: Handshake, port: int, name: str | None) -> Answer | None:
    """One connection of aioquic; None where the server has nothing that it offers.

    Raises:
        Unanswered: no attempt got an answer.
    """
    assert answer.socket is not None
    for seconds in SECONDS:
        count()
        seen = visit_quic(Gate(Limits(timeout=seconds)), Target(answer.socket, "127.0.0.1", port), name)
        flight = seen.flights["TLSv1.3"]
        if flight.accepted:
            chain = tuple(map(sha256, flight.certificates))
            return Answer(flight.suite_name, chain, flight.alpn, flight.requests_certificate)
        if not seen.trouble:
            return None if unfit(answer, hello_of(seen)) else Answer()
        if seen.trouble == "refuses connections":  # nginx opens its sockets one after the other
            time.sleep(0.5)
        elif seen.trouble != "does not answer":
            raise RuntimeError(seen.trouble)
    raise Unanswered(f"{port} {name}")


def differences(case: Case, bench: Bench) -> list[Difference]:
    """All fields in which nginx and the model differ for a configuration."""
    trial = bench.tried(case.files)
    configuration = trial.configuration
    streams = [socket.port for socket in configuration.sockets if not socket.datagram]
    if not trial.runs or not streams:
        return [*trial.differences]
    ports = sorted({socket.port for socket in configuration.sockets if socket.quic})
    found: list[Difference] = []
    # A client that is refused waits for seconds before it ends, so many ask at a time.
    with bench.running(trial.main, streams[0]), ThreadPoolExecutor(24) as pool:
        work = []
        known: set[tuple[int, Any]] = set()
        listed = False
        for port in ports:
            for name in ASKED:
                answer = handshake(configuration, "127.0.0.1", port, name, quic=True)
                if answer.server is None:
                    continue
                work.append(pool.submit(_aioquic, answer, port, name))
                # OpenSSL's client is a process: one name for each server, and suites and groups of one of all.
                if (port, answer.server) not in known:
                    known.add((port, answer.server))
                    work.append(pool.submit(_openssl, answer, port, name))
                if answer.accepts and not listed:
                    listed = True
                    work += [pool.submit(_one, answer, port, name, "ciphers", each, suites=each) for each in SUITES]
                    work += [pool.submit(_one, answer, port, name, "groups", GROUPS[g], groups=g) for g in GROUPS]
        for each in work:
            try:
                found += each.result()
            except Unanswered as silence:
                found.append((f"{silence} unanswered", "nothing", "an answer"))
    return found


OPENSSL = Hello(
    ("TLSv1.3",),
    (0x1302, 0x1303, 0x1301),
    (EVERY_GROUP["X25519MLKEM768"], *(number for number in EVERY_GROUP.values() if number < 512)),
    (EVERY_GROUP["X25519MLKEM768"], EVERY_GROUP["X25519"]),
    tuple(number for numbers in SIGNATURES.values() for number in numbers),
    None,
    ("h3",),
)
"""What OpenSSL's client offers from 3.5 on: two key shares, so that another group needs a second ClientHello."""


def _openssl(answer: Handshake, port: int, name: str | None) -> list[Difference]:
    got = ask(port, name)
    if not got.suite and unfit(answer, OPENSSL):
        return []
    return [(f"{port} {name} openssl {what}", a, b) for what, a, b in _differing(answer, got)]


def _aioquic(answer: Handshake, port: int, name: str | None) -> list[Difference]:
    got = ask_aioquic(answer, port, name)
    return [(f"{port} {name} aioquic {what}", a, b) for what, a, b in (_differing(answer, got) if got else ())]


def _differing(answer: Handshake, got: Answer) -> Iterator[Difference]:
    """What differs in one client's handshake."""
    told = answer.to_dict()
    if bool(got.suite) != told["accepts"]:
        yield "accepts", got.suite or "refused", told["refusal"] or "accepted"
    if not got.suite or not told["accepts"]:
        return
    chains = {tuple(each["chain"]) for each in told["certificates"]}
    if got.chain not in chains:
        yield "certificates", got.chain, chains
    if got.alpn not in told["alpn"]:
        yield "alpn", got.alpn, told["alpn"]
    if got.asks_client != (told["client_certificate"] != "none"):
        yield "client_certificate", got.asks_client, told["client_certificate"]


def _one(answer: Handshake, port: int, name: str | None, field: str, word: str, **offer: str) -> list[Difference]:
    """Whether a server serves a suite or a group, asked by a client that offers only this one."""
    told = answer.to_dict()[field]
    expected = word in (told.get("TLSv1.3", ()) if field == "ciphers" else told)
    served = bool(ask(port, name, **offer).suite)
    return [] if served == expected else [(f"{port} {name} {word} {field}", served, expected)]
