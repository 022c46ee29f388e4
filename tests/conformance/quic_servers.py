"""Random HTTP/3 servers, asked by OpenSSL's own QUIC client, compared field by field with the model.

Run them with ``python tests/conformance/random_runs.py --kind quic --seeds 0-999``. The client is the newest openssl
that is installed. A generation without HTTP/3 is asked whether it refuses the configuration.
"""

from __future__ import annotations

import hashlib
import random
import re
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from generations import installed
from lab import Bench
from random_runs import PORT, Case

import nginxtls
from nginxtls.model import Handshake, handshake, refusals

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


@dataclass
class Answer:
    """What a QUIC client has got. ``suite`` is empty without a handshake."""

    suite: str = ""
    chain: tuple[str, ...] = field(default_factory=tuple)
    alpn: str = ""
    asks_client: bool = False


def ask(port: int, name: str | None, *, suites: str = "", groups: str = "", alpn: str = "h3") -> Answer:
    """One connection of OpenSSL's QUIC client."""
    command = [str(_client()), "s_client", "-quic", "-alpn", alpn, "-connect", f"127.0.0.1:{port}", "-showcerts"]
    command += ["-servername", name] if name else ["-noservername"]
    command += ["-ciphersuites", suites] if suites else []
    command += ["-groups", groups] if groups else []
    done = subprocess.run(
        command, input="Q\n", capture_output=True, text=True, errors="replace", timeout=20, check=False
    )
    suite = re.search(r"^New, TLSv1\.3, Cipher is (\S+)", done.stdout, re.MULTILINE)
    if suite is None:
        return Answer()
    chain = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", done.stdout, re.DOTALL)
    chosen = re.search(r"^ALPN protocol: (\S+)", done.stdout, re.MULTILINE)
    return Answer(
        suite[1],
        tuple(hashlib.sha256(ssl.PEM_cert_to_DER_cert(each)).hexdigest() for each in chain),
        chosen[1] if chosen else "",
        "Requested Signature Algorithms" in done.stdout,
    )


def differences(case: Case, bench: Bench) -> list[tuple[str, Any, Any]]:
    """All fields in which nginx and the model differ for a configuration."""
    main = bench.write(case.files)
    versions = {"nginx_version": bench.generation.nginx_version, "openssl_version": bench.generation.openssl_version}
    configuration = nginxtls.load(main, **versions)
    emerg = [line for line in bench.test(main) if "[emerg]" in line]
    refused = [r.message for r in refusals(configuration) if r.level == "emerg"]
    if bool(emerg) != bool(refused):
        return [("starts", emerg or "starts", refused or "starts")]
    streams = [socket.port for socket in configuration.sockets if not socket.datagram]
    if emerg or not streams:
        return []
    ports = sorted({socket.port for socket in configuration.sockets if socket.quic})
    found: list[tuple[str, Any, Any]] = []
    # A client waits for two tenths of a second before it ends, so several ask at a time.
    with bench.running(main, streams[0]), ThreadPoolExecutor(16) as pool:
        work = [pool.submit(_compared, configuration, port, name) for port in ports for name in ASKED]
        # Suites and groups cost most: of one server for each configuration.
        for port, name in [(port, name) for port in ports for name in ASKED]:
            answer = handshake(configuration, "127.0.0.1", port, name, quic=True)
            if answer.accepts:
                work.append(pool.submit(_listed, answer, port, name))
                break
        for each in work:
            found += each.result()
    return found


def _compared(configuration: Any, port: int, name: str | None) -> list[tuple[str, Any, Any]]:
    """What a client gets that offers everything."""
    answer = handshake(configuration, "127.0.0.1", port, name, quic=True)
    if answer.server is None:
        return []
    told, place = answer.to_dict(), f"{port} {name}"
    first = ask(port, name)
    if bool(first.suite) != told["accepts"]:
        return [(f"{place} accepts", first.suite or "refused", told["refusal"] or "accepted")]
    if not first.suite:
        return []
    chains = {tuple(each["chain"]) for each in told["certificates"]}
    found: list[tuple[str, Any, Any]] = []
    if first.chain not in chains:
        found.append((f"{place} certificates", first.chain, chains))
    if first.alpn not in told["alpn"]:
        found.append((f"{place} alpn", first.alpn, told["alpn"]))
    if first.asks_client != (told["client_certificate"] != "none"):
        found.append((f"{place} client_certificate", first.asks_client, told["client_certificate"]))
    return found


def _listed(answer: Handshake, port: int, name: str | None) -> list[tuple[str, Any, Any]]:
    """The suites and groups of a server, one by one."""
    told, place = answer.to_dict(), f"{port} {name}"
    suites = {suite for suite in SUITES if ask(port, name, suites=suite).suite == suite}
    groups = {shown for group, shown in GROUPS.items() if ask(port, name, groups=group).suite}
    expected = {"suites": set(told["ciphers"].get("TLSv1.3", ())) & set(SUITES)}
    expected["groups"] = set(told["groups"]) & set(GROUPS.values())
    seen = {"suites": suites, "groups": groups}
    return [(f"{place} {what}", seen[what], expected[what]) for what in seen if seen[what] != expected[what]]
