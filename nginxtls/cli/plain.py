"""Commands with plain parameters, which typer converts without pydantic."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

if TYPE_CHECKING:
    from typer import Context


class PlainCommand(TyperCommand):
    """A command that does not convert words, flags and defaults."""

    def get_params(self, ctx: Context) -> list[Any]:  # type: ignore[override]
        """The parameters of the command, not converted by pydantic."""
        return plain(super().get_params(ctx))


def plain(parameters: list[Any]) -> list[Any]:
    """The parameters, changed to keep words, flags and defaults as they are.

    Since 0.27 typer converts each value with pydantic, whose import takes longer than the rest of a run on one file.
    Only an enumeration value given on the command line needs it.
    """
    for parameter in parameters:
        make = getattr(parameter, "get_runtime_param", None)
        if make is not None and not isinstance(make, partial):
            parameter.get_runtime_param = partial(_Plain, make)
    return parameters


class _Plain:
    """The converter that typer calls with a value; ``make`` returns the one that it replaces."""

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
    """A plain string for a parameter that accepts strings."""
    return isinstance(value, str) and param.type_descriptor.annotation in (str, list[str])
