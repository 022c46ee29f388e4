"""Rules about Strict-Transport-Security and about redirects between plain HTTP and TLS."""

from nginxtls.rules.hsts import header, redirects, subdomains, value

__all__ = ["header", "redirects", "subdomains", "value"]
