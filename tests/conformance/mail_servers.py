"""Random mail servers, with TLS from the start or after STARTTLS, compared field by field with the model.

Run them with ``python tests/conformance/random_runs.py --kind mail --seeds 0-999``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from handshakes import compare, finished, observe
from hello import VERSIONS, ask, client_hello, completes_tls13
from lab import Bench, Difference
from random_runs import PORT, Case

from nginxtls.model import handshake

PORTS = (PORT, PORT + 1, PORT + 2)
PROTOCOLS = ("TLSv1.2 TLSv1.3", "TLSv1.2", "TLSv1.3", "TLSv1 TLSv1.1 TLSv1.2", "TLSv1.1 TLSv1.2 TLSv1.3", "TLSv1",
             "SSLv3 TLSv1.2", "TLSv1 TLSv1.2")  # fmt: skip
CIPHERS = ("HIGH:!aNULL:!MD5", "ECDHE+AESGCM", "ALL:!aNULL:@SECLEVEL=0", "kRSA", "DEFAULT", "DEFAULT:@SECLEVEL=3",
           "ECDHE-ECDSA-AES256-GCM-SHA384", "AES128-SHA:AES256-SHA:@SECLEVEL=0", "NOSUCH")  # fmt: skip
CURVES = ("auto", "prime256v1", "X25519:prime256v1", "secp384r1", "X448:secp521r1", "nosuch")
COMMANDS = ("MinProtocol TLSv1.2", "MaxProtocol TLSv1.2", "Groups P-384", "Options -SessionTicket",
            "Ciphersuites TLS_CHACHA20_POLY1305_SHA256", "CipherString ECDHE+AES128", "Protocol -TLSv1.2",
            "Options ServerPreference", "SignatureAlgorithms RSA+SHA256")  # fmt: skip
PAIRS = ("a-ec", "b-ec", "a-rsa", "b-rsa", "ed", "a-ec a-rsa", "b-rsa b-ec", "a-rsa b-rsa")


def draw(seed: int, bench: Bench, certificates: Path) -> Case:
    """Up to three servers on ports or addresses of their own, with settings at both levels."""
    r = random.Random(f"mail {seed}")
    lines = ["mail {", "auth_http 127.0.0.1:1;", "server_name mail.test;"]
    if r.random() < 0.5:
        lines += _settings(r, 0.25)
    if r.random() < 0.4:
        lines += _certificate(r)
    if r.random() < 0.1:
        lines.append(f"starttls {r.choice(('on', 'only', 'off'))};")
    if r.random() < 0.05:
        lines.append("ssl on;")
    for number in range(r.choice((1, 2, 2, 3))):
        address = r.choice(("", "", "127.0.0.1:", "*:"))
        lines += ["server {", f"listen {address}{r.choice(PORTS) if r.random() < 0.1 else PORTS[number]}"]
        lines[-1] += (" ssl" if r.random() < 0.5 else "") + ";"
        if r.random() < 0.97:
            lines.append(f"protocol {r.choice(('imap', 'pop3', 'smtp'))};")
        if r.random() < 0.5:
            lines.append(f"starttls {r.choice(('on', 'only', 'on', 'off'))};")
        if r.random() < 0.75:
            lines += _certificate(r)
        if r.random() < 0.05:
            lines.append(f"ssl {r.choice(('on', 'off'))};")
        lines += [*_settings(r, 0.2), "}"]
    lines.append("}")
    version = tuple(map(int, bench.generation.nginx_version.split(".")))
    kept = [line for line in lines if version >= (1, 19, 4) or not line.startswith("ssl_conf_command")]
    kept = [line for line in kept if version < (1, 25, 1) or not line.startswith("ssl o") or r.random() < 0.2]
    text = bench.head + "\n".join(kept) + "\n"
    return Case({"nginx.conf": text.replace("DIR", str(certificates))}, list(PORTS), "mail")


def _settings(r: random.Random, chance: float) -> list[str]:
    lines = []

    def maybe(weight: float, line: str) -> None:
        if r.random() < weight:
            lines.append(line)

    maybe(chance * 1.6, f"ssl_protocols {r.choice(PROTOCOLS)};")
    maybe(chance * 1.6, f'ssl_ciphers "{r.choice(CIPHERS)}";')
    maybe(chance, f"ssl_prefer_server_ciphers {r.choice(('on', 'off'))};")
    maybe(chance, f"ssl_ecdh_curve {r.choice(CURVES)};")
    maybe(chance, f"ssl_session_tickets {r.choice(('on', 'off'))};")
    maybe(chance * 0.5, "ssl_dhparam DIR/dh2048.pem;")
    maybe(chance * 0.6, f"ssl_conf_command {r.choice(COMMANDS)};")
    if r.random() < chance:
        lines.append(f"ssl_verify_client {r.choice(('on', 'optional', 'optional_no_ca', 'off'))};")
        maybe(0.8, f"ssl_client_certificate DIR/{r.choice(('root', 'two'))}.pem;")
    return lines


def _certificate(r: random.Random) -> list[str]:
    lines = []
    for label in r.choice(PAIRS).split():
        suffix = r.choice(("", "", "", "-only"))
        name = "$server_name" if r.random() < 0.02 else label
        lines += [f"ssl_certificate DIR/{name}{suffix}.pem;", f"ssl_certificate_key DIR/{label}.key;"]
    return lines


def differences(case: Case, bench: Bench) -> list[Difference]:
    """All fields in which nginx and the model differ for a configuration."""
    trial = bench.tried(case.files)
    if not trial.runs:
        return [*trial.differences]
    ports = [socket.port for socket in trial.configuration.sockets]
    with bench.running(trial.main, ports[0]):
        return [each for port in ports for each in _served(trial.configuration, port)]


def _served(configuration: Any, port: int) -> Iterator[Difference]:
    answer = handshake(configuration, "127.0.0.1", port)
    predicted = answer.to_dict()
    server = answer.server
    assert server is not None
    hello = client_hello(list(VERSIONS), [0xC02F, 0xC02B, 0x2F, 0x1301, 0x1302, 0x1303], None)
    implicit = bool(answer.socket and answer.socket.tls) or server.ssl_on
    protocol = server.setting("protocol").value
    # A server that speaks TLS from the start answers any hello with TLS, be it an alert; one that does not, with text.
    flight = ask("127.0.0.1", port, hello, starttls="" if implicit else protocol)
    spoken = flight.accepted or (flight.alert or 0) > 0
    if spoken != predicted["tls"]:
        yield f"{port} tls", spoken, predicted["tls"]
    if not spoken or not predicted["tls"]:
        return
    asking = partial(ask, "127.0.0.1", port, starttls="" if implicit else protocol)
    live = answer.effective
    predicted["rsa_only"] = [v for v in VERSIONS if live and live.refuses_ecdsa_clients(v)]
    finite = configuration.facts.openssl.version >= (4, 0)
    seen = observe(asking, None, predicted, finite, (protocol,))
    way = "" if implicit else protocol
    seen = finished(seen, predicted, partial(completes_tls13, "127.0.0.1", port, None, starttls=way))
    if "alpn" in seen and predicted["alpn"]:
        foreign = asking(client_hello(seen["protocols"], [0xC02F, 0xC02B, 0x2F, 0x1301], None, alpn=["http/1.1"]))
        if foreign.accepted:
            yield f"{port} foreign alpn", "accepted", "refused"
    for what, a, b in compare(seen, predicted, live.server_order if live else False):
        yield f"{port} {what}", a, b
