"""Facts of TLS as OpenSSL has them: protocol versions, cipher suites and strings, groups, policies. Knows no nginx."""

from .ciphers import CipherString, Evaluation, UnknownWord, Word
from .openssl import OpenSSL
from .suites import PROTOCOLS, Suite, suite, suites

__all__ = ["PROTOCOLS", "CipherString", "Evaluation", "OpenSSL", "Suite", "UnknownWord", "Word", "suite", "suites"]
