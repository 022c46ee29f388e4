"""What a command is doing, in one line of the terminal; nothing where standard error is not one."""

from __future__ import annotations

import sys
import time

from nginxtls.base.printing import shown

_PAUSE = 0.1
"""Seconds between two counts."""
_PATIENCE = 2
"""Seconds after which the time left is estimated."""
_LONGEST = 100


class Progress:
    """Shows each step in a line that the next one overwrites; an empty step clears it."""

    def __init__(self, visible: bool) -> None:
        self._visible = visible
        self._stage = ""
        self._started = self._last = 0.0

    def __call__(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Show a step; ``done`` of ``total`` are its count, with the time left after two seconds."""
        if not self._visible:
            return
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._started = stage, now
        elif now - self._last < _PAUSE:
            return
        self._last = now
        text = f"{stage}: {done:,} of {total:,}" if total else stage
        seconds = now - self._started
        if done and total and seconds > _PATIENCE:
            text += f", about {max(1, round(seconds * (total - done) / done))} s left"
        print(f"\r\x1b[K{shown(text[:_LONGEST])}", end="\r", file=sys.stderr, flush=True)
