"""Lists of TLS 1.3 cipher suites, as ``ssl_conf_command Ciphersuites`` and openssl.cnf give them."""

from __future__ import annotations

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import NamedTuple

from .ciphers import MOST_SUGGESTIONS, UnknownWord, nearest
from .openssl import OpenSSL
from .suites import Suite, compiled, suite

_DEFAULT = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"


class Ciphersuites(NamedTuple):
    """The TLS 1.3 suites of a list in its order; ``error`` is OpenSSL's reason for refusing it, else None."""

    suites: tuple[Suite, ...]
    unknown: tuple[UnknownWord, ...]
    error: str | None


@bounded(1024, 1_000_000)
def evaluate_ciphersuites(text: str | None, openssl: OpenSSL) -> Ciphersuites:
    """The suites of a list of names, separated by colons; None is OpenSSL's default, ``""`` is none at all.

    Only IANA's names count, exactly spelt; 4.0 ignores case and repetitions. 1.1.1 refuses the list for an unknown one,
    3.0 and later skip it and refuse only a list of nothing else (SSL_CTX_set_ciphersuites(3), compared with
    ``openssl ciphers -ciphersuites``).
    """
    folds = openssl.version >= (4, 0)
    known = {s.name: s for s in compiled(openssl.builds) if s.protocol == "TLSv1.3"}
    found: list[Suite] = []
    unknown: list[UnknownWord] = []
    gap = False
    text = _DEFAULT if text is None else text.partition("\0")[0]
    at = 0
    for element in text.split(":") if text else ():
        word = element.strip()
        start = at + element.index(word)
        at += len(element) + 1
        listed = known.get(word.upper() if folds else word)
        if listed:
            if not folds or listed not in found:
                found.append(listed)
        elif word:
            other = suite(word)
            reason = "removed" if other and other.protocol == "TLSv1.3" else "tls12" if other else "misspelt"
            suggests = reason == "misspelt" and len(unknown) < MOST_SUGGESTIONS
            suggestion = nearest(word, tuple(known)) if suggests else None
            unknown.append(UnknownWord(word, start, start + len(word), "", reason, suggestion))
        else:
            gap = True
    strict = openssl.version < (3, 0) and (unknown or gap)
    error = "no cipher match" if text and (strict or not found) else None
    return Ciphersuites(() if error else tuple(found), tuple(unknown), error)
