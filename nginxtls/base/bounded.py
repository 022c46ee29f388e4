"""A cache that holds a bounded number of results for a bounded number of bytes, for as long as the process lives."""

from __future__ import annotations

from functools import wraps
from threading import Lock
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

P = ParamSpec("P")
T = TypeVar("T")


def bounded(entries: int, size: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """``functools.lru_cache`` for functions of texts and bytes, whose arguments together are at most ``size`` long.

    Those in tuples count, too. A call whose arguments take more than a quarter of that is not kept.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        kept: dict[Hashable, tuple[T, int]] = {}
        lock = Lock()
        total = 0

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            nonlocal total
            key = (args, tuple(kwargs.items())) if kwargs else args
            with lock:
                found = kept.pop(key, None)
                if found is not None:
                    kept[key] = found  # the last is the newest
                    return found[0]
            result = function(*args, **kwargs)
            weight = _weight(args)
            if weight <= size // 4:
                with lock:
                    if key not in kept:
                        kept[key] = result, weight
                        total += weight
                    while len(kept) > entries or total > size:
                        total -= kept.pop(next(iter(kept)))[1]
            return result

        return call

    return decorate


def _weight(values: tuple[object, ...]) -> int:
    total = 0
    for value in values:
        if isinstance(value, (bytes, str)):
            total += len(value)
        elif isinstance(value, tuple):
            total += _weight(value)
    return total
