"""Masks a template's tags so that the rest can be parsed: same length, expressions unknown, tags blank."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from zlib import crc32

from nginxtls.syntax.branches import MAX_CONDITIONS, Branches
from nginxtls.syntax.branches import Tag as BranchTag
from nginxtls.syntax.templates.scanning import scan
from nginxtls.syntax.tree import Condition, Problem, SourceFile
from nginxtls.syntax.words import FILL, MASK

if TYPE_CHECKING:
    from nginxtls.syntax.branches import Branch
    from nginxtls.syntax.templates.tags import Tag

_OPENING = frozenset({"if", "case", "loop", "hide", "shown"})
_MIDDLE = frozenset({"elif", "else", "when"})

_STEP = re.compile(r"""[ \t\r\n]+ | \\.? | \$\{* | ["';{}\#] | [^ \t\r\n\\$"';{}\#]+""", re.VERBOSE | re.DOTALL)
_VARIABLE = re.compile(r"\$?\{?([A-Za-z_]\w*)(?:[:-][^{}]*)?\}?")
_LINE_END = re.compile(r"[ \t]*(?:\r?\n|\Z|\{%|\{\{-?\s*(?:end|if|else|range|/|#)|<%[^=]|\})")


def mask_tags(file: SourceFile) -> Branches | None:
    """Mask the tags of a file, if there are any after all."""
    engines: set[str] = set()
    unclosed: list[int] = []
    tags = list(scan(file.masked, engines, unclosed))
    if all(tag.kind == "code" for tag in tags):
        return None
    file.engines = tuple(sorted(engines)) or ("jinja",)
    file.defaults, file.conditions = {}, {}
    for start in unclosed[:10]:
        file.problems.append(Problem("the template tag is never closed", start, start + 2, "close it", fatal=False))
    masker = _Masker(file, tags)
    masker.run()
    file.masked = masker.text()
    return Branches(masker.events) if masker.events else Branches([])


@dataclass(slots=True)
class _State:
    """The state of nginx's grammar at a place."""

    inside: bool = False
    """Inside a directive: after its first word, before its terminator."""
    word: bool = False
    quote: str = ""
    comment: bool = False
    ended: int = 0
    """How many terminators were passed."""


@dataclass(slots=True)
class _Open:
    """A tag that waits for its end, and what was noted when it was met."""

    tag: Tag
    edits: int
    events: int
    ended: int
    noted: bool
    """It is between directives and was noted as the start of a branch."""
    before: Branch = ()
    """The conditions of the branches before this one, all denied."""


@dataclass(slots=True)
class _Masker:
    file: SourceFile
    tags: list[Tag]
    events: list[BranchTag] = field(default_factory=list)
    edits: list[tuple[int, int, Literal["blank", "unknown"]]] = field(default_factory=list)
    state: _State = field(default_factory=_State)
    stack: list[_Open] = field(default_factory=list)

    def run(self) -> None:
        ends = self.match_ends()
        position = 0
        number = 0
        tags = self.tags
        while number < len(tags):
            tag = tags[number]
            self.read(position, tag.start)
            position = tag.end
            if tag.kind == "code":
                pass
            elif tag.kind == "value":
                self.value(tag)
            elif tag.kind == "hide" and number in ends:
                number = ends[number]
                position = tags[number].end
                self.edit(tag.start, position, "blank")
            elif tag.kind in _OPENING:
                if number in ends and (skipped := self.open(tag, number, ends[number])):
                    number = skipped
                    position = tags[number].end
                else:
                    self.edit(tag.start, tag.end, "blank")
            elif tag.kind in _MIDDLE or tag.kind == "end":
                if self.stack and number in ends and (skipped := self.middle(tag, number, ends[number])):
                    number = skipped
                    position = tags[number].end
                else:
                    self.edit(tag.start, tag.end, "blank")
            else:
                self.edit(tag.start, tag.end, "blank")
            number += 1

    def match_ends(self) -> dict[int, int]:
        """For each tag of a conditional or loop, the number of the tag that ends it, if one does."""
        found: dict[int, int] = {}
        stack: list[list[int]] = []
        for number, tag in enumerate(self.tags):
            if tag.kind in _OPENING:
                stack.append([number])
            elif tag.kind in _MIDDLE and stack:
                stack[-1].append(number)
            elif tag.kind == "end":
                if stack:
                    found.update(dict.fromkeys((*stack.pop(), number), number))
                else:
                    self.problem("the template tag closes nothing", tag)
        for members in stack[:10]:
            self.problem("the template's condition or loop is never closed", self.tags[members[0]])
        return found

    def problem(self, message: str, tag: Tag) -> None:
        self.file.problems.append(Problem(message, tag.start, tag.end, fatal=False))

    # -- nginx's text between the tags ------------------------------------------------------------------------------

    def read(self, position: int, end: int) -> None:
        """Follow nginx's grammar through a stretch of text."""
        text, state = self.file.masked, self.state
        while position < end:
            if state.comment:
                line = text.find("\n", position, end)
                if line < 0:
                    return
                state.comment = False
                position = line
            if state.quote:
                found = re.compile(r"\\.|" + state.quote, re.DOTALL).search(text, position, end)
                if found is None:
                    return
                position = found.end()
                if found[0] == state.quote:
                    state.quote = ""
                    state.word = False
                continue
            match = _STEP.match(text, position, end)
            assert match is not None
            position = match.end()
            step = match[0]
            if step[0] in " \t\r\n":
                state.word = False
            elif step in ";{" or (step == "}" and not state.word):
                state.inside = state.word = False
                state.ended += 1
            elif step in "\"'" and not state.word:
                state.quote = step
                state.inside = True
            elif step == "#" and not state.word:
                state.comment = True
            else:
                state.inside = state.word = True

    def value(self, tag: Tag) -> None:
        """An expression: unknown text, a word or a part of one, or lines of their own."""
        state = self.state
        if state.comment:
            self.edit(tag.start, tag.end, "blank")
            return
        self.edit(tag.start, tag.end, "unknown")
        default = tag.default
        if self.file.variables and (named := _VARIABLE.fullmatch(tag.text)):
            default = self.file.variables.get(named[1], default)
        if default is not None and '"' not in default and "'" not in default:
            self.file.defaults[tag.start] = default
        if not state.inside and _LINE_END.match(self.file.masked, tag.end):
            return
        if not state.quote:
            state.inside = state.word = True

    # -- conditionals and loops -------------------------------------------------------------------------------------

    def open(self, tag: Tag, number: int, last: int) -> int:
        """Enter a conditional or loop; give back the number of the tag to go on after, if its inside is done with."""
        state = self.state
        if state.comment and "\n" not in self.file.masked[tag.end : self.tags[last].start]:
            self.edit(tag.start, self.tags[last].end, "blank")
            return last
        if not state.inside or tag.kind == "shown":
            noted = tag.kind != "shown"
            self.stack.append(_Open(tag, len(self.edits), len(self.events), state.ended, noted))
            if noted:
                self.note(tag, "open")
            return 0
        if state.quote or not re.search(r"[;{}]", self.literal_text(number, last)):
            self.unknown_region(tag, self.tags[last])
            return last
        self.stack.append(_Open(tag, len(self.edits), len(self.events), state.ended, noted=False))
        return 0

    def middle(self, tag: Tag, number: int, last: int) -> int:
        """Go from one branch to the next, or out of the last."""
        state, opened = self.state, self.stack[-1]
        if (
            opened.tag.kind == "case"
            and tag.kind == "when"
            and not opened.before
            and len(self.events) == opened.events + 1
        ):
            state.inside = state.word = False
        if opened.tag.kind == "shown" or not opened.noted:
            self.stack.pop()
            if tag.kind == "end":
                return 0
            # A directive that goes on after the alternatives, with its end in each: the first is taken.
            self.edit(tag.start, self.tags[last].end, "blank")
            return last
        if state.inside and not state.comment:
            self.stack.pop()
            del self.events[opened.events :]
            if state.ended == opened.ended and not state.quote:
                # Alternative beginnings of one directive: its first word may be known, the rest is not.
                del self.edits[opened.edits :]
                self.begun_region(opened.tag, self.tags[last])
                return last
            self.edit(tag.start, self.tags[last].end, "blank")
            return last
        if tag.kind == "end":
            self.stack.pop()
            self.note(tag, "end")
        else:
            self.note(tag, "other")
        return 0

    def note(self, tag: Tag, kind: Literal["open", "other", "end"]) -> None:
        """Note a branch's start or end for the parser."""
        branch: Branch = ()
        if kind != "end":
            opened = self.stack[-1]
            if tag.kind != "else" and tag.kind != "case":
                text = tag.text
                if tag.kind == "when":
                    text = f"{opened.tag.text} is {tag.text}"
                elif tag.kind == "loop":
                    text = f"loop {tag.start} {tag.text}"
                key = crc32(" ".join(text.split()).encode("utf-8", "replace"))
                self.file.conditions.setdefault(key, Condition(tag.text, tag.start))
                holds = int(tag.negated)
                branch = (*opened.before, (key, holds))
                opened.before = (*opened.before, (key, 1 - holds))[:MAX_CONDITIONS]
            else:
                branch = opened.before
        self.events.append(BranchTag(tag.start, kind, branch))

    def literal_text(self, first: int, last: int) -> str:
        """The text between two tags without the tags in between."""
        text, tags = self.file.masked, self.tags
        return " ".join(text[tags[number].end : tags[number + 1].start] for number in range(first, last))

    def unknown_region(self, first: Tag, last: Tag) -> None:
        """A conditional inside a directive or a string: unknown; blanks at its edges still separate words."""
        text = self.file.masked
        start, end = first.start, last.end
        if not self.state.quote:
            if text[first.end : first.end + 1].isspace():
                self.edit(start, first.end, "blank")
                start = first.end + (first.end + 1 < last.start)
            if text[last.start - 1].isspace() and last.start > start:
                self.edit(start, last.start - 1, "unknown")
                self.edit(last.start - 1, end, "blank")
                self.state.word = False
                return
            self.state.word = True
        self.edit(start, end, "unknown")

    def begun_region(self, first: Tag, last: Tag) -> None:
        text = self.file.masked
        self.edit(first.start, first.end, "blank")
        word = re.compile(r"\s*[A-Za-z_]\w*(?=[ \t])").match(text, first.end, last.start)
        start = first.end
        if word:
            start = word.end() + 1
        self.edit(start, last.end, "unknown")
        self.state.word = True

    # -- the masked text --------------------------------------------------------------------------------------------

    def edit(self, start: int, end: int, how: Literal["blank", "unknown"]) -> None:
        if start < end:
            self.edits.append((start, end, how))

    def text(self) -> str:
        """The text with all edits made."""
        text = self.file.masked
        parts: list[str] = []
        position = 0
        for start, end, how in self.edits:
            parts.append(text[position:start])
            parts.append(" " * (end - start) if how == "blank" else MASK + FILL * (end - start - 1))
            position = end
        parts.append(text[position:])
        return "".join(parts)
