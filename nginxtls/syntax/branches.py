"""The branches of a template's conditionals, followed by the parser as it passes their tags."""

from __future__ import annotations

from dataclasses import dataclass, field
from sys import maxsize
from typing import TYPE_CHECKING, Literal, Protocol

from nginxtls.base.lazy import NamedTuple

if TYPE_CHECKING:
    from nginxtls.syntax.tree import Directive

Branch = tuple[tuple[int, int], ...]

MAX_CONDITIONS = 64
"""Of more conditions around a directive only the outermost are kept."""


class Tag(NamedTuple):
    """A tag between statements: its offset, and the branch that it opens or changes to, or ``"end"``."""

    start: int
    kind: Literal["open", "other", "end"]
    branch: Branch = ()


class Blocks(Protocol):
    """What the parser lets a tag do to it."""

    open: list[Directive]

    def go_to(self, open_blocks: list[Directive]) -> None: ...

    def leave_open(self, blocks: list[Directive], offset: int) -> None: ...


@dataclass(slots=True)
class _Frame:
    """An open conditional: the branch around it, the blocks open at its start and at the end of its first branch."""

    around: Branch
    before: list[Directive] | None
    after: list[Directive] | None = None


@dataclass(slots=True)
class Branches:
    """The tags of one text in order, and the branch in which the parser is."""

    tags: list[Tag]
    current: Branch = ()
    next: int = maxsize
    """The offset of the next tag."""
    _passed: int = 0
    _frames: list[_Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.next = self.tags[0].start if self.tags else maxsize

    def enter(self, blocks: Blocks, offset: int) -> None:
        """Pass all tags up to an offset. Each branch starts with the blocks that were open before the conditional.

        After it, the parser goes on with what the first branch left open; of blocks that another branch leaves open it
        is not known what else comes into them.
        """
        tags = self.tags
        while self._passed < len(tags) and tags[self._passed].start <= offset:
            tag = tags[self._passed]
            self._passed += 1
            if tag.kind == "open":
                self._frames.append(_Frame(self.current, _open_in(blocks)))
                self.current = (self.current + tag.branch)[:MAX_CONDITIONS]
            elif self._frames:
                frame = self._frames[-1]
                if frame.after is None:
                    frame.after = _open_in(blocks)
                else:
                    blocks.leave_open([block for block in blocks.open if block not in frame.after], tag.start)
                if tag.kind == "other":
                    if frame.before is not None:
                        blocks.go_to(list(frame.before))
                    self.current = (frame.around + tag.branch)[:MAX_CONDITIONS]
                else:
                    self._frames.pop()
                    if frame.after is not None and blocks.open != frame.after:
                        blocks.go_to(frame.after)
                    self.current = frame.around
        self.next = tags[self._passed].start if self._passed < len(tags) else maxsize

    def finish(self, blocks: Blocks) -> None:
        """Pass the tags that are left at the end of the text."""
        self.enter(blocks, maxsize)


def _open_in(blocks: Blocks) -> list[Directive] | None:
    """The blocks that are open; None for more than any configuration has: branches then are not told apart."""
    return list(blocks.open) if len(blocks.open) <= MAX_CONDITIONS else None
