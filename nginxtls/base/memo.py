"""Shared results, computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Memo:
    """Results by key, each computed once; it lives as long as its configuration."""

    __slots__ = ("_results",)

    def __init__(self) -> None:
        self._results: dict[object, Any] = {}

    def __call__(self, key: object, work: Callable[[], T]) -> T:
        """The result of ``work``, which is called once for each key."""
        if key not in self._results:
            self._results[key] = work()
        return cast("T", self._results[key])


class Recent(Memo):
    """The results of a few keys, for work that is done again and again with the same one."""

    __slots__ = ()

    def __call__(self, key: object, work: Callable[[], T]) -> T:
        """The result of ``work``, which is called again if many other keys came between."""
        if len(self._results) >= _FEW and key not in self._results:
            self._results.clear()
        return super().__call__(key, work)


_FEW = 64
