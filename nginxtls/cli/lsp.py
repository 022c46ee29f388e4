"""``nginxtls lsp``: the language server for editors."""

from __future__ import annotations

from nginxtls.base.errors import UsageError
from nginxtls.base.pipes import closed_peers_are_errors


def lsp() -> None:
    """Start the language server, which editors talk to over standard input and output."""
    try:
        from nginxtls.lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise UsageError("nginxtls lsp", "needs pygls", "install nginxtls with its extra: nginxtls[lsp]") from error
    with closed_peers_are_errors():
        ended = serve()
    if not ended:
        raise SystemExit(1)  # as the protocol requires
