"""Rules about cipher suites: what the effective cipher string offers, and words in it that have no effect."""

from nginxtls.rules.ciphers import aead, effective, key_exchange, order, security_level, tls13, weak, words

__all__ = ["aead", "effective", "key_exchange", "order", "security_level", "tls13", "weak", "words"]
