"""Lists of groups, asked of `openssl s_client -groups`: acceptance, and the groups and order of its ClientHello."""

from __future__ import annotations

import random
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

from nginxtls.tls import OpenSSL, evaluate_groups
from nginxtls.tls.suites import read_table

NAMES = tuple(dict.fromkeys(n for row in read_table("groups.tsv") for at in (1, 3, 5, 9) for n in row[at].split(",")))
LISTS = (
    None, "X25519", "X25519:X25519", "P-256:prime256v1", "X25519:-X25519:P-256", "-X25519:P-256", "DEFAULT", "default",
    "DEFAULT:-X25519", "P-521:DEFAULT", "X25519/P-256", "X25519/*P-256:P-384", "*X25519:*P-256", "?nosuch:X25519",
    "?*X25519", "*?X25519", "X25519: P-256", " X25519 :P-256", "X25519/ P-256", "-nosuch:X25519", "-?nosuch:P-256",
    "*nosuch:X25519", "**X25519", "X25519//P-256", "/X25519", "X25519/", "X25519:/P-256", "*DEFAULT", "?DEFAULT",
    "-DEFAULT:X25519", "X25519:-P-256", "P-256:-X25519:X25519", "X25519;P-256", "X25519,P-256", "MLKEM768",
    "*X25519MLKEM768/*X25519:P-256", "*X25519:*P-256:*P-384:*P-521:*X448", "DEFAULT:DEFAULT", "DEFAULT/X448",
    "X25519:??X25519", "secp521r1/DEFAULT", "?" + "x" * 63 + ":X25519", "?" + "x" * 64 + ":X25519", "x" * 70,
    "X25519::P-256", "X25519:", ":X25519", "P-256:?", "?:P-256", "*:P-256", "X25519:nosuch", "x25519:SECP256R1",
    "auto:X25519",
)  # fmt: skip


def offered(openssl: Path, groups: str | None) -> list[int] | None:
    """The groups in the ClientHello of the real client; None if it refuses the list, empty if it says no hello."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        command = [str(openssl), "s_client", "-connect", f"127.0.0.1:{listener.getsockname()[1]}"]
        # A level of 0 in this client shows all groups.
        command += ["-cipher", "ALL:@SECLEVEL=0", *(["-groups", groups] if groups is not None else [])]
        quiet = subprocess.DEVNULL
        client = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        try:
            while True:
                try:
                    connection = listener.accept()[0]
                    break
                except TimeoutError:
                    if client.poll() is not None:
                        return None
            with connection, connection.makefile("rb") as stream:
                kind, _, length = struct.unpack("!BHH", stream.read(5))
                hello = stream.read(length)
        finally:
            client.kill()
            client.wait()
    if kind != 22:
        return []
    at = 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at] + 2
    while at < len(hello):
        number, length = struct.unpack("!HH", hello[at : at + 4])
        if number == 10:
            return list(struct.unpack(f"!{length // 2 - 1}H", hello[at + 6 : at + 4 + length]))
        at += 4 + length
    return []


def generated(count: int) -> list[str]:
    rng = random.Random(35)
    out = []
    for _ in range(count):
        names = [rng.choice(NAMES if rng.random() < 0.9 else ("DEFAULT", "nosuch")) for _ in range(rng.randint(1, 6))]
        marked = [rng.choice(("", "", "", "", "?", "*", "-")) + n for n in names] if rng.random() < 0.5 else names
        out.append("".join(n + rng.choice((":", ":", ":", ":", "/")) for n in marked)[:-1])
    return out


def test_lists_of_groups_are_read_as_the_real_one_reads_them(generation: dict[str, Any], full: bool) -> None:
    openssl = OpenSSL.parse(generation["openssl_version"], "debian")
    differences = []
    for text in (*LISTS, *generated(300 if full else 20)):
        ours = evaluate_groups(text, openssl)
        reported = None if ours.error else [g.number for g in ours.groups]
        theirs = offered(generation["openssl"], text)
        # A client says no hello if what it should use for TLS 1.3 is not for that; the list was fine all the same.
        if reported != theirs and not (theirs == [] and reported is not None):
            differences.append((text, reported, theirs))
    assert differences == []
