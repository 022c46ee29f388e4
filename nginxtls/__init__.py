"""nginxtls: a linter for nginx TLS configurations that reports what a TLS client would see."""

import os  # what else is imported here could be a file of a hostile working directory: see __main__.py

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from nginxtls.api import check, load
    from nginxtls.base.errors import UsageError

__all__ = ["UsageError", "__version__", "check", "load"]

__version__ = "0.1.0"

_HERE = os.path.dirname(os.path.abspath(__file__))
_CLONE = os.path.dirname(_HERE)
if not os.path.isdir(os.path.join(_HERE, "rules")) and os.path.isfile(os.path.join(_CLONE, "rules", "__init__.py")):
    # In a clone `nginxtls.rules` is a folder beside this package, so `python -m nginxtls` works there, too.
    __path__.append(_CLONE)


def __getattr__(name: str) -> "Any":
    """The public names, imported on first use: the command needs few of them."""
    if name in ("check", "load"):
        from nginxtls import api

        return getattr(api, name)
    if name == "UsageError":
        from nginxtls.base.errors import UsageError

        return UsageError
    raise AttributeError(f"module 'nginxtls' has no attribute {name!r}")
