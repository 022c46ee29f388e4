"""Handshakes against real nginx: random configurations of each kind, compared field by field.

Here the seeds that once found something, and fresh ones of the day; any number with
``python tests/conformance/random_runs.py --kind servers --seeds 0-999``.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import random_runs
from generations import installed

FINDERS = {
    "servers": (27, 52, 59, 69, 134, 16641, 20138, 20961, 30017, 30378, 30635, 30899, 40125),
    "mail": (),
    "quic": (34, 1130, 1418),
    "upstreams": (32, 70, 84, 141, 187, 310, 673, 979),
}
"""Seeds whose configurations once showed a fault of the model."""
FRESH = {"servers": 8, "mail": 3, "quic": 2, "upstreams": 4}


def fresh(count: int) -> range:
    """Seeds that no earlier day has drawn."""
    first = 10_000 + (date.today() - date(2026, 1, 1)).days * count
    return range(first, first + count)


@pytest.mark.parametrize("kind", random_runs.KINDS)
def test_what_is_seen_is_what_was_predicted(kind: str, generation: dict[str, Any], full: bool) -> None:
    mine = next(g for g in installed() if g.name == generation["name"])
    seeds = range(1000) if full else [*FINDERS[kind], *fresh(FRESH[kind])]
    figures = random_runs.run(mine, iter(seeds), kind, stop=3)
    assert not figures.told, "\n\n".join(figures.told)
    assert figures.drawn
