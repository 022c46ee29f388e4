"""Packages whose names are imported when they are first used: a run needs few, and each module takes its time."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def lazily(package: str, **names: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package: each keyword is a module of it, with the names that it has."""
    places = {name: module for module, text in names.items() for name in text.split()}

    def look_up(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{places[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return look_up
