"""The work of a worker that an item named ``kills`` ends, as a fault in a library would."""

from __future__ import annotations

import os

from nginxtls.fleet import work as real
from nginxtls.fleet.work import Done, Task


def work(task: Task) -> Done:
    _end(task)
    return real.work(task)


def try_alone(task: Task) -> None:
    _end(task)
    real.try_alone(task)


def _end(task: Task) -> None:
    if any("kills" in item.name and item.name not in task.killers for item, _ in task.items):
        os._exit(1)
