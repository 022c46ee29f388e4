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
    _Numbered = namedtuple("_Numbered", [f"field{number}" for number in range(50)])
    _GETTERS = tuple(vars(_Numbered)[name] for name in _Numbered._fields)
    """The descriptors of the first, second … field, which belong to no class and are faster than properties."""

    class _Record(tuple):
        """The methods of ``collections.namedtuple``, which makes them anew for each class."""

        __slots__ = ()

        @classmethod
        def _make(cls, values):
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, /, **changes):
            made = tuple.__new__(type(self), map(changes.pop, self._fields, self))
            if changes:
                raise ValueError(f"Got unexpected field names: {list(changes)!r}")
            return made

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

        def __getnewargs__(self):
            return tuple(self)

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
            fields = tuple(body["__annotations__"])
            defaults = {field: body.pop(field) for field in fields if field in body}

            def new(cls, /, *values, **named):
                made.__new__ = function = staticmethod(_constructor(made))
                return function(cls, *values, **named)

            made = type(
                name,
                (_Record,),
                {
                    "__slots__": (),
                    "_fields": fields,
                    "__match_args__": fields,
                    "_field_defaults": defaults,
                    "__new__": new,
                    **dict(zip(fields, _GETTERS[: len(fields)], strict=True)),
                    **body,
                },
            )
            return made

    def _constructor(made):
        """The ``__new__`` that ``collections.namedtuple`` would make."""
        words = ", ".join(made._fields)
        text = f"lambda _cls, {words}: _new(_cls, ({words},))"
        function = eval(text, {"_new": tuple.__new__, "__builtins__": {}, "__name__": made.__module__})
        function.__name__, function.__qualname__ = "__new__", f"{made.__name__}.__new__"
        function.__defaults__ = tuple(made._field_defaults.values())
        return function

    class NamedTuple(metaclass=_NamedTupleMeta):
        """``typing.NamedTuple`` that evaluates no types, shares methods, and makes a constructor on first use.

        A run on one file makes 90 such classes and an object of few. ``typing.NamedTuple`` takes 0.15 ms for each,
        ``collections.namedtuple`` 0.1, this a tenth of that.
        """


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
