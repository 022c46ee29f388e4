"""How old the facts are: directives, suites, groups, versions, flaws, policies, lifetimes.

Each fact file names its source and the date on which it was last compared with it; ``tools/facts.py`` lists and checks
them, and a test holds ``DATE`` to the oldest of these dates.
"""

from __future__ import annotations

from datetime import date

#: The date that every fact is at least as fresh as.
DATE = date(2026, 11, 23)
#: After so many days newer facts are likely.
FRESH_DAYS = 120


def notice(today: date) -> str | None:
    """What to print on a day when the facts are old; None while they are fresh."""
    age = (today - DATE).days
    if age <= FRESH_DAYS:
        return None
    return f"note: the facts of this nginxtls are of {DATE}, {age} days ago; a newer release may have newer ones"
