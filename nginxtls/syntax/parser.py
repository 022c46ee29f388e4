"""The parser: a text becomes directives, in one pass, whatever is wrong with it.

Most directives match one regular expression as a whole; only those with quotes, escapes, comments or other characters
than ASCII are read word by word. Nothing here recurses, so that nesting costs no stack.
"""

from __future__ import annotations

import re
from sys import intern, maxsize
from typing import TYPE_CHECKING

from nginxtls.syntax.tokens import end_of_lua_block, read_statement
from nginxtls.syntax.tree import Directive, Problem, SourceFile
from nginxtls.syntax.words import LUA_BLOCK, MASK, UNKNOWN, values

if TYPE_CHECKING:
    from nginxtls.syntax.branches import Branches
    from nginxtls.syntax.tokens import Statement

MAX_DEPTH = 200
"""Blocks nested deeper than this are passed over. nginx has no limit; no person's configuration comes near."""

MAX_PROBLEMS = 50
"""More faults than this in one file are not told."""

MAX_SHARED, MAX_KNOWN = 100, 5_000
"""What was read from so many directives of fewer characters is kept, for those of the same text."""

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

Plain = tuple[str, tuple[str, ...], bool] | None
"""The name and the arguments of a directive, and whether it opens a block; None if it wants a closer look."""

_UNKNOWN_LINE = re.compile(rf"[ \t\r\n]*((?:{MASK}[^ \t\r\n;{{}}#\"'{MASK}]*[ \t]*)+)(?=[\r\n#}}]|\Z)(?![ \t\r\n]*{{)")


def parse_text(text: str, name: str = "-", path: str | None = None) -> SourceFile:
    """Parse plain nginx configuration (no template). Never raises: what nginx would refuse is in ``problems``."""
    file = SourceFile(name, text, path)
    parse_file(file)
    return file


def parse_file(file: SourceFile, branches: Branches | None = None, known: dict[str, Plain] | None = None) -> None:
    """Fill ``directives``, ``comments`` and ``problems`` of a file from its masked text.

    ``known`` keeps directives by their text, so that many files share what was read from it.
    """
    parser = _Parser(file, branches, {} if known is None else known)
    parser.run()
    parser.finish()


def _plain(match: re.Match[str]) -> Plain:
    name, words, terminator = match.group(1, 2, 3)
    if "\n" in words or name == "if" or (terminator == "{" and (words[-1:] == "$" or name.endswith(LUA_BLOCK))):
        return None
    if '"' in words or "'" in words:
        args = tuple(intern(double or single or bare) for double, single, bare in _WORD.findall(words))
    else:
        args = tuple(map(intern, words.split()))
    return intern(name), args, terminator == "{"


class _Parser:
    """The state of one pass over one text: the blocks that are open and where new directives go."""

    def __init__(self, file: SourceFile, branches: Branches | None, known: dict[str, Plain]) -> None:
        self.file = file
        self.text = file.masked
        self.branches = branches
        self.known = known
        self.open: list[Directive] = []
        self.parent: Directive | None = None
        self.block: list[Directive] = file.directives

    def run(self) -> None:
        """Read the whole text. What most directives need stands here, in local variables: it is run for each."""
        file, text, branches, known = self.file, self.text, self.branches, self.known
        match_plain, add_comment = _PLAIN.match, file.add_comment
        next_tag = branches.next if branches else maxsize
        opened, parent, block = self.open, self.parent, self.block
        position = self.start()
        while True:
            match = match_plain(text, position)
            kind = match.lastindex if match else 0
            slowly = position
            if match and kind:
                start = match.start(1 if kind == _DIRECTIVE else kind)
                if start >= next_tag and branches:
                    self.parent, self.block = parent, block
                    branches.enter(self, start)
                    next_tag = branches.next
                    opened, parent, block = self.open, self.parent, self.block
                if kind == _DIRECTIVE:
                    whole = match.group()
                    plain = known.get(whole)
                    if plain is None:
                        plain = _plain(match)
                        if len(whole) < MAX_SHARED and len(known) < MAX_KNOWN:
                            known[whole] = plain
                    if plain is not None:
                        name, args, opens = plain
                        position = match.end()
                        directive = Directive(name, args, file, start, 0, parent)
                        if branches:
                            directive.branch = branches.current
                        block.append(directive)
                        if opens:
                            self.enter(directive)
                            parent, block = directive, self.block
                        elif name == "include":
                            file.includes.append(directive)
                        continue
                    slowly = start
                elif kind == _CLOSE:
                    position = match.end()
                    if 0 < len(opened) <= MAX_DEPTH:
                        opened.pop().end = position
                        parent = opened[-1] if opened else None
                        block = file.directives if parent is None else parent.block  # type: ignore[assignment]
                    else:
                        self.parent, self.block = parent, block
                        self.close(position)
                        opened, parent, block = self.open, self.parent, self.block
                    continue
                elif kind == _COMMENT:
                    position = match.end()
                    add_comment(start, position)
                    continue
                else:
                    self.parent, self.block = parent, block
                    return
            self.parent, self.block = parent, block
            position = self.read_slowly(slowly)
            next_tag = branches.next if branches else maxsize
            opened, parent, block = self.open, self.parent, self.block

    def start(self) -> int:
        """Where the text begins: after a byte order mark, which nginx would take for a part of the first word."""
        if not self.text.startswith("\ufeff"):
            return 0
        self.problem(
            "the file begins with a byte order mark, which nginx takes for a part of the first word",
            0,
            1,
            "save the file as UTF-8 without a byte order mark",
        )
        return 1

    # -- blocks -----------------------------------------------------------------------------------------------------

    def go_to(self, open_blocks: list[Directive]) -> None:
        """Go on inside the last of these blocks."""
        self.open = open_blocks
        self.parent = open_blocks[-1] if open_blocks else None
        block = self.parent.block if self.parent else self.file.directives
        assert block is not None
        self.block = block

    def leave_open(self, blocks: list[Directive], offset: int) -> None:
        """Note that more comes into these blocks, which is not known."""
        for block in blocks:
            assert block.block is not None
            block.block.append(Directive(UNKNOWN, (), self.file, offset, offset, block))

    def enter(self, directive: Directive) -> None:
        directive.block = self.block = []
        self.open.append(directive)
        self.parent = directive
        if len(self.open) == MAX_DEPTH + 1:
            self.problem(
                f"blocks nested more than {MAX_DEPTH} deep are not looked at",
                directive.start,
                directive.name_end,
                fatal=False,
            )

    def close(self, end: int) -> None:
        if not self.open and self.file.engines:
            self.problem('this "}" closes a block that is not opened in this template', end - 1, end)
            return
        if not self.open:
            self.problem('unexpected "}": no block is open here', end - 1, end, 'remove this "}"')
            return
        closed = self.open.pop()
        closed.end = end
        if len(self.open) >= MAX_DEPTH:
            closed.block = []
        self.go_to(self.open)

    def finish(self) -> None:
        """Tell of the blocks that are still open at the end."""
        if self.branches:
            self.branches.finish(self)
        for depth, directive in enumerate(self.open):
            directive.end = len(self.text)
            if depth >= MAX_DEPTH:
                directive.block = []
        if self.branches:
            self.leave_open(self.open, len(self.text))
        if self.open and self.file.engines:
            left = self.open[-1]
            self.problem(f'the block "{left.name}" is not closed in this template', left.start, left.name_end)
        elif self.open:
            culprit = _closed_by_a_stranger(self.open[-1]) or self.open[-1]
            self.problem(
                f'the block "{culprit.name}" is never closed: "}}" is missing',
                culprit.start,
                culprit.words[-1][1],
                'add the missing "}"',
            )

    # -- directives that need a closer look -------------------------------------------------------------------------

    def read_slowly(self, position: int) -> int:
        """Read one statement word by word from an offset; give back where to go on."""
        file, text = self.file, self.text
        if file.engines and (line := _UNKNOWN_LINE.match(text, position)):
            start, end = line.span(1)
            self.pass_tags(start)
            self.add(Directive(UNKNOWN, (), file, start, start + len(line[1].rstrip()), self.parent))
            return end
        statement = read_statement(text, position)
        words = statement.words
        for start, end in statement.comments:
            file.add_comment(start, end)
        first = words[0].start if words else statement.terminator_start
        self.pass_tags(first)
        for start, end, message in statement.faults:
            self.problem(message, start, end)
        if not words:
            return self.read_empty(statement)
        found = values(file, words)
        if not found:
            found = [(UNKNOWN, words[0].start, words[0].end)]
        if len(found) > 1 and "\n" in text[found[0][1] : found[-1][1]]:
            cut = self.missing_terminator(found)
            if cut:
                words_end = found[cut - 1][2]
                self.add(
                    Directive(
                        found[0][0], tuple(value for value, *_ in found[1:cut]), file, first, words_end, self.parent
                    )
                )
                return words_end
        name = intern(found[0][0])
        args = tuple(value for value, *_ in found[1:])
        directive = Directive(name, args, file, first, statement.end, self.parent)
        self.add(directive)
        terminator = statement.terminator
        if terminator == "{":
            if name.endswith(LUA_BLOCK):
                return self.read_lua(directive, statement.end)
            self.enter(directive)
        elif terminator != ";":
            directive.end = last = words[-1].end
            after = "the end of the file" if not terminator else '"}"'
            self.problem(
                f'the directive "{name}" is not ended before {after}: ";" is missing',
                directive.start,
                last,
                'add ";" after it',
            )
            return statement.terminator_start
        return statement.end

    def read_empty(self, statement: Statement) -> int:
        """A terminator without a directive before it."""
        start, end = statement.terminator_start, statement.end
        if statement.terminator == "}":
            self.close(end)
        elif statement.terminator == "{":
            self.problem('unexpected "{": a block needs a name', start, end, 'write the block\'s name before "{"')
            directive = Directive("", (), self.file, start, end, self.parent)
            self.add(directive)
            self.enter(directive)
        elif statement.terminator == ";":
            self.problem('unexpected ";": there is no directive before it', start, end, 'remove this ";"')
        return end

    def read_lua(self, directive: Directive, start: int) -> int:
        """The code of a Lua block is one argument, as OpenResty's own parser has it."""
        end = end_of_lua_block(self.text, start)
        if end < 0:
            end = len(self.text)
            self.problem(
                f'the Lua code of "{directive.name}" is never closed: "}}" is missing',
                directive.start,
                directive.name_end,
            )
        directive.args = (*directive.args, self.text[start:end])
        directive.end = min(end + 1, len(self.text))
        return directive.end

    def add(self, directive: Directive) -> None:
        if self.branches:
            directive.branch = self.branches.current
        self.block.append(directive)
        if directive.name == "include":
            self.file.includes.append(directive)

    def pass_tags(self, start: int) -> None:
        if self.branches and start >= self.branches.next:
            self.branches.enter(self, start)

    def missing_terminator(self, found: list[tuple[str, int, int]]) -> int:
        """The number of the word before which ";" is missing, for a directive over several lines; else 0."""
        from nginxtls.syntax.known import accepts, is_known

        name = found[0][0]
        for number in range(1, len(found)):
            value, start, end = found[number]
            line_start = self.text.rfind("\n", found[number - 1][2], start)
            if line_start < 0 or self.text[start] in "\"'" or not is_known(value) or not is_known(name):
                continue
            refused = not accepts(name, len(found) - 1)
            if refused and accepts(name, number - 1):
                self.problem(
                    f'";" is missing after "{name}": nginx takes the next line for its arguments',
                    found[0][1],
                    found[number - 1][2],
                    'add ";" at the end of the line',
                )
                return number
            if not refused and number + 1 < len(found) and "\n" not in self.text[end : found[number + 1][1]]:
                self.problem(
                    f'"{value}" is an argument of "{name}" here: is ";" missing on the line before?',
                    start,
                    end,
                    'add ";" at the end of the line before',
                    fatal=False,
                )
                return 0
        return 0

    def problem(self, message: str, start: int, end: int, help: str = "", *, fatal: bool = True) -> None:
        if len(self.file.problems) < MAX_PROBLEMS:
            self.file.problems.append(Problem(message, start, end, help, fatal and not self.file.engines))


def _closed_by_a_stranger(block: Directive) -> Directive | None:
    """The innermost block whose closing brace, first on its line, is less indented than the block: likely another's."""
    pending = [block]
    found = None
    while pending:
        directive = pending.pop()
        file = directive.file
        for inner in directive.block or ():
            if inner.block is not None:
                pending.append(inner)
                line, column = file.position(inner.end - 1)
                if line > inner.line and column < inner.column and not file.line_text(line)[: column - 1].strip():
                    found = inner
    return found
