#!/usr/bin/env python3
"""Make nginxtls/tls/suites.tsv: every cipher suite that an OpenSSL from 1.0.2 on knows, as real OpenSSLs list them.

    python tools/tls_suites.py FOLDER > nginxtls/tls/suites.tsv

FOLDER holds bin/openssl-NAME for bullseye, bookworm, trixie, sid and experimental, as
`tests/conformance/generations.py FOLDER` and the same with `experimental` make it. What those know comes from
`openssl ciphers -V -stdname` and from the words HIGH, MEDIUM, LOW, FIPS and COMPLEMENTOFDEFAULT.
Suites that none of them has compiled in any more are listed below: number and IANA name after IANA's registry
(tls-parameters-4), OpenSSL's name after ciphers(1) of 1.0.2; their algorithms follow from the IANA name.
tests/tls/test_oracles.py compares the 1.0.2 part with a real 1.0.2.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from pathlib import Path

RELEASES = {"1.1.1": "bullseye", "3.0": "bookworm", "3.5": "trixie", "3.6": "sid", "4.0": "experimental"}
GENERATIONS = ("1.0.2", "1.1.1", "3.0", "3.2", "3.5", "3.6", "4.0")
LINE = re.compile(
    r"\s*0x(..),0x(..) - (\S+)\s+- (\S+)\s+(\S+)\s+Kx=(\S+)\s+Au=(\S+)\s+Enc=([^\s(]+)(?:\((\d+)\))?\s+Mac=(\S+)"
)

# Of the suites above, those that 1.0.2 has: everything of TLS 1.2 and before except these algorithms.
NEW_IN_110 = re.compile(
    r"CHACHA20|CCM|ARIA|PSK_DHE|(DHE|RSA)_PSK_|CAMELLIA_\d+_CBC_SHA(256|384)|TLS_PSK_WITH_(?!AES_\d+_CBC_SHA$)"
)

# Compiled into 1.0.2 (upstream, from 1.0.2g: without SSL 2, export and single DES). 1.0.2 only, unless a generation is
# named.
GONE = """
0005 RC4-SHA TLS_RSA_WITH_RC4_128_SHA
0004 RC4-MD5 TLS_RSA_WITH_RC4_128_MD5
0018 ADH-RC4-MD5 TLS_DH_anon_WITH_RC4_128_MD5
0007 IDEA-CBC-SHA TLS_RSA_WITH_IDEA_CBC_SHA 1.0.2 1.1.1:upstream
000A DES-CBC3-SHA TLS_RSA_WITH_3DES_EDE_CBC_SHA
000D DH-DSS-DES-CBC3-SHA TLS_DH_DSS_WITH_3DES_EDE_CBC_SHA
0010 DH-RSA-DES-CBC3-SHA TLS_DH_RSA_WITH_3DES_EDE_CBC_SHA
0013 EDH-DSS-DES-CBC3-SHA TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA
0016 EDH-RSA-DES-CBC3-SHA TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA
001B ADH-DES-CBC3-SHA TLS_DH_anon_WITH_3DES_EDE_CBC_SHA
0030 DH-DSS-AES128-SHA TLS_DH_DSS_WITH_AES_128_CBC_SHA
0031 DH-RSA-AES128-SHA TLS_DH_RSA_WITH_AES_128_CBC_SHA
0036 DH-DSS-AES256-SHA TLS_DH_DSS_WITH_AES_256_CBC_SHA
0037 DH-RSA-AES256-SHA TLS_DH_RSA_WITH_AES_256_CBC_SHA
003E DH-DSS-AES128-SHA256 TLS_DH_DSS_WITH_AES_128_CBC_SHA256
003F DH-RSA-AES128-SHA256 TLS_DH_RSA_WITH_AES_128_CBC_SHA256
0042 DH-DSS-CAMELLIA128-SHA TLS_DH_DSS_WITH_CAMELLIA_128_CBC_SHA
0043 DH-RSA-CAMELLIA128-SHA TLS_DH_RSA_WITH_CAMELLIA_128_CBC_SHA
0068 DH-DSS-AES256-SHA256 TLS_DH_DSS_WITH_AES_256_CBC_SHA256
0069 DH-RSA-AES256-SHA256 TLS_DH_RSA_WITH_AES_256_CBC_SHA256
0085 DH-DSS-CAMELLIA256-SHA TLS_DH_DSS_WITH_CAMELLIA_256_CBC_SHA
0086 DH-RSA-CAMELLIA256-SHA TLS_DH_RSA_WITH_CAMELLIA_256_CBC_SHA
008A PSK-RC4-SHA TLS_PSK_WITH_RC4_128_SHA
008B PSK-3DES-EDE-CBC-SHA TLS_PSK_WITH_3DES_EDE_CBC_SHA
0097 DH-DSS-SEED-SHA TLS_DH_DSS_WITH_SEED_CBC_SHA
0098 DH-RSA-SEED-SHA TLS_DH_RSA_WITH_SEED_CBC_SHA
00A0 DH-RSA-AES128-GCM-SHA256 TLS_DH_RSA_WITH_AES_128_GCM_SHA256
00A1 DH-RSA-AES256-GCM-SHA384 TLS_DH_RSA_WITH_AES_256_GCM_SHA384
00A4 DH-DSS-AES128-GCM-SHA256 TLS_DH_DSS_WITH_AES_128_GCM_SHA256
00A5 DH-DSS-AES256-GCM-SHA384 TLS_DH_DSS_WITH_AES_256_GCM_SHA384
C001 ECDH-ECDSA-NULL-SHA TLS_ECDH_ECDSA_WITH_NULL_SHA
C002 ECDH-ECDSA-RC4-SHA TLS_ECDH_ECDSA_WITH_RC4_128_SHA
C003 ECDH-ECDSA-DES-CBC3-SHA TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA
C004 ECDH-ECDSA-AES128-SHA TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA
C005 ECDH-ECDSA-AES256-SHA TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA
C007 ECDHE-ECDSA-RC4-SHA TLS_ECDHE_ECDSA_WITH_RC4_128_SHA
C008 ECDHE-ECDSA-DES-CBC3-SHA TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA
C00B ECDH-RSA-NULL-SHA TLS_ECDH_RSA_WITH_NULL_SHA
C00C ECDH-RSA-RC4-SHA TLS_ECDH_RSA_WITH_RC4_128_SHA
C00D ECDH-RSA-DES-CBC3-SHA TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA
C00E ECDH-RSA-AES128-SHA TLS_ECDH_RSA_WITH_AES_128_CBC_SHA
C00F ECDH-RSA-AES256-SHA TLS_ECDH_RSA_WITH_AES_256_CBC_SHA
C011 ECDHE-RSA-RC4-SHA TLS_ECDHE_RSA_WITH_RC4_128_SHA
C012 ECDHE-RSA-DES-CBC3-SHA TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA
C016 AECDH-RC4-SHA TLS_ECDH_anon_WITH_RC4_128_SHA
C017 AECDH-DES-CBC3-SHA TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA
C01A SRP-3DES-EDE-CBC-SHA TLS_SRP_SHA_WITH_3DES_EDE_CBC_SHA
C01B SRP-RSA-3DES-EDE-CBC-SHA TLS_SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA
C01C SRP-DSS-3DES-EDE-CBC-SHA TLS_SRP_SHA_DSS_WITH_3DES_EDE_CBC_SHA
C025 ECDH-ECDSA-AES128-SHA256 TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256
C026 ECDH-ECDSA-AES256-SHA384 TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384
C029 ECDH-RSA-AES128-SHA256 TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256
C02A ECDH-RSA-AES256-SHA384 TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384
C02D ECDH-ECDSA-AES128-GCM-SHA256 TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256
C02E ECDH-ECDSA-AES256-GCM-SHA384 TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384
C031 ECDH-RSA-AES128-GCM-SHA256 TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256
C032 ECDH-RSA-AES256-GCM-SHA384 TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384
0003 EXP-RC4-MD5 TLS_RSA_EXPORT_WITH_RC4_40_MD5 -
0006 EXP-RC2-CBC-MD5 TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5 -
0008 EXP-DES-CBC-SHA TLS_RSA_EXPORT_WITH_DES40_CBC_SHA -
0009 DES-CBC-SHA TLS_RSA_WITH_DES_CBC_SHA -
000C DH-DSS-DES-CBC-SHA TLS_DH_DSS_WITH_DES_CBC_SHA -
000F DH-RSA-DES-CBC-SHA TLS_DH_RSA_WITH_DES_CBC_SHA -
0011 EXP-EDH-DSS-DES-CBC-SHA TLS_DHE_DSS_EXPORT_WITH_DES40_CBC_SHA -
0012 EDH-DSS-DES-CBC-SHA TLS_DHE_DSS_WITH_DES_CBC_SHA -
0014 EXP-EDH-RSA-DES-CBC-SHA TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA -
0015 EDH-RSA-DES-CBC-SHA TLS_DHE_RSA_WITH_DES_CBC_SHA -
0017 EXP-ADH-RC4-MD5 TLS_DH_anon_EXPORT_WITH_RC4_40_MD5 -
0019 EXP-ADH-DES-CBC-SHA TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA -
001A ADH-DES-CBC-SHA TLS_DH_anon_WITH_DES_CBC_SHA -
0066 DHE-DSS-RC4-SHA TLS_DHE_DSS_WITH_RC4_128_SHA -
"""
# What `enable-weak-ssl-ciphers` adds to 1.1.1, as Red Hat builds it for RHEL 8 (its openssl.spec): names and classes as
# a 1.1.1w of that kind lists them (tests/conformance/test_ciphers_upstream.py).
WEAK = """
0004 RC4-MD5 TLS_RSA_WITH_RC4_128_MD5
0005 RC4-SHA TLS_RSA_WITH_RC4_128_SHA
000A DES-CBC3-SHA TLS_RSA_WITH_3DES_EDE_CBC_SHA
0013 DHE-DSS-DES-CBC3-SHA TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA
0016 DHE-RSA-DES-CBC3-SHA TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA
0018 ADH-RC4-MD5 TLS_DH_anon_WITH_RC4_128_MD5
001B ADH-DES-CBC3-SHA TLS_DH_anon_WITH_3DES_EDE_CBC_SHA
008A PSK-RC4-SHA TLS_PSK_WITH_RC4_128_SHA
008B PSK-3DES-EDE-CBC-SHA TLS_PSK_WITH_3DES_EDE_CBC_SHA
008E DHE-PSK-RC4-SHA TLS_DHE_PSK_WITH_RC4_128_SHA
008F DHE-PSK-3DES-EDE-CBC-SHA TLS_DHE_PSK_WITH_3DES_EDE_CBC_SHA
0092 RSA-PSK-RC4-SHA TLS_RSA_PSK_WITH_RC4_128_SHA
0093 RSA-PSK-3DES-EDE-CBC-SHA TLS_RSA_PSK_WITH_3DES_EDE_CBC_SHA
C007 ECDHE-ECDSA-RC4-SHA TLS_ECDHE_ECDSA_WITH_RC4_128_SHA
C008 ECDHE-ECDSA-DES-CBC3-SHA TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA
C011 ECDHE-RSA-RC4-SHA TLS_ECDHE_RSA_WITH_RC4_128_SHA
C012 ECDHE-RSA-DES-CBC3-SHA TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA
C016 AECDH-RC4-SHA TLS_ECDH_anon_WITH_RC4_128_SHA
C017 AECDH-DES-CBC3-SHA TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA
C01A SRP-3DES-EDE-CBC-SHA TLS_SRP_SHA_WITH_3DES_EDE_CBC_SHA
C01B SRP-RSA-3DES-EDE-CBC-SHA TLS_SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA
C01C SRP-DSS-3DES-EDE-CBC-SHA TLS_SRP_SHA_DSS_WITH_3DES_EDE_CBC_SHA
C033 ECDHE-PSK-RC4-SHA TLS_ECDHE_PSK_WITH_RC4_128_SHA
C034 ECDHE-PSK-3DES-EDE-CBC-SHA TLS_ECDHE_PSK_WITH_3DES_EDE_CBC_SHA
"""
# `openssl ciphers -v` writes DH for what is ephemeral and has no hyphens.
SPELLING = {
    "DH": "DHE",
    "ECDH": "ECDHE",
    "DHEPSK": "DHE-PSK",
    "RSAPSK": "RSA-PSK",
    "ECDHEPSK": "ECDHE-PSK",
}
# IANA's key exchange -> OpenSSL's key exchange and authentication.
EXCHANGES = {
    "RSA": ("RSA", "RSA"),
    "DH_DSS": ("DH-DSS", "DH"),
    "DH_RSA": ("DH-RSA", "DH"),
    "DHE_DSS": ("DHE", "DSS"),
    "DHE_RSA": ("DHE", "RSA"),
    "DH_anon": ("DHE", "None"),
    "ECDH_ECDSA": ("ECDH-ECDSA", "ECDH"),
    "ECDH_RSA": ("ECDH-RSA", "ECDH"),
    "ECDHE_ECDSA": ("ECDHE", "ECDSA"),
    "ECDHE_RSA": ("ECDHE", "RSA"),
    "ECDH_anon": ("ECDHE", "None"),
    "PSK": ("PSK", "PSK"),
    "DHE_PSK": ("DHE-PSK", "PSK"),
    "RSA_PSK": ("RSA-PSK", "RSA"),
    "ECDHE_PSK": ("ECDHE-PSK", "PSK"),
    "SRP_SHA": ("SRP", "SRP"),
    "SRP_SHA_RSA": ("SRP", "RSA"),
    "SRP_SHA_DSS": ("SRP", "DSS"),
}
# Suites of TLS 1.3 that are not on by default.
TLS13 = (
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
    "TLS_SHA256_SHA256",
    "TLS_SHA384_SHA384",
    "TLS_SM4_GCM_SM3",
    "TLS_SM4_CCM_SM3",
)
# IANA's encryption -> OpenSSL's, its bits, its strength in bits, its class.
ENCRYPTIONS = {
    "NULL": ("None", 0, 0, ""),
    "RC4_128": ("RC4", 128, 128, "MEDIUM"),
    "IDEA_CBC": ("IDEA", 128, 128, "MEDIUM"),
    "3DES_EDE_CBC": ("3DES", 168, 112, "HIGH"),
    "DES_CBC": ("DES", 56, 56, "LOW"),
    "DES40_CBC": ("DES", 56, 40, "EXPORT"),
    "RC4_40": ("RC4", 128, 40, "EXPORT"),
    "RC2_CBC_40": ("RC2", 128, 40, "EXPORT"),
    "SEED_CBC": ("SEED", 128, 128, "MEDIUM"),
    "AES_128_CBC": ("AES", 128, 128, "HIGH"),
    "AES_256_CBC": ("AES", 256, 256, "HIGH"),
    "AES_128_GCM": ("AESGCM", 128, 128, "HIGH"),
    "AES_256_GCM": ("AESGCM", 256, 256, "HIGH"),
    "CAMELLIA_128_CBC": ("Camellia", 128, 128, "HIGH"),
    "CAMELLIA_256_CBC": ("Camellia", 256, 256, "HIGH"),
}
COLUMNS = (
    "number",
    "name",
    "iana",
    "protocol",
    "key_exchange",
    "authentication",
    "encryption",
    "bits",
    "strength",
    "mac",
    "flags",
    "builds",
)


def ask(folder: Path, generation: str, string: str, *options: str) -> str:
    command = [str(folder / "bin" / f"openssl-{RELEASES[generation]}"), "ciphers", *options, string]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def matched(line: str) -> tuple[str, ...]:
    """The columns of a line of ``openssl ciphers -V``."""
    found = LINE.match(line)
    if found is None:
        raise SystemExit(f"openssl prints a line of another form: {line}")
    return tuple(found.groups())


def compiled(folder: Path) -> list[dict[str, str]]:
    """The suites that some installed OpenSSL has, one row for each set of attributes that a suite ever had."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for generation in RELEASES:
        flags: dict[str, list[str]] = {}
        for word in ("HIGH", "MEDIUM", "LOW", "FIPS", "COMPLEMENTOFDEFAULT"):
            # OpenSSL 4.0 has no word FIPS any more; the class is that of 3.6.
            requested = "3.6" if word == "FIPS" and generation == "4.0" else generation
            for name in ask(folder, requested, word).strip().split(":"):
                flags.setdefault(name, []).append("NOT_DEFAULT" if word.startswith("COMP") else word)
        lines = ask(folder, generation, "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-V", "-stdname").splitlines()
        for name in TLS13:
            lines += ask(folder, generation, "AES128-SHA", "-V", "-stdname", "-ciphersuites", name).splitlines()[:1]
        for line in dict.fromkeys(lines):
            high, low, iana, name, protocol, kx, auth, enc, bits, mac = matched(line)
            kx = SPELLING.get(kx, kx)
            bits = bits or ("128" if enc.startswith("SM4") else "0")  # which the program does not print
            strength = bits
            if enc == "AESCCM8" and generation in ("3.5", "3.6", "4.0"):
                strength = "64"  # OpenSSL CHANGES 3.2: the short tag counts
            reported = [] if protocol == "TLSv1.3" else flags.get(name, [])
            attributes = (kx, auth, enc, bits, strength, mac, ",".join(sorted(reported)) or "-")
            row: tuple[str, ...] = (high + low, name, iana, protocol, *attributes)
            rows.setdefault(row, []).append(generation)
    out = []
    for row, builds in rows.items():
        if "3.5" in builds and not name_of_34(row):
            builds.append("3.2")
        if row[3] != "TLSv1.3" and not NEW_IN_110.search(row[2]):
            builds.append("1.0.2")
        out.append(dict(zip(COLUMNS, (*row, " ".join(sorted(builds, key=GENERATIONS.index))), strict=True)))
    return out


def name_of_34(row: tuple[str, ...]) -> bool:
    """Suites without encryption for TLS 1.3 (RFC 9150) came with 3.4, which counts as 3.2 here."""
    return row[1].startswith("TLS_SHA")


def gone() -> list[dict[str, str]]:
    out = []
    weak = [f"{line} 1.1.1:redhat" for line in WEAK.strip().splitlines()]
    for line in (*GONE.strip().splitlines(), *weak):
        number, name, iana, *builds = line.split()
        exchange, rest = iana.removeprefix("TLS_").replace("_EXPORT", "").split("_WITH_")
        cipher, mac = rest.rsplit("_", 1)
        enc, bits, strength, level = ENCRYPTIONS[cipher]
        level = "MEDIUM" if line in weak else level
        aead = "GCM" in cipher
        kx, auth = EXCHANGES[exchange]
        protocol = "TLSv1.2" if aead or mac in ("SHA256", "SHA384") else "TLSv1" if "ECDH" in kx else "SSLv3"
        flags = (
            ["FIPS"] * (enc.startswith(("AES", "3DES")) and kx != "SRP")
            + [level or "-"]
            + ["NOT_DEFAULT"] * (line in weak or (level == "MEDIUM" and enc in ("SEED", "IDEA")))
        )
        values = [
            number,
            name,
            iana,
            protocol,
            kx,
            auth,
            enc,
            bits,
            strength,
            "AEAD" if aead else mac.replace("SHA", "SHA1") if mac == "SHA" else mac,
        ]
        out.append(
            dict(
                zip(COLUMNS, map(str, (*values, ",".join(flags), " ".join(builds) if builds else "1.0.2")), strict=True)
            )
        )
    return out


def version(folder: Path) -> str:
    """The version of the newest OpenSSL that is queried."""
    program = folder / "bin" / f"openssl-{list(RELEASES.values())[-1]}"
    return subprocess.run([program, "version"], check=False, capture_output=True, text=True).stdout.split()[1]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows = sorted(compiled(Path(sys.argv[1])) + gone(), key=lambda row: (row["number"], row["builds"]))
    print("# source: Debian's OpenSSL of five generations; IANA")
    print(f"# checked: {date.today()} (OpenSSL {version(Path(sys.argv[1]))})")
    print("# command: python tools/tls_suites.py FOLDER")
    releases = ", ".join(RELEASES)
    print(f"# Made by tools/tls_suites.py from `openssl ciphers -V -stdname` of OpenSSL {releases} (Debian's)")
    print("# and, for suites that these lack, from IANA's registry tls-parameters-4 and ciphers(1) of OpenSSL 1.0.2.")
    print(
        "# builds: generations that have it compiled in; `:upstream` = not in Debian's build, `:redhat` = in RHEL 8's"
    )
    print(
        print(
            "# RHEL 8; `-` = none since 1.0.2g. What `:redhat` has was asked of a 1.1.1w with enable-weak-ssl-ciphers."
        )
    )
    print("\t".join(COLUMNS))
    for row in rows:
        print("\t".join(row[column] for column in COLUMNS))


if __name__ == "__main__":
    main()
