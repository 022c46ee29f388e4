"""Record the ClientHellos of the real clients that are installed, and read those of published tables, into one file.

    python tools/record_clients.py [--published client-simulation.txt] [--dates dates.json] > nginxtls/tls/clients.json

The clients are those of tests/conformance/clients (npm, PyPI, Debian); each connects to a socket that reads its
ClientHello. Which versions a client accepts is part of it from TLS 1.3 on; of older ones each version is tried with a
server that has only this one. ``--published`` is testssl.sh's etc/client-simulation.txt, whose handshakes are those
that SSL Labs and testssl.sh recorded: rows from it are marked as not recorded here. What both have is recorded.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import ssl
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/conformance/clients"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/conformance"))

from browsers import browsers
from hello import VERSIONS, read_client_hello
from programs import Program, Running, installed
from tap import Tap

from nginxtls.tls import suites

ROOT = Path(__file__).parents[1]
OLD = {"SSLv3": 0x0300, **{version: VERSIONS[version] for version in ("TLSv1", "TLSv1.1", "TLSv1.2")}}
SOURCE = "each row's own: a package whose program was recorded, or a published table"
TESTSSL = "testssl.sh, etc/client-simulation.txt (SSL Labs' client handshakes)"


def record(running: Running) -> dict[str, Any] | None:
    """The row of a client."""
    with Tap() as tap:
        running.get(tap.port, "a.test")
        if not tap.connections or not tap.connections[0].client:
            return None
        offer = tap.connections[0].hello
    if not offer["protocols"]:
        offer["protocols"] = [v for v in OLD if v != "SSLv3" and OLD[v] <= offer["highest"] and _accepts(running, v)]
    old = [version for version in ("TLSv1.1", "TLSv1") if version in offer["protocols"]]
    if old and not _accepts(running, old[0], "good"):
        offer["legacy_signatures"] = False
    least = [bits for bits in (1024, 2048) if _dhe(offer) and _accepts(running, "TLSv1.2", dh_bits=bits)]
    if _dhe(offer) and least and least[0] > 1024:
        offer["min_dh_bits"] = least[0]
    return _row(running.program, offer)


def _dhe(offer: dict[str, Any]) -> bool:
    """Whether a client offers DHE with RSA in TLS 1.2."""
    exchanges = {s.number for s in suites() if s.key_exchange == "DHE" and s.authentication == "RSA"}
    return bool(exchanges & set(offer["suites"])) and "TLSv1.2" in offer["protocols"]


def _accepts(running: Running, version: str, key: str = "good-rsa", dh_bits: int = 0) -> bool:
    """Whether a client completes a handshake in a version, with a key of the fixtures, perhaps by DHE alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version.replace(".", "_"))
        context.set_ciphers(f"{'DHE' if dh_bits else 'ALL'}:@SECLEVEL=0")
    certificate = ROOT / f"fixtures/certificates/{key}.pem"
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    if dh_bits:
        context.load_dh_params(str(ROOT / f"fixtures/certificates/dh{dh_bits}.pem"))
    result: list[bool] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                plain, _ = listener.accept()
                with context.wrap_socket(plain, server_side=True) as secure:
                    result.append(secure.version() == version.replace("TLSv1.0", "TLSv1"))
                    secure.recv(1000)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        running.get(listener.getsockname()[1], "a.test")
        thread.join(5)
    return bool(result and result[0])


def _row(program: Program, offer: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": program.name,
        "family": program.family,
        "version": program.version,
        "recorded": date.today().isoformat(),
        "source": program.source,
        **_compact(offer),
    }


def _compact(offer: dict[str, Any]) -> dict[str, Any]:
    """An offer with its numbers as words of hexadecimal digits, and without what is empty."""
    kept = {
        key: value
        for key, value in offer.items()
        if key != "highest" and (value not in ([], False, None) or key == "legacy_signatures")
    }
    for key in ("suites", "groups", "shares", "signatures", "certificate_signatures"):
        if key in kept:
            kept[key] = " ".join(f"{number:04x}" for number in kept[key])
    kept["protocols"] = " ".join(offer["protocols"])
    if "recorded" in offer:
        kept["recorded"] = offer["recorded"]
    return kept


def published(text: str) -> Iterator[dict[str, Any]]:
    """The rows of testssl.sh's table."""
    for block in re.split(r"\n\s*\n", text):
        values = dict(re.findall(r"^\s*(\w+)\+=\(\"?([^\"\n]*?)\"?\)\s*$", block, re.MULTILINE))
        if not values.get("handshakebytes") or "names" not in values:
            continue
        try:
            offer = read_client_hello(bytes.fromhex(values["handshakebytes"]))
        except (ValueError, IndexError) as error:
            print(f"{values['names']}: {error}", file=sys.stderr)
            continue
        if not offer["protocols"]:
            lowest = int(values["lowest_protocol"], 16)
            highest = min(int(values["highest_protocol"], 16), offer["highest"])
            offer["protocols"] = [v for v in OLD if lowest <= OLD[v] <= highest]
        limits = {
            key: int(values[name])
            for key, name in (
                ("min_dh_bits", "minDhBits"), ("max_dh_bits", "maxDhBits"), ("min_rsa_bits", "minRsaBits"),
                ("max_rsa_bits", "maxRsaBits"),
            )
            if int(values.get(name, -1)) > 0
        }  # fmt: skip
        family, version = _family(values["names"])
        row = {"name": values["names"].replace(" (native)", ""), "family": family, "version": version}
        if values.get("requiresSha2") == "true":
            limits["requires_sha2"] = True
        yield {**row, "recorded": None, "source": TESTSSL, **_compact(offer), **limits}


def _family(name: str) -> tuple[str, str]:
    version = re.search(r"\d+(?:\.\d+)*\w*", name)
    word = name.split()[0]
    family = {"go": "Go", "Chromium": "Chrome", "IE": "Internet Explorer", "Apple": "Safari"}.get(word, word)
    return family, version[0] if version else ""


DROPPED = re.compile(r"Bot|bot|Bing|Slurp|Baidu|Tor |Opera|Preview|Beta|Thunderbird \(6|^Chrome (2|3[0-35-9]|4[02-8]|5)"
                     r"|^Firefox (1|2[12]|2[69]|3[02-9]|4[1-8]|53)|IE 8-10|IE 9|Phone 8.1|Edge 1[23]")  # fmt: skip
"""Rows of the published table that say nothing that their neighbours do not."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=Path, help="testssl.sh's etc/client-simulation.txt")
    parser.add_argument("--keep", type=Path, help="keep the rows of this file that are not recorded anew")
    options = parser.parse_args()
    dates = json.loads((ROOT / "tools/client_dates.json").read_text())
    rows: dict[str, dict[str, Any]] = {}
    if options.keep:
        rows |= {row["name"]: row for row in json.loads(options.keep.read_text())["clients"]}
    if options.published:
        rows |= {r["name"]: r for r in published(options.published.read_text()) if not DROPPED.search(r["name"])}
    for program in installed():
        running = Running(program)
        try:
            row = record(running)
        finally:
            running.close()
        print(f"{program.name}: {'recorded' if row else 'no ClientHello'}", file=sys.stderr)
        if row:
            rows[row["name"]] = row
    for row in browsers():
        rows[row["name"]] = _compact(row)
    for name, row in rows.items():
        row["released"] = next((d for pattern, d in dates.items() if re.search(pattern, name)), row.get("released"))
    lines = [
        json.dumps(row) for row in sorted(rows.values(), key=lambda r: (r["family"], r["released"] or "", r["name"]))
    ]
    text = ",\n".join(lines)
    print(f'{{"source": "{SOURCE}",\n"checked": "{date.today().isoformat()}",\n"clients": [\n{text}\n]}}')


if __name__ == "__main__":
    main()
