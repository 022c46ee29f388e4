"""Commands whose parameters are words: typer need not ask pydantic what type they are."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

if TYPE_CHECKING:
    from typer import Context


class PlainCommand(TyperCommand):
    """A command that leaves words, flags and defaults as they are."""

    def get_params(self, ctx: Context) -> list[Any]:  # type: ignore[override]
        return plain(super().get_params(ctx))


def plain(parameters: list[Any]) -> list[Any]:
    """The parameters, made to leave words, flags and defaults as they are.

    Since 0.27 typer turns each value into its type with pydantic, whose import takes longer than all else that a run on
    one file does. Only a value of an enumeration that was given on the command line needs it.
    """
    for parameter in parameters:
        make = getattr(parameter, "get_runtime_param", None)
        if make is not None and not isinstance(make, partial):
            parameter.get_runtime_param = partial(_Plain, make)
    return parameters


class _Plain:
    """What typer asks to turn a value into its type; ``make`` makes the one that it would have asked."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None and (param.multiple or param.nargs == -1):
            return ()
        words = value if isinstance(value, (list, tuple)) else (value,)
        if all(each is None or isinstance(each, (int, Enum)) or _is_text(each, param) for each in words):
            return value
        return self.make().coerce(value, param=param, ctx=ctx)


def _is_text(value: object, param: Any) -> bool:
    """A word for a parameter that takes words."""
    return isinstance(value, str) and param.type_descriptor.annotation in (str, list[str])
