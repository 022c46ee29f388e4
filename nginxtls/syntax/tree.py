"""The tree of directives: the content of the files, with the exact place of every word."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple, cached_property, pattern
from nginxtls.base.limits import LIMITS
from nginxtls.base.memo import Memo
from nginxtls.base.secrets import hide
from nginxtls.syntax.words import UNKNOWN, read_statement, word_places

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

__all__ = ["UNKNOWN", "Comment", "Condition", "Directive", "Gap", "Problem", "SourceFile", "Span", "Tree"]


LONG = 1000
"""Characters of a statement that is not read again and again: there may be a finding on each of its words."""
_NOTHING: frozenset[str] = frozenset()
_NO_VARIABLES: dict[str, str] = {}
_NO_DEFAULTS: dict[int, str] = {}
_NO_CONDITIONS: dict[int, Condition] = {}
_LINE_END = pattern(r"\r\n?|\n")


class Span(NamedTuple):
    """A stretch of text: lines and columns in characters, 1-based, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Comment(NamedTuple):
    """A comment from ``#`` to the end of its line; ``start`` and ``end`` are offsets into the file's text."""

    start: int
    end: int
    text: str


class Problem(NamedTuple):
    """Why a file, or a part of it, could not be read as nginx would read it. ``start``/``end``: offsets, or None."""

    message: str
    start: int | None = None
    end: int | None = None
    help: str = ""
    fatal: bool = True
    """nginx would not start with this, or the file could not be read at all."""


class Condition(NamedTuple):
    """A condition of a template. A directive in its branch 0 is there if it holds, in its branch 1 if it does not."""

    text: str
    start: int


class SourceFile:
    """A file's text and its directives. ``name`` is the name shown to people; ``path`` is its real path, if any.

    ``raw`` is what was read, BOM and CR included. ``text`` has the same length and its key material hidden (see
    ``base/secrets.py``); only what writes files uses ``raw``. Offsets are those of both, in characters.

    A template's text is parsed as ``masked``, of the same length: of an expression nothing is left, each tag and each
    template comment is blank. ``defaults`` has what the template itself gives for an expression, as in
    ``{{ x | default('on') }}``, by the offset at which the expression starts: these are in ``Directive.args``, and
    such a directive is ``likely``.
    """

    __slots__ = (
        "_comments",
        "_directives",
        "_includes",
        "_line_starts",
        "_parse",
        "conditions",
        "defaults",
        "engines",
        "first_line",
        "host",
        "masked",
        "name",
        "nginx_path",
        "outer",
        "path",
        "problems",
        "raw",
        "recent",
        "text",
        "variables",
    )

    def __init__(self, name: str, text: str, path: str | None = None, nginx_path: str | None = None) -> None:
        self.name = hide(name)
        self.raw = text
        self.text = self.masked = hide(text)
        self.path = path
        self.nginx_path = nginx_path
        """The path under which nginx would know the file, where that differs from ``path`` (dumps, mapped roots)."""
        self.first_line = 1
        """The line of ``name`` on which ``text`` starts (more than 1 for a configuration inside another file)."""
        self.outer: tuple[str, int] | None = None
        """For a file of a dump: the dump's name, and how many of its lines precede this file's first."""
        self.host = ""
        """For a file of a dump: the dump's name, with a number for its second and later hosts."""
        self.engines: tuple[str, ...] = ()
        """The template languages found in it: ``"jinja"``, ``"erb"``, ``"go"``, ``"envsubst"``, ``"placeholder"``."""
        self.defaults = _NO_DEFAULTS
        self.variables: Mapping[str, str] = _NO_VARIABLES
        """Likely values of a template's variables, from the environment of its container."""
        self.conditions = _NO_CONDITIONS
        """What the numbers in ``Directive.branch`` mean."""
        self.problems: list[Problem] = []
        self.recent = Memo(64)
        """What is worked out of its text again and again for the same directive."""
        self._directives: list[Directive] | None = []
        self._includes: list[Directive] = []
        self._comments: array[int] | None = None
        self._line_starts: array[int] | None = None
        self._parse: Callable[[SourceFile], None] | None = None

    @property
    def directives(self) -> list[Directive]:
        """The directives outside of all blocks."""
        found = self._directives
        return self._parse_again() if found is None else found

    @property
    def includes(self) -> list[Directive]:
        """All include directives of the file, in order."""
        if self._directives is None:
            self._parse_again()
        return self._includes

    @property
    def comments(self) -> list[Comment]:
        """All comments in order."""
        if self._directives is None:
            self._parse_again()
        places = iter(self._comments or ())
        return [
            Comment(start, end, self.text[start:end].rstrip("\r")) for start, end in zip(places, places, strict=True)
        ]

    def add_comment(self, start: int, end: int) -> None:
        """Note a comment between two offsets."""
        if self._comments is None:
            self._comments = array("L")
        self._comments.extend((start, end))

    def forget(self, parse: Callable[[SourceFile], None]) -> None:
        """Drop the directives, which ``parse`` makes again of the text where they are needed: there may be 100,000
        files, and directives take ten times the memory of their text. Problems, names and places stay.

        What has directives of the file must not be used any more: others take their place.
        """
        pending = [self._directives or []]
        while pending:
            for directive in pending.pop():
                directive.parent = None  # no circles: the command collects none
                if directive.block:
                    pending.append(directive.block)
        self._directives = self._comments = self._line_starts = None
        self._includes = []
        self.recent.clear()
        self._parse = parse

    def _parse_again(self) -> list[Directive]:
        assert self._parse is not None
        problems, self.problems = self.problems, []
        found = self._directives = []
        self._parse(self)
        self.problems = problems
        return found

    def walk(self, hidden: Collection[Directive] = ()) -> Iterator[Directive]:
        """Every directive of the file but these, blocks' contents after their block, includes not followed."""
        pending = [iter(self.directives)]
        while pending:
            for directive in pending[-1]:
                if directive in hidden:
                    continue
                yield directive
                if directive.block:
                    pending.append(iter(directive.block))
                    break
            else:
                pending.pop()

    def __repr__(self) -> str:
        return f"SourceFile({self.name!r})"

    @property
    def line_starts(self) -> Sequence[int]:
        """Offsets at which lines begin. A line ends with LF, CRLF or a lone CR."""
        starts = self._line_starts
        if starts is None:
            starts = self._line_starts = array("L", [0, *(end.end() for end in _LINE_END.finditer(self.text))])
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column (1-based) of an offset."""
        starts = self.line_starts
        line = bisect_right(starts, offset)
        column = offset - starts[line - 1] + 1
        if line == 1 and self.text.startswith("\ufeff"):
            column -= 1
        return line + self.first_line - 1, max(column, 1)

    def span(self, start: int, end: int) -> Span:
        """The span between two offsets."""
        return Span(*self.position(start), *self.position(end))

    def line_text(self, line: int) -> str:
        """The text of a line (1-based, in the numbering of ``position``) without its end."""
        index = line - self.first_line
        starts = self.line_starts
        if not 0 <= index < len(starts):
            return ""
        end = starts[index + 1] if index + 1 < len(starts) else len(self.text)
        return self.text[starts[index] : end].rstrip("\r\n").removeprefix("\ufeff")

    def removal_span(self, directive: Directive) -> Span:
        """What to cut to remove a directive: it and its terminator, and the whole line if it is alone there."""
        start, end = directive.start, directive.end
        text = self.text
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", end)
        line_end = len(text) if line_end < 0 else line_end + 1
        if not text[line_start:start].strip() and not text[end:line_end].strip():
            return self.span(line_start, line_end)
        return self.span(start, end)


class Directive:
    """A directive as written: its words with their places, its block, its parent.

    ``args`` are the words after the name, unquoted and unescaped as nginx does it; ``UNKNOWN`` replaces
    template text (a whole directive of that name and no arguments is a line that may become anything). The parentheses
    around the condition of an ``if`` are taken away; the code of a Lua block is one argument.
    ``start`` is the offset of the name, ``end`` the offset after ``;`` (or after ``}`` for a block).
    ``branch`` names the branches of template conditionals it is in: ``((condition id, 0 if it holds, else 1), …)``.
    Two directives exclude each other if their branches give one condition different numbers.
    Compared and hashed by identity. The places of its words are found again from the text when they are needed.
    """

    __slots__ = ("_end", "args", "block", "branch", "file", "name", "parent", "start")

    def __init__(
        self, name: str, args: tuple[str, ...], file: SourceFile, start: int, end: int, parent: Directive | None
    ) -> None:
        self.name = name
        self.args = args
        self.file = file
        self.start = start
        self._end = end
        self.parent = parent
        self.block: list[Directive] | None = None
        self.branch: tuple[tuple[int, int], ...] = ()

    def __repr__(self) -> str:
        return f"<{' '.join((self.name, *self.args))} at {self.file.name}:{self.line}>"

    @property
    def end(self) -> int:
        """The offset after the terminator; kept for blocks and long statements, found again for the many others."""
        if self._end:
            return self._end
        end = read_statement(self.file.masked, self.start).end
        if end - self.start > LONG:
            self._end = end
        return end

    @end.setter
    def end(self, offset: int) -> None:
        self._end = offset

    @property
    def terminated(self) -> bool:
        """A block, or ended by ``;``. Where the end is not kept, ``;`` was read, and the text is not read again."""
        return self.block is not None or not self._end or self.end > self.words[-1][1]

    @property
    def line(self) -> int:
        """The line of the name, from 1."""
        return self.file.position(self.start)[0]

    @property
    def column(self) -> int:
        """The column of the name, from 1."""
        return self.file.position(self.start)[1]

    @property
    def words(self) -> list[tuple[int, int]]:
        """The offsets of the name and of each argument, quotes included."""
        return self.file.recent(self, lambda: _words_of(self))

    @property
    def name_end(self) -> int:
        """The offset after the name."""
        return self.words[0][1]

    @property
    def arg_starts(self) -> tuple[int, ...]:
        """The offsets at which the arguments start."""
        return tuple(start for start, _ in self.words[1:])

    @property
    def span(self) -> Span:
        """From the name to the last argument, without the terminator or the block."""
        return self.file.span(self.start, self.words[-1][1])

    @property
    def name_span(self) -> Span:
        """The span of the name."""
        return self.file.span(self.start, self.name_end)

    def arg_span(self, index: int) -> Span:
        """The span of an argument, quotes included; of one that is missing, the directive's."""
        return self.file.span(*self.words[index + 1]) if 0 <= index < len(self.args) else self.span

    def arg_text(self, index: int) -> str:
        """An argument as written, quotes included; empty if it is missing."""
        start, end = self.words[index + 1] if 0 <= index < len(self.args) else (0, 0)
        return self.file.text[start:end]

    def written(self, text: str, arg: int | None = None) -> str:
        """A text that has values of the arguments in it, for people: ``${NAME}`` of the template where one is unknown.

        ``arg`` is the number of the argument that the text comes from, if it is known.
        """
        if UNKNOWN not in text:
            return text
        from nginxtls.syntax.written import as_written

        return as_written(self, text, arg)

    @property
    def likely(self) -> bool:
        """The arguments contain a default of the template."""
        defaults = self.file.defaults
        return bool(defaults) and any(place in defaults for start, end in self.words for place in range(start, end))

    @property
    def known(self) -> bool:
        """No template text in the arguments."""
        return not self.file.engines or not any(UNKNOWN in arg for arg in self.args)


class Gap(NamedTuple):
    """A file that an include names and that is not read. ``missing``: for nginx there is no such file either."""

    path: str
    """As nginx has it; empty where the include names no file."""
    reason: str
    missing: bool = False
    stock: bool = False
    """It comes with nginx or a distribution and holds no TLS, so that nothing is unknown without it."""


class Level(NamedTuple):
    """The lines of a block, those of its includes among them, by name; ``left_out`` are the names of those that a
    template may add."""

    own: dict[str, Sequence[Directive]]
    left_out: frozenset[str]


def _words_of(directive: Directive) -> list[tuple[int, int]]:
    if not directive.args and directive.name.strip(UNKNOWN) == "":
        return [(directive.start, directive.end)]
    return word_places(directive.file, directive.start, directive.name, len(directive.args))


class Tree:
    """All the files of one configuration. ``roots`` are those that nginx (or the user) starts from."""

    def __init__(self, roots: list[SourceFile], files: list[SourceFile]) -> None:
        self.roots = roots
        self.files = files
        self.includes: dict[Directive, tuple[SourceFile, ...]] = {}
        """What each include directive brings in, in nginx's order. One that is not here could not be followed."""
        self.unresolved: dict[Directive, tuple[Gap, ...]] = {}
        """Includes that could not be followed, or not in full: every file that is not read."""
        self.names_left = LIMITS["names"]
        """How many files its includes may still bring in, each include counted, or look at in a dump."""
        self._names_in: dict[SourceFile, frozenset[str]] = {}
        self._levels: dict[int, tuple[Sequence[Directive], Level]] = {}
        self.holds: frozenset[tuple[int, int]] | None = None
        """Of a template, the branches that are there (see ``Directive.branch``); None: all of them."""
        self.hidden: frozenset[Directive] = frozenset()
        """Blocks that are taken as if they were not there."""

    def without(self, blocks: Iterable[Directive]) -> Tree:
        """The same tree as if these blocks were not there."""
        tree = self.variant(self.holds)
        tree.hidden = self.hidden.union(blocks)
        return tree

    def variant(self, holds: frozenset[tuple[int, int]] | None) -> Tree:
        """The same tree with only these branches of its templates."""
        tree = Tree(self.roots, self.files)
        tree.includes, tree.unresolved, tree.holds = self.includes, self.unresolved, holds
        return tree

    @cached_property
    def by_name(self) -> dict[str, list[Directive]]:
        """All directives of all files, each once, by name."""
        found: dict[str, list[Directive]] = {}
        for file in self.files:
            for directive in file.walk(self.hidden):
                found.setdefault(directive.name, []).append(directive)
        return found

    def names_in(self, file: SourceFile) -> frozenset[str]:
        """The names of all directives in a file and in what it includes."""
        found = self._names_in.get(file)
        if found is None:
            self._names_in[file] = _NOTHING  # an include that leads back adds nothing
            names = {directive.name for directive in file.walk()}
            for include in file.includes:
                for other in self.includes.get(include, ()):
                    names |= self.names_in(other)
            found = self._names_in[file] = frozenset(names)
        return found

    def shows(self, directive: Directive) -> bool:
        """Whether all conditions of a directive hold."""
        return self.holds is None or not directive.branch or self.holds.issuperset(directive.branch)

    def level(self, directives: Sequence[Directive]) -> Level:
        """The lines of a block by name, worked out once: each build of nginx that is looked at has the same."""
        known = self._levels.get(id(directives))
        if known is None or known[0] is not directives:
            known = self._levels[id(directives)] = directives, self._level(directives)
        return known[1]

    def _level(self, directives: Sequence[Directive]) -> Level:
        own = _by_name(directives)
        if "include" in own or self.holds is not None or self.hidden:
            own = _by_name(self.expand(directives))
        left_out = self._left_out(directives)
        return Level(own, left_out | {UNKNOWN} if UNKNOWN in "".join(own) else left_out)

    def _left_out(self, directives: Iterable[Directive]) -> frozenset[str]:
        """The names of those directives, and of what they include, that are not shown and yet may be there."""
        if self.holds is None:
            return _NOTHING
        return frozenset(
            directive.name
            for directive in self._expand(directives, all_branches=True)
            if not self.shows(directive)
            and not any((key, 1 - number) in self.holds for key, number in directive.branch)
        )

    def expand(self, directives: Iterable[Directive]) -> Iterator[Directive]:
        """The directives in nginx's order, each include replaced by what it brings in."""
        if not (self.includes or self.hidden) and self.holds is None:
            yield from directives
            return
        yield from self._expand(directives)

    def _expand(self, directives: Iterable[Directive], *, all_branches: bool = False) -> Iterator[Directive]:
        whole = all_branches or self.holds is None
        for directive in directives:
            if directive in self.hidden or not (whole or self.shows(directive)):
                continue
            if directive.name != "include" or directive not in self.includes:
                yield directive
                continue
            if any(not (gap.stock or gap.missing) for gap in self.unresolved.get(directive, ())):
                yield directive  # some of what it names is not known
            for file in self.includes[directive]:
                yield from self._expand(file.directives, all_branches=all_branches)


def _by_name(directives: Iterable[Directive]) -> dict[str, Sequence[Directive]]:
    """The directives of a level by name. Most names occur once, and a tuple of one is made sooner than a list."""
    own: dict[str, Sequence[Directive]] = {}
    for directive in directives:
        name = directive.name
        lines = own.get(name)
        if lines is None:
            own[name] = (directive,)
        elif isinstance(lines, list):
            lines.append(directive)
        else:
            own[name] = [*lines, directive]
    return own
