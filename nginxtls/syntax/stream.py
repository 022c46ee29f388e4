"""From a text to the tokens that crossplane's parser reads: whatever is wrong with the text, the stream is complete.

A token is what ``crossplane.lexer.lex`` yields: text, line, quoted. Every word is marked as quoted, so that none is
read as a terminator or comment; the line is the *offset*, which crossplane copies into its AST. What nginx would refuse
is reported in ``SourceFile.problems`` and completed here: a missing ``;`` or ``}`` is added, a stray one left out.

Most directives match one regular expression as a whole; only those with escapes, comments, several lines or other
characters than ASCII are read word by word. Nothing here recurses.
"""

from __future__ import annotations

import re
from sys import intern, maxsize
from typing import TYPE_CHECKING

from nginxtls.syntax.tree import Problem
from nginxtls.syntax.words import LUA_BLOCK, MASK, UNKNOWN, end_of_lua_block, read_statement, values

if TYPE_CHECKING:
    from nginxtls.syntax.branches import Block, Branch, Branches
    from nginxtls.syntax.tree import SourceFile
    from nginxtls.syntax.words import Statement, Value

MAX_DEPTH = 200
"""The content of blocks nested deeper is ignored: crossplane recurses. nginx has no limit, but no one needs as many."""

MAX_PROBLEMS = 50
"""More faults in one file are not reported."""

MAX_SHARED, MAX_KNOWN = 100, 5_000
"""The tokens of so many directives of fewer characters are kept, for those of the same text; and as many arguments."""

_PLAIN = re.compile(
    r"""[ \t\r\n]*(?:
        ([!$-&(-:<-\[\]-z|~]+)(?=[ \t\r\n;{])       # 1–3 a directive: its name, words without escapes but in patterns
        ([\t\n\r !$-&(-:<-\[\]-z|~]*
            (?:(?:\\[.dDsSwW/?+*()|^-] | (?<=[ \t])(?:"[ !#-\[\]-~]*"|'[ -&(-\[\]-~]*')(?=[ \t;{]))
            [\t\n\r !$-&(-:<-\[\]-z|~]*)*)
        ([;{])
      | (\})                                          # 4 the end of a block
      | (\#[^\n]*)                                    # 5 a comment
      | (\Z)                                          # 6 the end of the text
    )""",
    re.VERBOSE,
)
_DIRECTIVE, _CLOSE, _COMMENT = 3, 4, 5
_WORD = re.compile(r""""([^"]*)"|'([^']*)'|([^ \t\r\n]+)""")
_UNKNOWN_LINE = re.compile(rf"[ \t\r\n]*((?:{MASK}[^ \t\r\n;{{}}#\"'{MASK}]*[ \t]*)+)(?=[\r\n#}}]|\Z)(?![ \t\r\n]*{{)")

Token = tuple[str, int, bool]
END, OPEN, CLOSE = (";", 0, False), ("{", 0, False), ("}", 0, False)

Plain = tuple[str, tuple[Token, ...], bool] | None
"""A directive's name, the tokens after it, and whether it opens a block; None if it is to be read word by word."""


class Known:
    """What directives of the same text have in common, in all files that are read with it: tokens and arguments.

    A fifth of the memory of the directives of many sites is saved by sharing arguments.
    """

    __slots__ = ("_arguments", "tokens")

    def __init__(self) -> None:
        self.tokens: dict[str, Plain] = {}
        self._arguments: dict[tuple[str, ...], tuple[str, ...]] = {}

    def arguments(self, words: list[str]) -> tuple[str, ...]:
        """The words, as the tuple that other directives have."""
        found = tuple(words)
        return self._arguments.get(found) or self._add(found)

    def _add(self, found: tuple[str, ...]) -> tuple[str, ...]:
        if len(self._arguments) < MAX_KNOWN:
            self._arguments[found] = found
        return found


def _plain(match: re.Match[str]) -> Plain:
    name, words, terminator = match.group(1, 2, 3)
    if "\n" in words or (terminator == "{" and (words[-1:] == "$" or name.endswith(LUA_BLOCK))):
        return None
    found = _WORD.findall(words) if '"' in words or "'" in words else [("", "", word) for word in words.split()]
    args = [(intern(double or single or bare), 0, True) for double, single, bare in found]
    return intern(name), (*args, OPEN if terminator == "{" else END), terminator == "{"


class Stream:
    """The tokens of a file, and what they cannot carry: where directives end, and in which branches they are."""

    def __init__(self, file: SourceFile, branches: Branches | None, known: Known) -> None:
        self.file, self.text, self.branches, self.known = file, file.masked, branches, known
        self.tokens: list[Token] = []
        self.ends: dict[int, int] = {}
        """By their starts, the ends of blocks and of directives without a terminator of their own."""
        self.places: dict[int, Branch] = {}
        """By their starts, the branches of directives, but for those in none."""
        self.open: list[Block] = []
        self.deep = 0
        """How many tokens there are up to the block that is nested too deep, if one is open."""

    def read(self) -> None:
        """Read the whole text. The common cases are written out here: this runs for every directive."""
        text, branches, known, match_plain = self.text, self.branches, self.known.tokens, _PLAIN.match
        tokens, opened, ends = self.tokens, self.open, self.ends
        next_tag = branches.next if branches else maxsize
        position = self.byte_order_mark()
        while True:
            match = match_plain(text, position)
            kind = match.lastindex if match else None
            if not match or not kind:
                position = self.read_slowly(position)
                next_tag = branches.next if branches else maxsize
                continue
            start = match.start(1 if kind == _DIRECTIVE else kind)
            if start >= next_tag:
                next_tag = self.pass_tags(start)
            if kind == _DIRECTIVE:
                whole = match[0]
                plain = known.get(whole)
                if plain is None:
                    plain = _plain(match)
                    if len(whole) < MAX_SHARED and len(known) < MAX_KNOWN:
                        known[whole] = plain
                    if plain is None:
                        position = self.read_slowly(start)
                        continue
                position = match.end()
                name, rest, opens = plain
                tokens.append((name, start, True))
                tokens += rest
                if branches and branches.current:
                    self.places[start] = branches.current
                if opens:
                    opened.append((start, name, rest))
                    if len(opened) > MAX_DEPTH:
                        self.check_depth()
                continue
            position = match.end()
            if kind == _CLOSE:
                if 0 < len(opened) <= MAX_DEPTH:
                    ends[opened.pop()[0]] = position
                    tokens.append(CLOSE)
                else:
                    self.close(position)
            elif kind == _COMMENT:
                tokens.append((match[_COMMENT], start, False))
            else:
                self.finish()
                return

    def byte_order_mark(self) -> int:
        """Where the text begins: after a byte order mark, which nginx reads as a part of the first word."""
        if not self.text.startswith("\ufeff"):
            return 0
        self.problem(
            "the file begins with a byte order mark, which nginx reads as part of the first word",
            0,
            1,
            "save the file as UTF-8 without a byte order mark",
        )
        return 1

    def pass_tags(self, start: int) -> int:
        """Follow a template's tags up to an offset; return that of the next."""
        if not self.branches:
            return maxsize
        if start >= self.branches.next:
            self.branches.enter(self, start)
        return self.branches.next

    # -- blocks -----------------------------------------------------------------------------------------------------

    def check_depth(self) -> None:
        """Note where the content of a block begins that is nested too deep; its ``{`` is in the tokens already."""
        if len(self.open) == MAX_DEPTH + 1:
            self.deep = len(self.tokens)
            start, name, _ = self.open[-1]
            message = f"blocks nested more than {MAX_DEPTH} deep are not checked"
            self.problem(message, start, start + len(name), fatal=False)

    def leave(self, end: int | None = None) -> None:
        """Close the innermost block, for good if it ends; what is nested too deep is dropped."""
        block = self.open.pop()
        if end is not None:
            self.ends[block[0]] = end
        if len(self.open) == MAX_DEPTH:
            del self.tokens[self.deep :]
        if len(self.open) <= MAX_DEPTH:
            self.tokens.append(CLOSE)

    def close(self, end: int) -> None:
        """A ``}`` in the text."""
        if self.open:
            self.leave(end)
        elif self.file.engines:
            self.problem('this "}" closes a block that is not opened in this template', end - 1, end)
        else:
            self.problem('unexpected "}": no block is open here', end - 1, end, 'remove this "}"')

    def go_to(self, blocks: list[Block]) -> None:
        """Go on inside the last of these blocks. One that was closed is opened again, at the offset that it has."""
        common = 0
        while common < min(len(blocks), len(self.open)) and blocks[common] == self.open[common]:
            common += 1
        while len(self.open) > common:
            self.leave()
        for block in blocks[common:]:
            start, name, rest = block
            self.tokens += ((name, start, True), *rest)
            self.open.append(block)

    def leave_open(self, kept: list[Block], offset: int) -> None:
        """Close the blocks that are not among these, and note that more comes into them, which is not known."""
        while self.open and self.open[-1] not in kept:
            self.ends[offset] = offset
            self.tokens += ((UNKNOWN, offset, True), END)
            self.leave()

    def finish(self) -> None:
        """Report and close the blocks that are still open at the end."""
        end = len(self.text)
        if self.branches:
            self.branches.enter(self, maxsize)
        if self.open and self.file.engines:
            start, name, _ = self.open[-1]
            self.problem(f'the block "{name}" is not closed in this template', start, self.word_ends(start)[0])
        elif self.open:
            start, name, _ = self.open[-1]
            start = self.closed_by_a_stranger(start) or start
            name, words = self.text[start : self.word_ends(start)[0]], self.word_ends(start)
            self.problem(
                f'the block "{name}" is never closed: "}}" is missing', start, words[-1], 'add the missing "}"'
            )
        if self.branches:
            self.ends.update((start, end) for start, *_ in self.open)
            self.leave_open([], end)
        while self.open:
            self.leave(end)

    def closed_by_a_stranger(self, start: int) -> int:
        """The first block after an offset whose ``}`` is less indented than it: likely another's. Else 0."""
        for inner, end in self.ends.items():
            if inner > start and self.text[end - 1] == "}":
                line, column = self.file.position(end - 1)
                inner_line, inner_column = self.file.position(inner)
                indent = self.file.line_text(line)[: column - 1]
                if line > inner_line and column < inner_column and not indent.strip():
                    return inner
        return 0

    def word_ends(self, start: int) -> list[int]:
        """Where the words of the statement at an offset end."""
        return [word.end for word in read_statement(self.text, start).words] or [start + 1]

    # -- directives that are read word by word ----------------------------------------------------------------------

    def read_slowly(self, position: int) -> int:
        """Read one statement from an offset; return where to go on."""
        file, text = self.file, self.text
        if file.engines and (line := _UNKNOWN_LINE.match(text, position)):
            start, end = line.span(1)
            self.pass_tags(start)
            self.add([(UNKNOWN, start, end)], start, END, start + len(line[1].rstrip()))
            return end
        statement = read_statement(text, position)
        words, end, terminator = statement.words, statement.end, statement.terminator
        self.pass_tags(words[0].start if words else statement.terminator_start)
        for fault_start, fault_end, message in statement.faults:
            self.problem(message, fault_start, fault_end)
        if words:
            found = values(file, words) or [(UNKNOWN, words[0].start, words[0].end)]
            end = self.read_directive(statement, found)
        elif terminator == "}":
            self.close(end)
        elif terminator == "{":
            self.problem('unexpected "{": a block needs a name', end - 1, end, 'write the block\'s name before "{"')
            self.add([("", end - 1, end)], end - 1, OPEN)
        elif terminator == ";":
            self.problem('unexpected ";": there is no directive before it', end - 1, end, 'remove this ";"')
        # Comments in a directive come after its terminator, in their order.
        self.tokens += ((text[start:stop], start, False) for start, stop in statement.comments)
        return end

    def read_directive(self, statement: Statement, found: list[Value]) -> int:
        """The tokens of a directive, of several if a terminator is missing; return where to go on."""
        terminator = statement.terminator
        first = 0
        while (missing := self.missing_terminator(found, first, terminator))[0]:
            self.add(found[first : missing[0]], found[first][1], missing[1], found[missing[0] - 1][2])
            first = missing[0]
            self.pass_tags(found[first][1])
        found = found[first:]
        name, start, name_end = found[0]
        if terminator == "{" and name.endswith(LUA_BLOCK):
            # The code of a Lua block is one argument, as OpenResty's own parser has it.
            end = end_of_lua_block(self.text, statement.end)
            if end < 0:
                end = len(self.text)
                self.problem(f'the Lua code of "{name}" is never closed: "}}" is missing', start, name_end)
            after = min(end + 1, len(self.text))
            self.add([*found, (self.text[statement.end : end], statement.end, end)], start, END, after)
            return after
        if terminator == "{":
            self.add(found, start, OPEN)
        elif terminator == ";":
            self.add(found, start, END)
        else:
            last = statement.words[-1].end
            after_it = "the end of the file" if not terminator else '"}"'
            self.add(found, start, END, last)
            self.problem(
                f'the directive "{name}" is not ended before {after_it}: ";" is missing',
                start,
                last,
                'add ";" after it',
            )
            return statement.terminator_start
        return statement.end

    def add(self, found: list[Value], start: int, terminator: Token, end: int = 0) -> None:
        """The tokens of a directive. ``end``: where it ends, if not after a terminator in the text."""
        name = intern(found[0][0])
        rest = (*((value, 0, True) for value, *_ in found[1:]), terminator)
        self.tokens.append((name, start, True))
        self.tokens += rest
        if end:
            self.ends[start] = end
        if self.branches and self.branches.current:
            self.places[start] = self.branches.current
        if terminator is OPEN:
            self.open.append((start, name, rest))
            self.check_depth()

    def missing_terminator(self, found: list[Value], first: int, terminator: str) -> tuple[int, Token]:
        """For a directive over several lines, the word before which ``;`` or ``{`` is missing; 0 if none is."""
        if self.text.find("\n", found[first][1], found[-1][1]) < 0:
            return 0, END
        from nginxtls.syntax.known import accepts, is_known, takes

        name = found[first][0]
        if not is_known(name):
            return 0, END
        refused = not accepts(name, len(found) - first - 1, terminator or ";")
        for number in range(first + 1, len(found)):
            value, start, end = found[number]
            begins_line = self.text.find("\n", found[number - 1][2], start) >= 0
            if not begins_line or self.text[start] in "\"'" or not is_known(value) or takes(name, value):
                continue
            never = refused or takes(name, value) is False
            for missing in (END, OPEN) if never else ():
                if accepts(name, number - first - 1, missing[0]):
                    self.problem(
                        f'"{missing[0]}" is missing after "{name}": nginx reads the next line as its arguments',
                        found[first][1],
                        found[number - 1][2],
                        f'add "{missing[0]}" at the end of the line',
                    )
                    # The body of an if without "{" likely is one line, as in C.
                    return number, END if name == "if" else missing
            if not never and number + 1 < len(found) and "\n" not in self.text[end : found[number + 1][1]]:
                self.problem(
                    f'"{value}" is an argument of "{name}" here: is ";" missing on the line before?',
                    start,
                    end,
                    'add ";" at the end of the line before',
                    fatal=False,
                )
                return 0, END
        return 0, END

    def problem(self, message: str, start: int, end: int, help: str = "", *, fatal: bool = True) -> None:
        """Report what nginx would refuse, up to a number."""
        if len(self.file.problems) < MAX_PROBLEMS:
            self.file.problems.append(Problem(message, start, end, help, fatal and not self.file.engines))
