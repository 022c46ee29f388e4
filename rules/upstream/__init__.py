"""Rules about TLS connections to upstream servers."""

from nginxtls.rules.upstream import (
    client_certificate,
    parameters,
    plain_text,
    server_names,
    verification,
    without_effect,
)

__all__ = ["client_certificate", "parameters", "plain_text", "server_names", "verification", "without_effect"]
