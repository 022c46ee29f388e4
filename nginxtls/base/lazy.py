"""Lazy imports and lazily computed values."""

from __future__ import annotations

import re
import sys
from collections import namedtuple
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import cached_property as cached_property
    from typing import NamedTuple as NamedTuple
else:

    class cached_property:
        """``functools.cached_property`` without its lock, which before Python 3.12 is most of its time.

        A run of thousands of sites works out hundreds of thousands of properties.
        """

        def __init__(self, work):
            self.work, self.name, self.__doc__ = work, work.__name__, work.__doc__

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.name] = self.work(instance)
            return value

    class _NamedTupleMeta(type):
        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body["__annotations__"]
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key not in ("__qualname__", "__module__"):
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_NamedTupleMeta):
        """``typing.NamedTuple`` without evaluating the types of fields, which takes a tenth of the start-up time."""


class _Pattern:
    """A regular expression that is compiled on first use."""

    def __init__(self, text: str, flags: int) -> None:
        self.text, self.flags = text, flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self.text, self.flags)
        for method in ("match", "search", "fullmatch", "findall", "finditer", "sub", "split"):
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """``re.compile`` on first use: compiling a long expression takes longer than loading a module."""
    return cast("re.Pattern[str]", _Pattern(text, flags))


def lazily(package: str, **names: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package that imports its names on first use: a run needs few of them.

    Each keyword is a module of the package; its value lists the names in it, separated by spaces.
    """
    places = {name: module for module, text in names.items() for name in text.split()}

    def look_up(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{places[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return look_up
