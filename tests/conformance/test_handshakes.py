"""The static handshake against real nginx: random configurations, compared field by field.

Here the seeds that once found something, and fresh ones of the day; any number with
``python tests/conformance/handshakes.py --seeds 0-999``.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import handshakes
from generations import installed

FINDERS = (27, 52, 69, 134)
"""Seeds whose configurations once showed a fault of the model."""


def fresh(count: int) -> range:
    """Seeds that no earlier day has drawn."""
    first = 10_000 + (date.today() - date(2026, 1, 1)).days * count
    return range(first, first + count)


def test_what_a_client_sees_is_what_was_predicted(generation: dict[str, Any], full: bool) -> None:
    mine = next(g for g in installed() if g.name == generation["name"])
    seeds = range(1000) if full else [*FINDERS, *fresh(8)]
    count, differences = handshakes.run(mine, iter(seeds), stop=3)
    assert not differences, "\n\n".join(differences)
    assert count
