from __future__ import annotations

import copy
import pickle
import typing
from typing import Any

import pytest

from nginxtls.base import lazy


class Ours(lazy.NamedTuple):
    """Its documentation."""

    name: str
    lines: tuple[int, ...]
    default: bool = False
    "of a field"
    other: str | None = None

    @property
    def upper(self) -> str:
        return self.name.upper()


class Theirs(typing.NamedTuple):
    """Its documentation."""

    name: str
    lines: tuple[int, ...]
    default: bool = False
    "of a field"
    other: str | None = None

    @property
    def upper(self) -> str:
        return self.name.upper()


def outcomes(kind: Any) -> typing.Iterator[object]:
    made = kind("a", lines=(1, 2), other="b")
    yield from (tuple(made), made.name, made.lines, made.default, made.other, made.upper, made._asdict(), len(made))
    yield repr(made).replace(kind.__name__, "")
    yield from (made == ("a", (1, 2), False, "b"), hash(made) == hash(tuple(made)), isinstance(made, tuple))
    yield from (tuple(made._replace(name="c", default=True)), tuple(kind._make("abcd")), hasattr(made, "__dict__"))
    yield from (kind._fields, kind._field_defaults, kind.__doc__, kind.__module__, kind.__match_args__)
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        yield from (again == made, type(again) is kind)
    wrong: list[typing.Callable[[], object]] = [
        lambda: kind("a"),
        lambda: kind("a", (), True, "b", 5),
        lambda: kind("a", (), unknown=1),
        lambda: kind("a", (), name="b"),
        lambda: kind._make("abc"),
        lambda: made._replace(unknown=1),
        lambda: setattr(made, "name", "b"),
    ]
    for call in wrong:
        with pytest.raises((TypeError, ValueError, AttributeError)) as error:
            call()
        yield from (error.type, str(error.value).replace(kind.__name__, ""))


def test_a_named_tuple_is_what_typing_makes() -> None:
    assert list(outcomes(Ours)) == list(outcomes(Theirs))


def test_a_class_of_a_named_tuple_constructs_its_own_objects() -> None:
    class Base(lazy.NamedTuple):
        name: str

    class Derived(Base):
        pass

    assert type(Derived("a")) is Derived
    assert type(Base("a")) is Base
    assert type(Derived("a")._replace(name="b")) is Derived
