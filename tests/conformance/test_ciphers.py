"""Cipher strings, asked of the real `openssl ciphers` of each generation: acceptance, suites and order.

A sample by default. All of it, 6,000 generated strings, and those of a folder of configurations if NGINXTLS_CORPUS
names one:

    NGINXTLS_CONFORMANCE=full NGINXTLS_CORPUS=FOLDER pytest tests/conformance/test_ciphers.py
"""

from __future__ import annotations

import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nginxtls.tls import CipherString, OpenSSL, evaluate_ciphersuites
from tests.conformance.cipher_strings import UNKNOWN, WORDS, found, generated

Generation = dict[str, Any]


def real(generation: Generation, string: str | bytes, *options: str) -> list[str] | None:
    """The suites that the real program lists; None if it refuses the string."""
    command = [generation["openssl"], "ciphers", *options, string]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [n for n in done.stdout.strip().split(":") if n] if done.returncode == 0 else None


def differences(generation: Generation, strings: list[str]) -> list[tuple[str, str]]:
    openssl = OpenSSL.parse(generation["openssl_version"], "debian")

    def ask(string: str) -> list[tuple[str, str]]:
        evaluation = CipherString(string).evaluate(openssl)
        out = []
        for option, ours in ((), evaluation.suites), (("-s",), evaluation.usable()):
            theirs = real(generation, string, *option)
            # What TLS 1.3 adds is not the string's.
            reported = None if theirs is None else [n for n in theirs if not n.startswith("TLS_")]
            if reported != (None if evaluation.error else [s.name for s in ours]):
                out.append((string, " ".join(option)))
        return out

    with ThreadPoolExecutor(2) as pool:
        return [difference for some in pool.map(ask, strings) for difference in some]


def test_generated_strings_give_the_suites_and_the_order_of_the_real_one(generation: Generation, full: bool) -> None:
    assert differences(generation, list(generated(6000 if full else 150))) == []


def test_any_bytes_are_accepted_or_refused_alike(generation: Generation, full: bool) -> None:
    openssl = OpenSSL.parse(generation["openssl_version"], "debian")
    rng = random.Random(11)
    differences = []
    for _ in range(1000 if full else 60):
        pieces = [rng.choice(("HIGH", "AES", ":", "+", "!", "-", "@", "@STRENGTH", " ", "=", "_", "NOSUCH")).encode()]
        pieces += [
            bytes([rng.randint(1, 255)]) if rng.random() < 0.4 else rng.choice((b"ALL", b":", b"+", b"!"))
            for _ in "abcd"
        ]
        rng.shuffle(pieces)
        string = b":" * (pieces[0][:1] == b"-") + b"".join(pieces)
        theirs = real(generation, string)
        evaluation = CipherString(os.fsdecode(string)).evaluate(openssl)
        ours = None if evaluation.error else [s.name for s in evaluation.suites]
        if ours != (None if theirs is None else [n for n in theirs if not n.startswith("TLS_")]):
            differences.append(string)
    assert differences == []


def test_every_word_alone_and_beside_all_others(generation: Generation, full: bool) -> None:
    words = [*WORDS, *UNKNOWN] if full else [*WORDS[::3], *UNKNOWN]
    # The second form tells whether the word is known at all: an unknown one takes what follows it along.
    assert differences(generation, words + [f"{word}!ALL!COMPLEMENTOFALL:ALL" for word in words]) == []


def test_strings_of_real_configurations(generation: Generation) -> None:
    corpus = os.environ.get("NGINXTLS_CORPUS")
    if not corpus:
        pytest.skip("NGINXTLS_CORPUS names no folder of configurations")
    strings = found(Path(corpus))
    assert strings
    assert differences(generation, strings) == []


def test_the_reason_for_refusal_is_openssls(generation: Generation) -> None:
    openssl = OpenSSL.parse(generation["openssl_version"], "debian")
    for string in ("NOSUCH", "ALL:@SECLEVEL=7", "ALL:é", "AES+", "@STRENGTH", "TLS_AES_128_GCM_SHA256"):
        command = [generation["openssl"], "ciphers", string]
        reported = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        error = CipherString(string).evaluate(openssl).error
        assert error
        assert error in reported


@pytest.mark.parametrize(
    "text",
    [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256:TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_GCM_SHA256:NOSUCH",
        "NOSUCH",
        "",
        " TLS_AES_128_GCM_SHA256 : TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256:",
        ":TLS_AES_128_GCM_SHA256",
        "tls_aes_128_gcm_sha256",
        "TLS_AES_128_GCM_SHA256,TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA256",
        "TLS_SHA256_SHA256",
    ],
)
def test_lists_of_tls13_suites(generation: Generation, text: str) -> None:
    theirs = real(generation, "AES128-SHA", "-ciphersuites", text)
    ours = evaluate_ciphersuites(text, OpenSSL.parse(generation["openssl_version"], "debian"))
    reported = None if ours.error else [*(s.name for s in ours.suites), "AES128-SHA"]
    assert reported == theirs
