"""The static handshake against real nginx: random configurations, compared field by field.

A sample of seeds here; any number with ``python tests/conformance/handshakes.py --seeds 0-999``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import handshakes
from generations import installed


def test_what_a_client_sees_is_what_was_predicted(generation: dict[str, Any], full: bool) -> None:
    mine = next(g for g in installed() if g.name == generation["name"])
    count, differences = handshakes.run(mine, iter(range(1000 if full else 12)), stop=3)
    assert not differences, "\n\n".join(differences)
    assert count
