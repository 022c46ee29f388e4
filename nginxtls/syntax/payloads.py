"""crossplane's payload, the JSON of ``crossplane parse``: written from trees, and read as a dump of ``nginx -T`` is.

A payload has lines and no text. Its text is written anew with every directive on its line (and, in a payload of
``nginxtls parse``, at its columns), so that it is parsed as any other text is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.base.secrets import hide
from nginxtls.syntax.words import LUA_BLOCK, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.syntax.tree import Comment, Directive, SourceFile, Tree

HEAD = pattern(r'\ufeff?\s*\{\s*"(?:status|errors|config)"\s*:')
_PLAIN = pattern(r"(?!#)(?:[^\s;{}\"'\\]|\\[.dDsSwW/?+*()|^-])+\Z")
_MAX_LINES, _MAX_COLUMNS = 1_000_000, 10_000
"""A payload with places beyond these is refused: the text would consist of blanks."""


class PayloadFile(NamedTuple):
    """A file of a payload: its path as crossplane was given it, its text, and what crossplane reports of it."""

    path: str
    text: str
    errors: tuple[str, ...]


def is_payload(text: str) -> bool:
    """Whether a text begins as a payload does."""
    return HEAD.match(text) is not None


def read_payload(text: str) -> list[PayloadFile]:
    """The files of a payload, the main file first.

    Raises:
        ValueError: it is not a payload of ``crossplane parse``, and why.
    """
    import json

    try:
        files = [_file(config) for config in json.loads(text.removeprefix("\ufeff"))["config"]]
    except RecursionError as error:
        raise ValueError("its blocks are nested too deeply") from error
    except (KeyError, TypeError, AttributeError, OverflowError, json.JSONDecodeError) as error:
        raise ValueError("it is not a payload of crossplane parse, although it begins like one") from error
    if not files or any("\0" in file.text for file in files):
        raise ValueError("it contains no file" if not files else "it has null characters")
    return files


def _file(config: dict[str, Any]) -> PayloadFile:
    path = str(config["file"])
    errors = (f"crossplane: {str(each['error'])[:200]}" for each in config.get("errors") or () if each.get("error"))
    return PayloadFile(path, _Writer(path).text(config["parsed"]), tuple(errors))


class _Writer:
    """A text in which each directive is on its line."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.parts: list[str] = []
        self.line = self.column = 1

    def text(self, statements: list[dict[str, Any]]) -> str:
        """Write the statements, blocks within blocks, without recursion."""
        pending: list[tuple[Any, dict[str, Any]]] = [(iter(statements), {})]
        while pending:
            for statement in pending[-1][0]:
                self.begin(statement)
                block = statement.get("block")
                if block is not None:
                    self.put(" {")
                    pending.append((iter(block), statement))
                    break
                if "comment" not in statement and not statement["directive"].endswith(LUA_BLOCK):
                    self.end(statement, ";")
            else:
                _, block_of = pending.pop()
                if pending:
                    self.end(block_of, "}")
        return "".join(self.parts)

    def begin(self, statement: dict[str, Any]) -> None:
        """A directive up to its terminator, or a comment."""
        if statement.get("file", self.path) != self.path:
            raise ValueError("crossplane parse --combine omits which file includes what: run it without --combine")
        name, args, exact = str(statement["directive"]), [str(arg) for arg in statement["args"]], "column" in statement
        self.go_to(int(statement["line"]), int(statement.get("column", 0)))
        if "comment" in statement:
            self.put("#" + str(statement["comment"]).replace("\n", " ") + "\n")
            return
        code = args.pop() if name.endswith(LUA_BLOCK) and args and "block" not in statement else None
        words = [_quoted(word, exact) for word in args]
        if name == "if":
            words = ["(", *words, ")"]
        self.put(" ".join([_quoted(name, exact), *words]))
        if code is not None:
            self.put(" {" + code + "}")

    def end(self, statement: dict[str, Any], terminator: str) -> None:
        """A terminator, at its place if that is known."""
        place = statement.get("end")
        if place:
            self.go_to(int(place["line"]), int(place["column"]) - 1)
        self.put(terminator)

    def go_to(self, line: int, column: int) -> None:
        """Go on at a place, if it is not behind."""
        if line > _MAX_LINES or column > _MAX_COLUMNS:
            raise ValueError(f"it has places beyond line {_MAX_LINES:,} or column {_MAX_COLUMNS:,}")
        self.put("\n" * (line - self.line))
        self.put(" " * (column - self.column if self.line == line else 0))

    def put(self, text: str) -> None:
        if text:
            self.parts.append(text)
            lines = text.count("\n")
            self.line += lines
            self.column = len(text) - text.rfind("\n") if lines else self.column + len(text)


def _quoted(word: str, exact: bool) -> str:
    """A word as it can be written. crossplane keeps all escapes but those of quotes; ours are resolved (``exact``)."""
    if _PLAIN.match(word):
        return word
    if exact:
        return '"' + re.sub(r"""\\(?=["'\\trn]|\Z)|\"""", r"\\\g<0>", word) + '"'
    return '"' + re.sub(r'\\.|["\\]', lambda match: match[0] if len(match[0]) > 1 else "\\" + match[0], word) + '"'


# -- writing -----------------------------------------------------------------------------------------------------------


def payload(trees: Iterable[tuple[Tree, Sequence[SourceFile]]]) -> dict[str, Any]:
    """Some files of trees as ``crossplane parse`` prints them, with ``column`` and ``end`` beside ``line``.

    Columns count characters from 1; ``end`` is the place after the terminator. Words are as nginx stores them, their
    escapes resolved; in a template, a word with an expression is as written.
    """
    configs: list[dict[str, Any]] = []
    for tree, files in trees:
        first = len(configs)
        numbers = {file: first + number for number, file in enumerate(files)}
        for file in files:
            errors = [
                {"error": problem.message, "line": None if problem.start is None else file.position(problem.start)[0]}
                for problem in file.problems
            ]
            errors += (
                {"error": hide(f"{' '.join(include.args)}: {_reasons(tree, include)}"), "line": include.line}
                for include in file.includes
                if include in tree.unresolved
            )
            parsed = _statements(tree, numbers, file, file.directives, file.comments[::-1], len(file.text))
            status = "failed" if errors else "ok"
            configs.append({"file": file.name, "status": status, "errors": errors, "parsed": parsed})
    errors = [{"file": config["file"], **error} for config in configs for error in config["errors"]]
    return {"status": "failed" if errors else "ok", "errors": errors, "config": configs}


def _reasons(tree: Tree, include: Directive) -> str:
    """Why an include is not read, or not all of it, each reason once."""
    return "; ".join(dict.fromkeys(gap.reason for gap in tree.unresolved[include]))


def _statements(
    tree: Tree,
    numbers: dict[SourceFile, int],
    file: SourceFile,
    directives: list[Directive],
    comments: list[Comment],
    end: int,
) -> list[dict[str, Any]]:
    """The statements of a block that ends at an offset. ``comments`` are those to come, the next one last."""
    found: list[dict[str, Any]] = []

    def add_comments(before: int) -> None:
        while comments and comments[-1].start < before:
            start, stop, text = comments.pop()
            found.append({"directive": "#", **_places(file, start, stop), "args": [], "comment": text[1:]})

    for directive in directives:
        add_comments(directive.start)
        words = [directive.name, *directive.args]
        if file.engines:
            places = zip(words, directive.words, strict=True)
            words = [file.text[start:stop] if UNKNOWN in word else word for word, (start, stop) in places]
        # A value of the environment of a container comes into words after the text was hidden.
        words = _hidden(words)
        statement = {"directive": words[0], **_places(file, directive.start, directive.end), "args": words[1:]}
        if directive in tree.includes:
            statement["includes"] = [numbers[other] for other in tree.includes[directive] if other in numbers]
        if directive.block is not None:
            statement["block"] = _statements(tree, numbers, file, directive.block, comments, directive.end)
        found.append(statement)
        add_comments(directive.end)
    add_comments(end)
    return found


def _hidden(words: list[str]) -> list[str]:
    """The words with key material hidden, also where it is split into several."""
    text = " ".join(words)
    hidden = hide(text)
    if hidden is text:
        return words
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    return [hidden[start : start + len(word)] for start, word in zip(starts, words, strict=False)]


def _places(file: SourceFile, start: int, end: int) -> dict[str, Any]:
    line, column = file.position(start)
    end_line, end_column = file.position(end)
    return {"line": line, "column": column, "end": {"line": end_line, "column": end_column}}
