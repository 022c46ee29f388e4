"""Cipher strings to ask about: random ones, and those found in a folder of configurations."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from nginxtls.tls import suites
from nginxtls.tls.suites import read_table

WORDS = tuple(dict.fromkeys(row[0] for row in read_table("words.tsv")))
NAMES = tuple(s.name for s in suites())
IANA = tuple(s.iana for s in suites())
COMMON = (
    "HIGH",
    "ALL",
    "DEFAULT",
    "ECDHE",
    "EECDH",
    "EDH",
    "DHE",
    "AES",
    "AESGCM",
    "kRSA",
    "aRSA",
    "aECDSA",
    "SHA1",
    "CHACHA20",
    "CAMELLIA",
    "TLSv1.2",
    "MEDIUM",
    "COMPLEMENTOFALL",
    "COMPLEMENTOFDEFAULT",
    "FIPS",
    "PSK",
    "eNULL",
)
COMMANDS = ("@STRENGTH", "@SECLEVEL=0", "@SECLEVEL=1", "@SECLEVEL=2", "@SECLEVEL=3", "@SECLEVEL=4", "@SECLEVEL=5")
BROKEN = (
    "@SECLEVEL=6",
    "@SECLEVEL",
    "@NOSUCH",
    "@",
    "+",
    "!",
    "-",
    "--AES",
    "!!AES",
    "é",
    "*",
    "AES_128",
    "$x",
    "AES+",
    "HIGH/AES",
)
UNKNOWN = (
    "high",
    "NOSUCH",
    "AES-GCM",
    "PROFILE=SYSTEM",
    "TLS_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES128-GCM",
    "NO_SUCH",
    "SSLv4",
)


def _word(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(COMMON)
    if kind < 0.68:
        return rng.choice(WORDS)
    if kind < 0.9:
        return rng.choice(NAMES)
    return rng.choice(IANA) if kind < 0.94 else rng.choice(UNKNOWN)


def generated(count: int, seed: int = 4) -> Iterator[str]:
    """So many random strings: mostly of the kind that people write, some of every odd kind."""
    rng = random.Random(seed)
    for _ in range(count):
        parts = []
        for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5, 6, 8, 12))):
            if (kind := rng.random()) < 0.07:
                parts.append(rng.choice(COMMANDS))
            elif kind < 0.085:
                parts.append(rng.choice(BROKEN))
            else:
                word = "+".join(_word(rng) for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3))))
                parts.append(rng.choice(("", "", "", "", "!", "-", "+")) + word)
        string = parts[0]
        for part in parts[1:]:
            string += rng.choice((":",) * 20 + (",", " ", ";", "::", ": ", "")) + part
        # A leading hyphen would be an option of the program that is asked.
        yield ":" + string if string.startswith("-") else string


_SETTING = re.compile(
    r"(?:ssl_ciphers|proxy_ssl_ciphers|grpc_ssl_ciphers|CipherString)\s+(\"[^\"\n]*\"|'[^'\n]*'|[^;\s]+)"
)


def found(folder: Path) -> list[str]:
    """The cipher strings in the files below a folder, each once."""
    out: dict[str, None] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 2_000_000:
            for match in _SETTING.finditer(path.read_text(encoding="utf-8", errors="ignore")):
                string = match[1].strip("\"'").replace("\0", "")
                out[":" + string if string.startswith("-") else string] = None
    return list(out)
