#!/usr/bin/env python3
"""How long cipher strings take: loading the data, one evaluation, and what a server can negotiate.

    python benchmarks/cipher_strings.py

Figures are medians in milliseconds of evaluations that nothing is remembered of; the aims are 10 for loading, 0.2 for
one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from nginxtls.tls import CipherString, OpenSSL, ServerKey, evaluate_ciphersuites, evaluate_groups, negotiable
from nginxtls.tls.ciphers import _evaluate

STRINGS = (
    "HIGH:!aNULL:!MD5",
    "DEFAULT:!kRSA",
    "EECDH+AESGCM:EDH+AESGCM:AES256+EECDH:AES256+EDH",
    "ALL:COMPLEMENTOFALL:@STRENGTH",
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:!aNULL:!eNULL:!EXPORT:!DES:!RC4:!3DES",
)


def timed(what: Callable[[], object], times: int = 300) -> float:
    """The median time of a call, in milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        what()
        taken.append(time.perf_counter() - start)
    return median(taken) * 1000


def main() -> None:
    openssl = OpenSSL.parse("3.5.9")
    loading = timed(lambda: CipherString("HIGH").evaluate(openssl), 1)
    print(f"{loading:8.3f}  loading, with the first evaluation")
    for string in STRINGS:
        print(f"{timed(lambda string=string: _evaluate.__wrapped__(string, openssl)):8.3f}  {string[:80]}")  # type: ignore[misc, attr-defined]
    print(f"{timed(lambda: CipherString(STRINGS[0]).evaluate(openssl)):8.3f}  the same once more")
    evaluation = CipherString(STRINGS[0]).evaluate(openssl)
    served = timed(
        lambda: negotiable(
            keys=[ServerKey("RSA", 2048)],
            evaluation=evaluation,
            protocols=("TLSv1.2", "TLSv1.3"),
            level=2,
            dhparam_bits=None,
            openssl=openssl,
            ciphersuites=evaluate_ciphersuites(None, openssl).suites,
            groups=evaluate_groups(None, openssl),
        )
    )
    print(f"{served:8.3f}  what a server with an RSA key can negotiate of {STRINGS[0]}")


if __name__ == "__main__":
    main()
