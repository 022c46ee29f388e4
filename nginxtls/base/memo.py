"""Shared results, computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Memo:
    """Results by key, each computed once; it lives as long as its configuration.

    ``most``: when there are more, all are dropped, for what is requested several times in a row and then no more.
    """

    __slots__ = ("_most", "_results")

    def __init__(self, most: int | None = None) -> None:
        self._results: dict[object, Any] = {}
        self._most = most

    def __call__(self, key: object, work: Callable[[], T]) -> T:
        """The result of ``work``, which is called once for each key."""
        if key not in self._results:
            if self._most is not None and len(self._results) >= self._most:
                self._results.clear()
            self._results[key] = work()
        return cast("T", self._results[key])

    def clear(self) -> None:
        """Drop all results; they are computed again where they are needed."""
        self._results.clear()
