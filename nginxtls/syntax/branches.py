"""The branches of a template's conditionals, followed by the stream as it passes their tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from sys import maxsize
from typing import Any, Literal, Protocol

from nginxtls.base.lazy import NamedTuple

Branch = tuple[tuple[int, int], ...]

MAX_CONDITIONS = 64
"""Of more conditions around a directive only the outermost are kept."""


Block = tuple[int, str, tuple[Any, ...]]
"""An open block: the offset of its name, the name, and the tokens that reopen it."""


class HasBlocks(Protocol):
    """What reads the text: it can be put back to the blocks that were open at another place."""

    open: list[Block]

    def go_to(self, blocks: list[Block]) -> None:
        """Go on with these blocks open."""

    def leave_open(self, kept: list[Block], offset: int) -> None:
        """Note at an offset that blocks other than these stay open in one of the branches."""


class Tag(NamedTuple):
    """A tag between statements: its offset, and the branch that it opens or changes to, or ``"end"``."""

    start: int
    kind: Literal["open", "other", "end"]
    branch: Branch = ()


@dataclass(slots=True)
class _Frame:
    """An open conditional: the branch around it, the blocks open at its start and at the end of its first branch.

    None for more blocks than any configuration has: branches then are not distinguished.
    """

    around: Branch
    before: list[Block] | None
    after: list[Block] | None = None


@dataclass(slots=True)
class Branches:
    """The tags of one text in order, and the branch in which the stream is."""

    tags: list[Tag]
    current: Branch = ()
    next: int = maxsize
    """The offset of the next tag."""
    _passed: int = 0
    _frames: list[_Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.next = self.tags[0].start if self.tags else maxsize

    def enter(self, stream: HasBlocks, offset: int) -> None:
        """Pass all tags up to an offset. Each branch starts with the blocks that were open before the conditional.

        After it, the stream goes on with what the first branch left open; of blocks that another branch leaves open it
        is not known what else comes into them.
        """
        tags = self.tags
        while self._passed < len(tags) and tags[self._passed].start <= offset:
            tag = tags[self._passed]
            self._passed += 1
            here = list(stream.open)
            countable = here if len(here) <= MAX_CONDITIONS else None
            if tag.kind == "open":
                self._frames.append(_Frame(self.current, countable))
                self.current = (self.current + tag.branch)[:MAX_CONDITIONS]
            elif self._frames:
                frame = self._frames[-1]
                if frame.after is None:
                    frame.after = countable
                else:
                    stream.leave_open(frame.after, tag.start)
                if tag.kind == "other":
                    stream.go_to(here if frame.before is None else frame.before)
                    self.current = (frame.around + tag.branch)[:MAX_CONDITIONS]
                else:
                    self._frames.pop()
                    stream.go_to(here if frame.after is None else frame.after)
                    self.current = frame.around
        self.next = tags[self._passed].start if self._passed < len(tags) else maxsize
