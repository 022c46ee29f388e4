"""Random configurations served by real nginx, and what real clients get from them, against what we predict.

    python tests/conformance/clients/compare.py --configurations 300 [--generation trixie] [--client NAME] [--first 0]

Each connection goes through a tap, which reads version, suite, group and (up to TLS 1.2) certificate from the server's
answer; in TLS 1.3 the size of the encrypted flight says which certificate was sent. Certificates are not verified here.
A difference prints the seed, the client, both answers and the server block.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[3]))

from cryptography import x509
from generations import Generation, installed
from hello import GROUP_NAMES
from programs import Program, Running
from programs import installed as programs_installed
from tap import Connection, Tap

import nginxtls
from nginxtls.model import handshake, refusals
from nginxtls.model.clients import Outcome, outcomes
from nginxtls.tls import suites
from nginxtls.tls.clients import Client, clients
from tests.conformance.negotiations import DHPARAMS, make_keys

KEYS = (
    ("rsa2048",), ("p256",), ("rsa2048", "p256"), ("p256", "rsa2048"), ("p384",), ("rsa2048", "p384"), ("p521",),
    ("rsa2048",), ("rsa2048",), ("p256",), ("rsa3072",), ("ed25519",), ("rsa2048", "ed25519"), ("pss2048",), ("k256",),
)  # fmt: skip
PROTOCOLS = ("TLSv1.2 TLSv1.3", "TLSv1.2 TLSv1.3", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", "TLSv1.2", "TLSv1.3",
             "TLSv1 TLSv1.1 TLSv1.2", "TLSv1.1", "TLSv1", "TLSv1 TLSv1.2", "TLSv1.1 TLSv1.3")  # fmt: skip
CIPHERS = (
    "DEFAULT", "HIGH:!aNULL:!MD5", "ECDHE+AESGCM", "ECDHE+AESGCM:DHE+AESGCM", "ALL:!aNULL:!PSK:!SRP", "kRSA", "DHE",
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-SHA:AES128-SHA:DHE-RSA-AES256-SHA", "EECDH+CHACHA20:EECDH+AES128:RSA+AES128",
    "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA384:AES256-SHA256", "AES256-SHA", "ECDHE+AES256:AES128-GCM-SHA256",
    "CHACHA20:AESGCM", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384", "SHA1", "CAMELLIA:AES128-SHA",
)  # fmt: skip
CURVES = ("auto", "auto", "auto", "prime256v1", "X25519", "secp384r1", "X25519:secp384r1",
          "secp384r1:X25519:prime256v1",
          "secp521r1:X448", "X448:prime256v1", "secp521r1", "X25519MLKEM768:X25519", "X25519MLKEM768",
          "prime256v1:X25519MLKEM768", "SecP256r1MLKEM768:prime256v1", "ffdhe2048:X25519")  # fmt: skip
COMMANDS = ("Options PrioritizeChaCha", "Ciphersuites TLS_CHACHA20_POLY1305_SHA256", "MinProtocol TLSv1.2",
            "Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384", "SignatureAlgorithms RSA+SHA256",
            "SignatureAlgorithms ECDSA+SHA256:RSA-PSS+SHA256", "SignatureAlgorithms RSA+SHA384:ECDSA+SHA384",
            "SignatureAlgorithms RSA-PSS+SHA256")  # fmt: skip
BATCH = 25


@dataclass
class Configuration:
    """The server blocks of one configuration and its port."""

    seed: int
    port: int
    text: str
    name: str
    predicted: dict[Client, Outcome] = field(default_factory=dict)


def draw(seed: int, generation: Generation, port: int, folder: Path) -> Configuration:
    """A configuration: one server, or two of which SNI selects the second."""
    r = random.Random(seed)
    version = tuple(map(int, generation.nginx_version.split(".")))
    blocks = [_server(r, port, "b.test", version, folder)]
    if r.random() < 0.4:
        blocks.append(_server(r, port, "a.test", version, folder))
    return Configuration(seed, port, "\n".join(blocks), "a.test")


def _server(r: random.Random, port: int, name: str, version: tuple[int, ...], folder: Path) -> str:
    lines = [f"server {{ listen 127.0.0.1:{port} ssl; server_name {name};"]
    lines += [f"ssl_certificate {folder}/{k}.pem; ssl_certificate_key {folder}/{k}.key;" for k in r.choice(KEYS)]
    lines.append(f"ssl_protocols {r.choice(PROTOCOLS)};")
    level = f":@SECLEVEL={r.choice((0, 0, 0, 1, 2, 3))}" if r.random() < 0.6 else ""
    lines.append(f'ssl_ciphers "{r.choice(CIPHERS)}{level}";')
    if r.random() < 0.5:
        lines.append("ssl_prefer_server_ciphers on;")
    if r.random() < 0.6:
        lines.append(f"ssl_ecdh_curve {r.choice(CURVES)};")
    if r.random() < 0.35:
        lines.append(f"ssl_dhparam {folder}/dh{r.choice(DHPARAMS)}.pem;")
    if r.random() < 0.25 and version >= (1, 19, 4):
        lines.append(f"ssl_conf_command {r.choice(COMMANDS)};")
    if r.random() < 0.3:
        lines.append("http2 on;" if version >= (1, 25, 1) else "")
    return "\n  ".join(line for line in lines if line) + "\n  location / { return 200 nginxtls; } }"


def _main(configurations: Iterable[Configuration], folder: Path) -> str:
    temporary = "".join(f"{n}_temp_path {folder}/t;" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 2048; }}\nhttp {{ access_log off; {temporary} ssl_session_cache off;\n"
        + "\n".join(configuration.text for configuration in configurations)
        + "\n}\n"
    )


def free_port(taken: set[int]) -> int:
    """A port below those that the kernel gives to connections, so that none takes it before nginx does.

    It is none of those ``taken`` by other configurations of the same nginx, and is added to them.
    """
    while True:
        port = random.randrange(12000, 32000)
        if port in taken:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            taken.add(port)
            return port


def usable(seeds: Iterator[int], generation: Generation, folder: Path, count: int) -> list[Configuration]:
    """Configurations with which nginx starts, by its own word and by ours; a disagreement is an error."""
    found: list[Configuration] = []
    ports: set[int] = set()
    main = folder / "one.conf"
    while len(found) < count:
        configuration = draw(next(seeds), generation, free_port(ports), folder)
        main.write_text(_main([configuration], folder))
        loaded = nginxtls.load(main, nginx_version=generation.nginx_version, openssl_version=generation.openssl_version)
        if any(refusal.level == "emerg" for refusal in refusals(loaded)):
            continue
        answer = handshake(loaded, "127.0.0.1", configuration.port, configuration.name)
        configuration.predicted = {outcome.client: outcome for outcome in outcomes(answer, clients())}
        found.append(configuration)
    return found


@contextlib.contextmanager
def running(generation: Generation, configurations: list[Configuration], folder: Path) -> Iterator[None]:
    main = folder / "nginx.conf"
    main.write_text(_main(configurations, folder))
    command = [str(generation.nginx), "-p", str(folder), "-c", str(main)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(500):
            if process.poll() is not None:
                raise RuntimeError(process.stderr.read() if process.stderr else "nginx stopped")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", configurations[-1].port), 1).close()
                break
            time.sleep(0.02)
        yield
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended with {process.returncode} while it was asked")
    finally:
        process.terminate()
        process.wait()
        if process.stderr:
            process.stderr.close()


def seen(configuration: Configuration, client: Running, folder: Path) -> dict[str, Any]:
    """What a client really gets."""
    tap = Tap(configuration.port)
    with tap:
        answer = client.get(tap.port, configuration.name)
        connections = [c for c in tap.connections if c.client]
    if not connections:
        return {"connects": False, "said": answer, "hello": None}
    connection = connections[-1]
    flight = connection.flight()
    found: dict[str, Any] = {"connects": answer == "ok", "said": answer}
    if answer == "ok":
        named = {s.number: s.name for s in suites()}
        found |= {"protocol": flight.version, "suite": named.get(flight.suite), "group": flight.group or None}
        found["key"] = _key(connection, flight.certificates, configuration.text, folder)
    return found


def _key(connection: Connection, certificates: list[bytes], text: str, folder: Path) -> str:
    """The key, of those configured, whose certificate was sent: by its content, or by the size of the sealed flight."""
    known = {name: _der(folder / f"{name}.pem") for name in _TEXTS if f"/{name}.pem" in text}
    if certificates:
        return next((name for name, der in known.items() if der == certificates[0]), "?")
    sizes = {name: len(der) + _SIGNATURES.get(name, 72) for name, der in known.items()}
    # Certificate and CertificateVerify with their heads, EncryptedExtensions, Finished, and what seals each record.
    rest = connection.sealed - 12 - 8 - 20 - 48 - 4 * 17
    return min(sizes, key=lambda name: abs(sizes[name] - rest))


_SIGNATURES = {"rsa1024": 128, "rsa2048": 256, "rsa3072": 384, "pss2048": 256, "p384": 104, "p521": 139, "ed25519": 64,
               "ed448": 114}  # fmt: skip
_DER: dict[Path, bytes] = {}


def _der(path: Path) -> bytes:
    if path not in _DER:
        from cryptography.hazmat.primitives.serialization import Encoding

        _DER[path] = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    return _DER[path]


_TEXTS = {"rsa1024": "RSA 1024", "rsa2048": "RSA 2048", "rsa3072": "RSA 3072", "pss2048": "RSA-PSS 2048",
          "p256": "EC prime256v1", "p384": "EC secp384r1", "p521": "EC secp521r1", "ed25519": "Ed25519",
          "ed448": "Ed448", "k256": "EC secp256k1", "p224": "EC secp224r1",
          "brainpool": "EC brainpoolP256r1"}  # fmt: skip


def recorded(program: Program) -> Client | None:
    """The row of a client, or of another patch release of it."""
    rows = [client for client in clients() if client.family == program.family and client.recorded]
    minor = program.version.split(".")[:2]
    exact = next((client for client in rows if client.name == program.name), None)
    return exact or next((client for client in rows if client.version.split(".")[:2] == minor), None)


def differences(outcome: Outcome, real: dict[str, Any]) -> list[str]:
    """The fields that differ, in words; the certificate is not verified here."""
    expected = bool(outcome.connects) or outcome.kind in ("name", "chain")
    if expected != real["connects"]:
        return [f"connects: seen {real['connects']} ({real['said']}), predicted {expected} ({outcome.reason})"]
    if not expected:
        return []
    group = outcome.group
    ours = {"protocol": outcome.protocol, "suite": outcome.suite, "group": group, "key": outcome.key}
    theirs = {**{name: real[name] for name in ("protocol", "suite", "group")}, "key": _TEXTS.get(real["key"], "?")}
    if theirs["group"] is None and (outcome.suite or "").startswith(("DHE-", "EDH-")):
        theirs["group"] = group
    if str(theirs["group"]).startswith("ffdhe") and group is None:
        theirs["group"] = None  # parameters of a file, which are those of RFC 7919 here
    if theirs["group"] and theirs["group"] not in GROUP_NAMES.values():
        theirs["group"] = group
    return [f"{name}: seen {theirs[name]}, predicted {ours[name]}" for name in ours if ours[name] != theirs[name]]


def run(
    generation: Generation, chosen: list[Program], count: int, *, first: int = 0, folder: Path, workers: int = 2
) -> tuple[int, list[str]]:
    """Compare clients on configurations: how many connections were compared, and what differed, as text."""
    told: list[str] = []
    connections = 0
    lock = threading.Lock()
    seeds = iter(range(first, first + 100_000))
    started = [(Running(program), row) for program in chosen if (row := recorded(program))]
    try:
        left = count
        while left:
            batch = usable(seeds, generation, folder, min(BATCH, left))
            left -= len(batch)
            with running(generation, batch, folder):

                def each(pair: tuple[Running, Client], batch: list[Configuration] = batch) -> None:
                    nonlocal connections
                    real_client, client = pair
                    for configuration in batch:
                        real = seen(configuration, real_client, folder)
                        found = differences(configuration.predicted[client], real)
                        if found:
                            # Once more: a busy machine makes some time out.
                            found = differences(
                                configuration.predicted[client], seen(configuration, real_client, folder)
                            )
                        with lock:
                            connections += 1
                            if found:
                                told.append(
                                    f"seed {configuration.seed} on {generation.name}, {client.name}: "
                                    f"{'; '.join(found)}\n"
                                    f"{configuration.text}"
                                )

                with ThreadPoolExecutor(workers) as pool:
                    for future in [pool.submit(each, pair) for pair in started]:
                        future.result()
    finally:
        for real_client, _ in started:
            real_client.close()
    return connections, told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--generation", action="append", help="default: all installed")
    parser.add_argument("--client", action="append", help="a part of a client's name; default: all but Chromium")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    chosen = [
        program
        for program in programs_installed()
        if (any(part in program.name for part in options.client) if options.client else program.family != "Chrome")
    ]
    for program in chosen:
        if recorded(program) is None:
            print(f"{program.name}: not recorded, left out")
    status = 0
    with tempfile.TemporaryDirectory(prefix="nginxtls-clients-") as scratch:
        folder = Path(scratch)
        make_keys(installed()[-1].openssl, folder)
        for generation in installed():
            if options.generation and generation.name not in options.generation:
                continue
            start = time.monotonic()
            count, told = run(generation, chosen, options.configurations, first=options.first, folder=folder,
                              workers=options.workers)  # fmt: skip
            print(*told, sep="\n\n")
            seconds = time.monotonic() - start
            print(
                f"{generation.name}: {len(chosen)} clients, {options.configurations} configurations, "
                f"{count} connections, "
                f"{len(told)} with differences, {seconds:.0f} s", flush=True,
            )  # fmt: skip
            status |= bool(told)
    return status


if __name__ == "__main__":
    sys.exit(main())
