"""nginxtls: a linter for nginx TLS configurations that reports what a TLS client would see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nginxtls.api import check, load
    from nginxtls.base.errors import UsageError

__all__ = ["UsageError", "__version__", "check", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The public names, imported on first use: the command needs few of them."""
    match name:
        case "check" | "load":
            from nginxtls import api

            return getattr(api, name)
        case "UsageError":
            from nginxtls.base.errors import UsageError

            return UsageError
        case _:
            raise AttributeError(f"module 'nginxtls' has no attribute {name!r}")
