"""Closed pipes and sockets, for commands that keep connections of their own."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def closed_peers_are_errors() -> Iterator[None]:
    """Writing to a connection whose peer is gone raises ``BrokenPipeError``; elsewhere SIGPIPE ends a command."""
    if not hasattr(signal, "SIGPIPE"):
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)
