#!/usr/bin/env python3
"""Make nginxtls/tls/groups.tsv: the groups that each OpenSSL knows, by which names, and where it uses them.

    python tools/tls_groups.py FOLDER > nginxtls/tls/groups.tsv

FOLDER holds bin/openssl-NAME for bullseye, bookworm, trixie, sid and experimental, as
`tests/conformance/generations.py FOLDER` and the same with `experimental` make it. A name is known if
`openssl s_client -groups NAME` takes it; a version uses the group if such a client offers it in its ClientHello, which
a listener on loopback reads. Numbers and names are those of IANA's registry tls-parameters-8 (X25519
and X448 in capitals), bits of security those of NIST SP 800-57 (curves), RFC 7919 (ffdhe), FIPS 203 (ML-KEM).
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from datetime import date
from pathlib import Path

RELEASES = {"1.1.1": "bullseye", "3.0": "bookworm", "3.5": "trixie", "3.6": "sid", "4.0": "experimental"}
# number, IANA name, other names that some OpenSSL may know, bits of security
GROUPS = """
1 sect163k1 K-163 80
2 sect163r1 - 80
3 sect163r2 B-163 80
4 sect193r1 - 80
5 sect193r2 - 80
6 sect233k1 K-233 112
7 sect233r1 B-233 112
8 sect239k1 - 112
9 sect283k1 K-283 128
10 sect283r1 B-283 128
11 sect409k1 K-409 192
12 sect409r1 B-409 192
13 sect571k1 K-571 256
14 sect571r1 B-571 256
15 secp160k1 - 80
16 secp160r1 - 80
17 secp160r2 - 80
18 secp192k1 - 80
19 secp192r1 prime192v1,P-192 80
20 secp224k1 - 112
21 secp224r1 P-224 112
22 secp256k1 - 128
23 secp256r1 prime256v1,P-256 128
24 secp384r1 P-384 192
25 secp521r1 P-521 256
26 brainpoolP256r1 - 128
27 brainpoolP384r1 - 192
28 brainpoolP512r1 - 256
29 X25519 x25519 128
30 X448 x448 224
31 brainpoolP256r1tls13 - 128
32 brainpoolP384r1tls13 - 192
33 brainpoolP512r1tls13 - 256
41 curveSM2 - 128
256 ffdhe2048 - 112
257 ffdhe3072 - 128
258 ffdhe4096 - 128
259 ffdhe6144 - 128
260 ffdhe8192 - 192
512 MLKEM512 - 128
513 MLKEM768 - 192
514 MLKEM1024 - 256
4587 SecP256r1MLKEM768 - 128
4588 X25519MLKEM768 - 128
4589 SecP384r1MLKEM1024 - 192
4590 curveSM2MLKEM768 - 128
"""


def offers(program: Path, name: str, *options: str) -> list[int] | None:
    """The groups that a client with `-groups NAME` offers; None if it refuses the name, empty without a ClientHello."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        command = [str(program), "s_client", "-connect", address, "-groups", name, *options]
        client = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while True:
                try:
                    connection = listener.accept()[0]
                    break
                except TimeoutError:
                    if client.poll() is not None:
                        return None
            with connection:
                connection.settimeout(5)
                hello = b""
                while len(hello) < 5 or len(hello) < 5 + int.from_bytes(hello[3:5], "big"):
                    more = connection.recv(65536)
                    if not more:
                        return []
                    hello += more
        finally:
            client.kill()
            client.wait()
    if hello[0] != 22:
        return []
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at] + 2
    while at < len(hello):
        kind, length = struct.unpack(">HH", hello[at : at + 4])
        if kind == 10:
            return list(struct.unpack(f">{length // 2 - 1}H", hello[at + 6 : at + 4 + length]))
        at += 4 + length
    return []


def version(folder: Path) -> str:
    """The version of the newest OpenSSL that is queried."""
    program = folder / "bin" / f"openssl-{list(RELEASES.values())[-1]}"
    return subprocess.run([program, "version"], check=False, capture_output=True, text=True).stdout.split()[1]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("# source: Debian's OpenSSL of five generations; IANA")
    print(f"# checked: {date.today()} (OpenSSL {version(Path(sys.argv[1]))})")
    print("# command: python tools/tls_groups.py FOLDER")
    releases = ", ".join(RELEASES)
    print(f"# Made by tools/tls_groups.py from OpenSSL {releases} (Debian's); numbers: IANA, tls-parameters-8.")
    print(
        "# names: the spellings known; protocols: those that use it; per generation, `-` none. 3.2, from its sources:"
    )
    print("# as 3.0, and brainpool*tls13 (CHANGES 3.2). Case matters up to 3.4.")
    print("\t".join(["number", "name", "bits", *(f"{what} {g}" for g in RELEASES for what in ("names", "protocols"))]))
    for line in GROUPS.strip().splitlines():
        number, name, others, bits = line.split()
        row = [number, name, bits]
        for release in RELEASES.values():
            program = Path(sys.argv[1]) / "bin" / f"openssl-{release}"
            known = [n for n in (name, *others.split(",")) if n != "-" and offers(program, n) is not None]
            uses = [
                p
                for p, o in (("1.2", "-tls1_2"), ("1.3", "-tls1_3"))
                if known and offers(program, known[0], o, "-cipher", "ALL:@SECLEVEL=0")
            ]
            row += [",".join(known) or "-", ",".join(uses) or "-"]
        print("\t".join(row), flush=True)


if __name__ == "__main__":
    main()
