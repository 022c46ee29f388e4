"""The moment of a run, which remembers what it was compared with: so long as it is on the same side of all of that,
a later run comes to the same conclusions."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST, _LAST = (each.replace(tzinfo=timezone.utc) for each in (datetime.min, datetime.max))
_DAY, _LEAST = timedelta(days=1), timedelta(microseconds=1)


class Bounds:
    """Since when and until when the conclusions hold that were drawn at a moment."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.since, self.until = _FIRST, _LAST

    def note(self, turn: datetime) -> None:
        """Something changes at a moment, or right after it."""
        if turn < self.now:
            self.since = max(self.since, turn + _LEAST)
        else:
            self.until = min(self.until, max(turn, self.now + _LEAST))

    def narrow(self, since: float, until: float) -> None:
        """Other conclusions hold between these moments only, in seconds since 1970."""
        self.since = max(self.since, datetime.fromtimestamp(since, timezone.utc))
        self.until = min(self.until, datetime.fromtimestamp(until, timezone.utc))

    def note_exact(self) -> None:
        """The very moment was looked at: who knows what follows from it."""
        self.since, self.until = max(self.since, self.now), min(self.until, self.now + _LEAST)


def _noting(compare: Callable[[Any, Any], bool]) -> Any:
    """A comparison of which it is noted what with."""

    def compare_noting(self: Moment | Distance, other: Any) -> bool:
        self._note(other)
        return compare(self, other)

    return compare_noting


class Moment(datetime):
    """A date and time in UTC that can be used as any other; ``bounds`` collects what it was compared with.

    ``shift`` is its distance from the moment of the run.
    """

    bounds: Bounds
    shift: timedelta

    @classmethod
    def now_watched(cls) -> Moment:
        """The present."""
        now = datetime.now(timezone.utc)
        return cls._at(now, Bounds(now), timedelta())

    @classmethod
    def _at(cls, when: datetime, bounds: Bounds, shift: timedelta) -> Moment:
        parts = when.timetuple()[:6]
        self = cls(*parts, when.microsecond, tzinfo=when.tzinfo, fold=when.fold)
        self.bounds, self.shift = bounds, shift
        return self

    def _plain(self) -> datetime:
        return datetime.combine(super().date(), self.timetz(), self.tzinfo)

    def _note(self, other: object) -> None:
        if isinstance(other, datetime) and not isinstance(other, Moment):
            try:
                self.bounds.note(other - self.shift)
            except OverflowError:
                pass  # the end of all days, which no run will see

    __lt__ = _noting(datetime.__lt__)
    __le__ = _noting(datetime.__le__)
    __gt__ = _noting(datetime.__gt__)
    __ge__ = _noting(datetime.__ge__)
    __eq__ = _noting(datetime.__eq__)
    __hash__ = datetime.__hash__

    def __add__(self, span: timedelta) -> Moment:
        return self._at(self._plain() + span, self.bounds, self.shift + span)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, timedelta):
            return self + -other
        if isinstance(other, Moment):
            return self._plain() - other._plain()
        return Distance.between(self, other, 1)

    def __rsub__(self, other: datetime) -> Distance:
        return Distance.between(self, other, -1)

    def replace(self, *args: Any, **changes: Any) -> Any:
        """Without its microseconds it is still a moment of the run; of other changes the very moment is noted."""
        if not args and changes == {"microsecond": 0}:
            return self._at(self._plain().replace(microsecond=0), self.bounds, self.shift)
        self.bounds.note_exact()
        return self._plain().replace(*args, **changes)

    def date(self) -> date:
        midnight = self._plain().replace(hour=0, minute=0, second=0, microsecond=0)
        self._note(midnight)
        self._note(midnight + _DAY)
        return super().date()

    def timestamp(self) -> float:
        self.bounds.note_exact()
        return super().timestamp()

    def __format__(self, form: str) -> str:
        self.bounds.note_exact()
        return format(self._plain(), form)

    def __str__(self) -> str:
        self.bounds.note_exact()
        return str(self._plain())

    def isoformat(self, *args: Any, **options: Any) -> str:
        self.bounds.note_exact()
        return self._plain().isoformat(*args, **options)

    def astimezone(self, *args: Any) -> datetime:  # type: ignore[override]
        self.bounds.note_exact()
        return self._plain().astimezone(*args)


class Distance(timedelta):
    """How far a moment of the run is from another date: ``sign`` is 1 if it counts from there, -1 if to there."""

    moment: Moment
    other: datetime
    sign: int

    @classmethod
    def between(cls, moment: Moment, other: datetime, sign: int) -> Distance:
        span = (moment._plain() - other) * sign
        self = cls(span.days, span.seconds, span.microseconds)
        self.moment, self.other, self.sign = moment, other, sign
        return self

    def _note(self, span: object) -> None:
        if isinstance(span, timedelta):
            self.moment._note(self.other + span * self.sign)

    __lt__ = _noting(timedelta.__lt__)
    __le__ = _noting(timedelta.__le__)
    __gt__ = _noting(timedelta.__gt__)
    __ge__ = _noting(timedelta.__ge__)
    __eq__ = _noting(timedelta.__eq__)
    __hash__ = timedelta.__hash__

    @property
    def days(self) -> int:
        whole = (timedelta() + self) // _DAY
        self._note(whole * _DAY)
        self._note((whole + 1) * _DAY)
        return whole

    @property
    def seconds(self) -> int:
        self.moment.bounds.note_exact()
        return (timedelta() + self).seconds

    def total_seconds(self) -> float:
        self.moment.bounds.note_exact()
        return super().total_seconds()

    def __floordiv__(self, other: Any) -> Any:
        self.moment.bounds.note_exact()
        return super().__floordiv__(other)

    def __truediv__(self, other: Any) -> Any:
        self.moment.bounds.note_exact()
        return super().__truediv__(other)

    def __str__(self) -> str:
        self.moment.bounds.note_exact()
        return super().__str__()
