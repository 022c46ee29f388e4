"""Random TLS servers of http and stream, each run by real nginx and predicted by the model, compared field by field.

Run them with ``python tests/conformance/random_runs.py --kind servers --seeds 0-999``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hello import GROUPS, VERSIONS, Flight, ask, client_hello, completes_tls13
from lab import Bench, Difference, get, sha256
from random_runs import PORT, Case

import nginxtls
from nginxtls.model import Configuration, Handshake, handshake, refusals
from nginxtls.syntax.files import Unreachable
from nginxtls.tls import suites as all_suites

PATHS = ("/", "/a/x", "/a/b/c", "/exact", "/img.png", "/nowhere")
NAMES = (
    "a.test", "b.test", "www.a.test", "*.a.test", ".b.test", "*.test", "www.*", "_", '""', "~^r[0-9]+\\.test$",
    "~^(?<u>\\w+)\\.re\\.org$", "UPPER.test", "c.test.", "127.0.0.1", "x.y.a.test", "*.y.a.test",
)  # fmt: skip
ASKED = (None, "a.test", "b.test", "www.a.test", "q.x.a.test", "sub.b.test", "www.zzz", "r12.test", "u.re.org",
         "upper.TEST", "b.test.", "nothing.example", "x.y.a.test")  # fmt: skip
PROTOCOLS = ("TLSv1.2 TLSv1.3", "TLSv1.2", "TLSv1.3", "TLSv1 TLSv1.1 TLSv1.2", "TLSv1.1 TLSv1.2 TLSv1.3",
             "TLSv1 TLSv1.2", "tlsv1.2", "SSLv3 TLSv1.2", "TLSv1.1")  # fmt: skip
CIPHERS = (
    "HIGH:!aNULL:!MD5", "ECDHE+AESGCM", "ECDHE+AESGCM:DHE+AESGCM", "ALL:!aNULL:@SECLEVEL=0",
    "HIGH:!kRSA:!aNULL:@STRENGTH",
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-SHA:AES256-SHA:@SECLEVEL=0", "DEFAULT", "EECDH+CHACHA20:EECDH+AES128:RSA+AES128:@SECLEVEL=1", "kRSA",
    "DEFAULT:@SECLEVEL=3", "NOSUCH", "ECDHE-RSA-AES256-SHA384:NOSUCH:DHE-RSA-AES256-SHA256",
)  # fmt: skip
CURVES = ("auto", "prime256v1", "X25519:prime256v1", "secp384r1", "secp384r1:X25519:prime256v1", "X448:secp521r1",
          "X25519MLKEM768:X25519", "nosuch")  # fmt: skip
CIPHERSUITES = ("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384")
COMMANDS = ("MinProtocol TLSv1.2", "MaxProtocol TLSv1.2", "MinProtocol TLSv1.3", "Groups P-384",
            "Options -SessionTicket", "Protocol -TLSv1.2", "CipherString ECDHE+AES128")  # fmt: skip
RARE = (
    "ssl_session_cache shared:one:1m;", "ssl_session_cache none;", "ssl_session_cache shared:one:2m;",
    "ssl_session_cache builtin:1000 shared:two:1m;", "ssl_session_cache shared:x;", "ssl_session_timeout 5m;",
    "ssl_buffer_size 4k;", "ssl_verify_depth 2;", "ssl_trusted_certificate DIR/root.pem;", "ssl_dhparam DIR/nosuch;",
    "ssl_trusted_certificate DIR/nosuch;", "ssl_client_certificate DIR/nosuch;", "ssl_protocols TLSv1.4;",
    "ssl_protocols TLSv1.2; ssl_protocols TLSv1.3;", "ssl_session_tickets yes;", "ssl_crl DIR/nosuch;",
    "ssl_password_file DIR/a-ec.key;", "ssl_ciphers ECDHE+AESGCM:@SECLEVEL=1;", "ssl_ciphers ALL:COMPLEMENTOFALL;",
    "ssl_ciphers @SECLEVEL=7:HIGH;", "ssl_ciphers 'HIGH;!aNULL';", "ssl_conf_command Options ServerPreference;",
    "ssl_conf_command Options PrioritizeChaCha; ssl_prefer_server_ciphers on;", "ssl_conf_command Curves X25519;",
    "ssl_conf_command Options -SessionTicket,ServerPreference;", "ssl_conf_command CipherString AES128-SHA@SECLEVEL=0;",
    "ssl_conf_command Protocol ALL,-TLSv1.3;", "ssl_conf_command Ciphersuites NOSUCH;", "ssl_conf_command No x;",
    "ssl_conf_command MinProtocol TLSv1; ssl_conf_command MaxProtocol TLSv1.2;", "ssl_ecdh_curve X25519:X25519;",
    "ssl_ecdh_curve P-256;", "ssl_ecdh_curve secp384r1:ffdhe2048;", "ssl_verify_client yes;", "ssl_nosuch on;",
    "ssl_certificate DIR/rsa1024.pem; ssl_certificate_key DIR/rsa1024.key;", "ssl_certificate DIR/a-ec.pem;",
    "ssl_certificate DIR/nosuch.pem; ssl_certificate_key DIR/a-ec.key;", "ssl_certificate_key DIR/a-ec.key;",
    "ssl_certificate DIR/$x.pem; ssl_certificate_key DIR/$x.key;", "ssl_prefer_server_ciphers on;",
    "ssl_stapling on;", "ssl_stapling on; ssl_trusted_certificate DIR/root.pem;", "ssl_stapling_verify on;",
)  # fmt: skip
ENRICHED = 10_000
"""From this seed on configurations also have names and locations in PCRE's own syntax and more of ssl_conf_command."""
PCRE_NAMES = (
    r"~^\Qa.test\E$", r'"~^\p{L}+\.b\.test$"', r"~^[[:alpha:]]+\.zzz$", r"~^(?'n'r\d+)\.test\z", r"~^www\.\K(?>zzz)$",
    r"~^\h*nothing\.example$", r"~^(?P<v>sub)++\.b\.test$", r"~^(?i)UPPER\.TEST$", r"~^(?!www)\w+\.a\.test$",
    r"~^(a|b)\.(?1)?test$", r'"~^r[0-9]{1,3}\.test$"', r"~^(x|y)\.(?1)\.a\.test$", "~^(unclosed", "~^[[:nosuch:]]",
)  # fmt: skip
PCRE_LOCATIONS = (
    r"~ ^/\Qa\E/[[:alpha:]]+$", r"~* '^/A/(?<x>\w)/\p{Ll}\z'", r"~ \.\Qpng\E$", r"~ ^/e(?>xact|x)$",
    r"~ ^/(?=nowhere)\w++$", "~ ^/(a", r"~* ^/(.)/(?1)",
)  # fmt: skip
SERVER_COMMANDS = (
    "Certificate DIR/b-ec.pem; ssl_conf_command PrivateKey DIR/b-ec.key", "Certificate DIR/a-rsa.pem",
    "Certificate DIR/b-rsa.pem; ssl_conf_command PrivateKey DIR/b-rsa.key", "PrivateKey DIR/a-ec.key",
    "Certificate DIR/a-ec.pem; ssl_conf_command PrivateKey DIR/a-rsa.key", "Certificate DIR/nosuch.pem",
    "VerifyMode Request", "VerifyMode Require", "VerifyMode Peer,Once", "VerifyMode Nosuch",
    "SignatureAlgorithms ECDSA+SHA256", "SignatureAlgorithms RSA+SHA256", "SignatureAlgorithms RSA-PSS+SHA256:ed25519",
    "SignatureAlgorithms rsa_pkcs1_sha256:ecdsa_secp384r1_sha384", "SignatureAlgorithms RSA+SHA1:ECDSA+SHA1",
    "SignatureAlgorithms ed25519", "ClientSignatureAlgorithms RSA+SHA256", "ClientSignatureAlgorithms ed25519",
    "SignatureAlgorithms nosuch", "Options ServerPreference", "Options -ServerPreference", "Options -SessionTicket",
    "Options SessionTicket,-ServerPreference", "NumTickets 1", "RecordPadding 64",
    "Options KTLS", "Options UnsafeLegacyServerConnect", "MinProtocol TLSv1.2",
)  # fmt: skip
UNREAD = "unread"
"""A folder of certificates that nginx reads and the model must not."""
PAIRS = ("a-ec", "b-ec", "a-rsa", "b-rsa", "ed", "a-ec a-rsa", "b-rsa b-ec", "a-rsa b-rsa", "b-ec ed")


def draw(seed: int, bench: Bench, certificates: Path) -> Case:
    """The configuration of a seed. Most of what a generation does not know is left out, or hardly one would start."""
    case = _draw(seed, bench, certificates)
    if seed >= ENRICHED:
        for name, text in case.files.items():
            case.files[name] = _enrich(text, random.Random(f"{seed} {name}"), certificates)
    chance = random.Random(seed + 1)
    version = tuple(map(int, bench.generation.nginx_version.split(".")))
    for name, text in case.files.items():
        lines = text.split("\n")
        case.files[name] = "\n".join(line for line in lines if _since(line) <= version or chance.random() < 0.03)
    return case


def _enrich(text: str, r: random.Random, certificates: Path) -> str:
    """A file of a configuration with lines of PCRE's and OpenSSL's own."""
    lines: list[str] = []
    located = False
    for line in text.split("\n"):
        located = line.startswith("location ") or (located and line != "server {")
        if line.startswith("server_name ") and r.random() < 0.4:
            line = f"{line[:-1]} {r.choice(PCRE_NAMES)};"
        if line.startswith("ssl_certificate ") and r.random() < 0.1:
            line = line.replace(str(certificates), str(certificates / UNREAD))
        lines.append(line)
        if line == "server {" and r.random() < 0.4:
            lines.append(f"ssl_conf_command {r.choice(SERVER_COMMANDS)};".replace("DIR", str(certificates)))
        if located and line.startswith("return 200 s") and r.random() < 0.2:
            inner = f'add_header Strict-Transport-Security "max-age={r.randrange(100, 999)}";'
            # After the block that the line is in, which is a location.
            lines.append(f"}}\nlocation {r.choice(PCRE_LOCATIONS)} {{ {inner}\n{line}")
    return "\n".join(lines)


SINCE = {
    "ssl_conf_command": (1, 19, 4), "ssl_reject_handshake": (1, 19, 4), "http2": (1, 25, 1), "ssl_alpn": (1, 21, 4),
    "add_header_inherit": (1, 29, 3),
}  # fmt: skip


def _since(line: str) -> tuple[int, ...]:
    if "nosuch" in line.lower():
        return (99,)
    return SINCE.get(line.split(" ")[0], (0,))


def _draw(seed: int, bench: Bench, certificates: Path) -> Case:
    r = random.Random(seed)
    kind = "stream" if r.random() < 0.12 else "http"
    lines: list[str] = []
    if r.random() < 0.6:
        lines += _settings(r, certificates, kind, 0.25)
    if r.random() < 0.3:
        lines += _certificate(r, certificates)
    if kind == "http" and r.random() < 0.3:
        lines.append(_header(r))
    ports = [PORT + i for i in range(r.choice((1, 1, 1, 2)))]
    files: dict[str, str] = {}
    for number in range(r.choice((1, 2, 2, 3, 4))):
        block = _server(r, number, ports, certificates, kind)
        if r.random() < 0.2:
            name = f"site{number}.conf"
            files[name] = "\n".join(block) + "\n"
            lines.append(f"include {name};")
        else:
            lines += block
    head = bench.http_head if kind == "http" else ""
    body = "\n".join(lines)
    files["nginx.conf"] = f"{bench.head}{kind} {{\n{head}\n{body}\n}}\n"
    return Case(files, ports, kind)


def _settings(r: random.Random, certificates: Path, kind: str, chance: float) -> list[str]:
    lines = []

    def maybe(weight: float, line: str) -> None:
        if r.random() < weight:
            lines.append(line)

    maybe(chance * 1.6, f"ssl_protocols {r.choice(PROTOCOLS)};")
    maybe(chance * 1.6, f'ssl_ciphers "{r.choice(CIPHERS)}";')
    maybe(chance, f"ssl_prefer_server_ciphers {r.choice(('on', 'off'))};")
    maybe(chance, f"ssl_ecdh_curve {r.choice(CURVES)};")
    maybe(chance, f"ssl_session_tickets {r.choice(('on', 'off'))};")
    maybe(chance * 0.5, f"ssl_dhparam {certificates}/dh{r.choice(('2048', '2048', '1024'))}.pem;")
    verify = r.choice(("on", "optional", "optional_no_ca", "off"))
    if r.random() < chance:
        lines.append(f"ssl_verify_client {verify};")
        if r.random() < 0.8:
            lines.append(f"ssl_client_certificate {certificates}/{r.choice(('root', 'two'))}.pem;")
        elif r.random() < 0.5:
            lines.append(f"ssl_trusted_certificate {certificates}/root.pem;")
    maybe(chance * 0.3, f"ssl_conf_command Ciphersuites {r.choice(CIPHERSUITES)};")
    maybe(chance * 0.3, f"ssl_conf_command {r.choice(COMMANDS)};")
    maybe(chance * 0.3, f"ssl_reject_handshake {r.choice(('on', 'off', 'on'))};")
    if r.random() < chance * 0.5:
        lines.append(r.choice(RARE).replace("DIR", str(certificates)))
    if kind == "http":
        maybe(chance * 0.4, f"http2 {r.choice(('on', 'off'))};")
        maybe(chance * 0.3, "ssl_early_data on;")
    else:
        maybe(chance * 0.6, f"ssl_alpn {r.choice(('h2', 'http/1.1', 'h2 http/1.1'))};")
    return lines


def _certificate(r: random.Random, certificates: Path) -> list[str]:
    lines = []
    for label in r.choice(PAIRS).split():
        suffix = "-only" if r.random() < 0.15 else ""
        key = r.choice(("a-rsa", "a-ec")) if r.random() < 0.03 else label
        lines += [
            f"ssl_certificate {certificates}/{label}{suffix}.pem;",
            f"ssl_certificate_key {certificates}/{key}.key;",
        ]
    return lines


def _header(r: random.Random) -> str:
    always = r.choice(("", " always"))
    return r.choice(
        (
            f'add_header Strict-Transport-Security "max-age={r.randrange(1, 99)}"{always};',
            f"add_header X-Other {r.randrange(9)}{always};",
            'add_header strict-transport-security "";',
        )
    )


def _server(r: random.Random, number: int, ports: list[int], certificates: Path, kind: str) -> list[str]:
    lines = ["server {"]
    for port in r.sample(ports, r.randrange(1, len(ports) + 1)):
        address = r.choice((f"{port}", f"{port}", f"{port}", f"127.0.0.1:{port}", f"*:{port}", f"[::]:{port}"))
        flags = " ssl" if r.random() < 0.9 else ""
        if kind == "http":
            flags += r.choice((" http2", "", "", "", ""))
        if r.random() < 0.15:
            flags += " default_server"
        lines.append(f"listen {address}{flags};")
    names = r.sample(NAMES, r.randrange(0, 4))
    if names and (kind == "http" or r.random() < 0.7):
        lines.append(f"server_name {' '.join(names)};")
    if r.random() < 0.8:
        lines += _certificate(r, certificates)
    lines += _settings(r, certificates, kind, 0.22)
    if kind == "stream":
        return [*lines, f"return s{number};", "}"]
    if r.random() < 0.4:
        lines.append(_header(r))
    if r.random() < 0.1:
        lines += [f"return 200 s{number};"]
    lines += _location(r, number, "/", 0)
    for pattern in r.sample(("/a/", "= /exact", "~ \\.png$", "^~ /a/b", "~* ^/A/B"), r.randrange(0, 4)):
        lines += _location(r, number, pattern, 0)
    return [*lines, "}"]


def _location(r: random.Random, number: int, pattern: str, depth: int) -> list[str]:
    lines = [f"location {pattern} {{"]
    if r.random() < 0.3:
        lines.append(_header(r))
    if r.random() < 0.05:
        lines.append(f"add_header_inherit {r.choice(('merge', 'off', 'on'))};")
    if depth == 0 and pattern in ("/a/", "/") and r.random() < 0.3:
        lines += _location(r, number, pattern + "b/", 1)
    return [*lines, f"return 200 s{number};", "}"]


# -- asking the real one ----------------------------------------------------------------------------------------------


def observe(
    asking: Callable[[bytes], Flight],
    name: str | None,
    predicted: dict[str, Any],
    finite: bool = False,
    alpn: tuple[str, ...] = ("h2", "http/1.1"),
) -> dict[str, Any]:
    """What a client sees, in the words of ``Handshake.to_dict``. ``predicted`` only tells which order is asked for.

    ``asking`` sends a ClientHello to the server; ``alpn`` are the protocols of its clients.

    ``finite``: the server negotiates finite fields in TLS 1.2, as OpenSSL 4 does (RFC 7919).
    """
    by_version: dict[str, list[str]] = {}
    chains: set[tuple[str, ...]] = set()
    suites = {suite.number: suite for suite in all_suites()}
    for version in VERSIONS:
        offered = [n for n, s in suites.items() if (s.protocol == "TLSv1.3") == (version == "TLSv1.3")]
        offered = [n for n in offered if s_fits(suites[n].protocol, version)]
        wanted = [suites[n].name for n in offered]
        prior = predicted["ciphers"].get(version, [])
        # The client's order is the reverse of what is predicted, so that only a server that insists keeps its own.
        offered.sort(key=lambda n: prior.index(suites[n].name) if suites[n].name in prior else -1, reverse=True)
        found: list[str] = []
        # Whether there is a handshake at all is asked as clients do: with everything, ECDSA first.
        all_of_it = sorted(offered, key=lambda n: suites[n].authentication != "ECDSA")
        if not asking(client_hello([version], all_of_it, name)).accepted:
            if version not in predicted["rsa_only"]:
                continue
            offered = [n for n in offered if suites[n].authentication != "ECDSA"]
        # A client that offers finite fields gets those or no DHE at all; one without, ssl_dhparam.
        for groups in (None, [g for g in GROUPS if not g.startswith("ffdhe")])[: 1 + (finite and version != "TLSv1.3")]:
            left, some = list(offered), []
            while left:
                flight = asking(client_hello([version], left, name, groups=groups))
                if not flight.accepted or flight.version != version:
                    break
                some.append(suites[flight.suite].name)
                if flight.certificates:
                    chains.add(tuple(map(sha256, flight.certificates)))
                left.remove(flight.suite)
            found = max(found, some, key=len)
        if found:
            assert set(found) <= set(wanted)
            by_version[version] = found
    seen: dict[str, Any] = {
        "accepts": bool(by_version),
        "protocols": [v for v in VERSIONS if v in by_version],
        "ciphers": by_version,
    }
    if not by_version:
        return seen
    seen["groups"] = sorted(_groups(asking, name, by_version, suites, finite))
    legacy = next((v for v in reversed(VERSIONS) if v in by_version and v != "TLSv1.3"), None)
    if legacy:
        numbers = {s.name: n for n, s in suites.items()}
        seen["chains"] = sorted(chains)
        # Not the first suite, if that is an anonymous one: with a certificate the flight may request the client's.
        signed = sorted(by_version[legacy], key=lambda s: suites[numbers[s]].authentication == "None")
        flight = asking(client_hello([legacy], [numbers[signed[0]]], name, alpn=list(alpn), ticket=True))
        if flight.certificates:
            seen["requested"] = flight.asks_client
            seen["authorities"] = flight.authorities
        seen["tickets"] = flight.ticket if flight.accepted else None
        seen["alpn"] = _alpn(asking, name, legacy, numbers[signed[0]], alpn)
    return seen


def finished(seen: dict[str, Any], predicted: dict[str, Any], completes: Callable[[], bool]) -> dict[str, Any]:
    """What was seen without TLS 1.3 if it is not predicted and no handshake of it comes to its end."""
    if "TLSv1.3" in seen["protocols"] and "TLSv1.3" not in predicted["protocols"] and not completes():
        seen["protocols"].remove("TLSv1.3")
        del seen["ciphers"]["TLSv1.3"]
        seen["accepts"] = bool(seen["protocols"])
    return seen


def s_fits(oldest: str, version: str) -> bool:
    order = ["SSLv3", *VERSIONS]
    return order.index(oldest) <= order.index(version)


def _alpn(
    asking: Callable[[bytes], Flight], name: str | None, version: str, suite: int, tried: tuple[str, ...]
) -> list[str]:
    found = []
    for protocol in tried:
        flight = asking(client_hello([version], [suite], name, alpn=[protocol]))
        if flight.alpn == protocol:
            found.append(protocol)
    return found


def _groups(
    asking: Callable[[bytes], Flight],
    name: str | None,
    by_version: dict[str, list[str]],
    suites: dict[int, Any],
    finite: bool,
) -> set[str]:
    numbers = {s.name: n for n, s in suites.items()}
    found: set[str] = set()
    modern = [numbers[s] for s in by_version.get("TLSv1.3", [])]
    for group in GROUPS:
        if modern:
            flight = asking(client_hello(["TLSv1.3"], modern, name, groups=[group]))
            if flight.accepted and flight.group == group:
                found.add(group)
                continue
        for version in ("TLSv1.2", "TLSv1.1", "TLSv1"):
            kinds = ("DHE-RSA",) if finite and group.startswith("ffdhe") else ("ECDHE-RSA", "ECDHE-ARIA")
            rsa = [numbers[s] for s in by_version.get(version, []) if s.startswith(kinds)]
            if rsa:
                flight = asking(client_hello([version], rsa, name, groups=[group]))
                if flight.accepted and flight.group == group:
                    found.add(group)
                break
    return found


def compare(seen: dict[str, Any], predicted: dict[str, Any], server_order: bool) -> Iterator[Difference]:
    """The fields that differ: (field, seen, predicted)."""
    for name in ("accepts", "protocols"):
        if seen[name] != predicted[name]:
            yield name, seen[name], predicted[name]
    if not seen["accepts"] or not predicted["accepts"]:
        return
    for version in set(seen["ciphers"]) & set(predicted["ciphers"]):
        real, reported = seen["ciphers"][version], predicted["ciphers"][version]
        if (real != reported) if server_order and version != "TLSv1.3" else (set(real) != set(reported)):
            yield f"ciphers {version}", real, reported
    rsa = any(
        c.startswith(("ECDHE-RSA", "ECDHE-ARIA")) for v, cs in seen["ciphers"].items() if v != "TLSv1.3" for c in cs
    )
    if "TLSv1.3" in seen["protocols"] or rsa:
        known = sorted(g for g in predicted["groups"] if g in GROUPS)
        if not ("TLSv1.3" not in seen["protocols"] and not rsa) and seen["groups"] != known:
            yield "groups", seen["groups"], known
    if "chains" in seen:
        usable = [tuple(c["chain"]) for c in predicted["certificates"]]
        # TLS 1.3 hides which certificate is sent, and of an EC and an Ed25519 key the client's order decides.
        signers = ["RSA" if c.get("key", "").startswith("RSA") else "ECDSA" for c in predicted["certificates"]]
        all_seen = "TLSv1.3" not in seen["protocols"] and len(set(signers)) == len(signers)
        if not set(seen["chains"]) <= set(usable) or (all_seen and set(usable) - set(seen["chains"])):
            yield "certificates", seen["chains"], usable
        if "requested" in seen and seen["requested"] != (predicted["client_certificate"] != "none"):
            yield "client_certificate", seen["requested"], predicted["client_certificate"]
        if seen["tickets"] != predicted["session_tickets"]:
            yield "session_tickets", seen["tickets"], predicted["session_tickets"]
        if sorted(seen["alpn"]) != sorted(predicted["alpn"]):
            yield "alpn", seen["alpn"], predicted["alpn"]


def compare_unread(seen: dict[str, Any], predicted: dict[str, Any]) -> Iterator[Difference]:
    """The same where the certificate is not known: what is seen is among what is predicted for an RSA and an EC key."""
    if not seen["accepts"]:
        return
    if not predicted["accepts"]:
        yield "accepts", True, False
        return
    for version, suites in seen["ciphers"].items():
        if not set(suites) <= set(predicted["ciphers"].get(version, [])):
            yield f"ciphers {version}", suites, predicted["ciphers"].get(version, [])
    if not set(seen["groups"]) <= set(predicted["groups"]):
        yield "groups", seen["groups"], predicted["groups"]
    if "chains" in seen:
        if "requested" in seen and seen["requested"] != (predicted["client_certificate"] != "none"):
            yield "client_certificate", seen["requested"], predicted["client_certificate"]
        if seen["tickets"] != predicted["session_tickets"]:
            yield "session_tickets", seen["tickets"], predicted["session_tickets"]
        if sorted(seen["alpn"]) != sorted(predicted["alpn"]):
            yield "alpn", seen["alpn"], predicted["alpn"]


class _Hidden:
    """The files of a configuration without those of the folder ``UNREAD``."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def read(self, path: str, base: str | None = None) -> bytes | Unreachable:
        """The content of a file that may be read."""
        if Path(path).parent.name == UNREAD:
            return Unreachable(path, "must not be read", exists=True)
        content: bytes | Unreachable = self._files.read(path, base)
        return content


def load(main: Path, **versions: Any) -> Configuration:
    """The model of a configuration, which sees all certificates but those of the folder ``UNREAD``."""
    configuration = nginxtls.load(main, **versions)
    configuration.store.files = _Hidden(configuration.store.files)  # type: ignore[assignment]
    return configuration


def differences(case: Case, bench: Bench) -> list[Difference]:
    """All fields in which nginx and the model differ for a configuration."""
    trial = bench.tried(case.files, load)
    configuration = trial.configuration
    if not trial.refused and any(UNREAD in text for text in case.files.values()):
        # Of a certificate that it does not know, the model cannot tell whether its key fits.
        others = [line for line in trial.emerg if not re.search("key|certificate", line, re.IGNORECASE)]
        if trial.emerg and not others:
            return []
    if not trial.runs:
        return [*trial.differences]
    warned = sorted(
        re.sub(r"^\d+#\d+: ", "", line.partition("[warn] ")[2]).partition(" in /")[0]
        for line in trial.lines
        if "[warn]" in line
    )
    # nginx repeats what it says of stapling for each server; the model tells it once.
    warned = sorted({line for line in warned if "stapling" in line}) + [w for w in warned if "stapling" not in w]
    expected = sorted(r.message for r in refusals(configuration) if r.level == "warn")
    found: list[Difference] = []
    if sorted(warned) != expected:
        found.append(("warnings", warned, expected))
    with bench.running(trial.main, case.ports[0]):
        found += _served(case, configuration)
    return found


def _served(case: Case, configuration: Configuration) -> list[Difference]:
    """What differs on each port for each name: several at a time, as most of the time is spent on waiting for nginx."""
    measured: set[tuple[int, int | None]] = set()
    with ThreadPoolExecutor(8) as pool:
        work = []
        for port in case.ports:
            for name in ASKED:
                answer = handshake(configuration, "127.0.0.1", port, name)
                predicted = answer.to_dict()
                if predicted["listener"] is None:
                    continue
                server = port, predicted["server"]["line"]
                work.append(pool.submit(_compared, case.kind, answer, predicted, port, name, server not in measured))
                if predicted["tls"]:
                    measured.add(server)
        return [difference for each in work for difference in each.result()]


def _compared(
    kind: str, answer: Handshake, predicted: dict[str, Any], port: int, name: str | None, measured: bool
) -> list[Difference]:
    """What differs for a name; ``measured``: what a server has in common for all of its names, too."""
    found: list[Difference] = []
    place = f"{port} {name}"
    if not predicted["tls"]:
        flight = ask("127.0.0.1", port, client_hello(["TLSv1.2"], [0x2F], name))
        return [(f"{place} tls", flight.version, False)] if flight.version else []
    if measured:
        live = answer.effective
        predicted["rsa_only"] = [v for v in VERSIONS if live and live.refuses_ecdsa_clients(v)]
        asking = partial(ask, "127.0.0.1", port)
        seen = observe(asking, name, predicted, answer.configuration.facts.openssl.version >= (4, 0))
        seen = finished(seen, predicted, partial(completes_tls13, "127.0.0.1", port, name))
        unread = any(text.startswith("certificates:") for text in predicted["unknown"])
        order = live.server_order if live else False
        differing = compare_unread(seen, predicted) if unread else compare(seen, predicted, order)
        found += [(f"{place} {what}", a, b) for what, a, b in differing]
    if kind == "http" and predicted["accepts"]:
        found += _requests(answer.configuration, port, name, place, predicted)
    return found


def _requests(
    configuration: Any, port: int, name: str | None, place: str, predicted: dict[str, Any]
) -> list[Difference]:
    found: list[Difference] = []
    if name is None or name.endswith("."):
        return found
    for path in PATHS:
        response = get("127.0.0.1", port, name, path)
        if response is None:
            continue
        status, headers, body = response
        required = predicted["client_certificate"] == "required"
        if status == 400:
            server = handshake(configuration, "127.0.0.1", port, name).server
            if not required and server is not None and server.setting("ssl_verify_client").value != "on":
                found.append((f"{place} {path} status", 400, predicted["client_certificate"]))
            return found
        if required:
            found.append((f"{place} {path} status", status, "required"))
        if status != 200:
            continue
        answer = handshake(configuration, "127.0.0.1", port, name, path)
        server = answer.server
        assert server is not None
        block = "".join(d.args[1] for d in [server.first("return") or server.locations[0].scope.first("return")] if d)
        if body != block:
            found.append((f"{place} {path} server", body, block))
        if headers.get("strict-transport-security") != answer.to_dict()["hsts"]:
            found.append((f"{place} {path} hsts", headers.get("strict-transport-security"), answer.hsts))
    return found
