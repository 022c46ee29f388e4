"""Rules about Strict-Transport-Security and about redirects between plain HTTP and TLS."""

from nginxtls.rules.hsts import header, redirects, value

__all__ = ["header", "redirects", "value"]
