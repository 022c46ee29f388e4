"""The language of texts for users: nginx's and OpenSSL's vocabulary, without words that their documentation lacks."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from nginxtls.cli.application import COMMANDS
from nginxtls.linting.registry import installed_rules

ROOT = Path(__file__).parent.parent

# Words that are not used, and what to write.
RETIRED = {
    r"\b(?:tells?|telling|told)\b": "report, show, describe",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\b[Ss]tatus [012]\b": "exit code",
    r"\bstands? (?:in|at|for|on|alone|there|under|above|beside|behind)\b": "is in, is on line, represents",
    r"\bask(?:s|ed|ing)? for\b": "request",
    r"\b(?:comes?|came|becomes?) of (?:it|them|the)\b": "the result",
    r"\b(?:makes?|made) of (?:it|them|an?|the)\b": "how nginx interprets it",
    r"(?<![Tt]here )\b(?:is|are) no (?!longer\b)": "is not a",
    r"\bholds? (?:for|of|alone)\b": "applies to",
    r"\bin force\b": "effective",
    r"\ba hole in\b": "a gap between",
    r"(?:^|[.;:] |Fix: )(?:[Tt]ake|[Ll]eave) ": "use, keep, remove",
    r"\bpass(?:es|ed|ing)? over\b": "skip",
    r"\b(?:machine|host)'s own\b": "local",
}

# Where the word is right: part of the text, and why.
EXCEPTIONS: dict[str, str] = {}


def retired(text: str) -> list[str]:
    """The retired words of a text with what surrounds them, and what to write."""
    for right in EXCEPTIONS:
        text = text.replace(right, "")
    return [
        f"{text[max(0, match.start() - 30) : match.end() + 30]!r}: write {better}"
        for pattern, better in RETIRED.items()
        for match in re.finditer(pattern, text)
    ]


def literals(source: str) -> Iterator[tuple[int, str]]:
    """The string literals of a module but for its docstrings, f-strings with a space for each value."""
    tree = ast.parse(source)
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts and node not in alone:
            yield node.lineno, node.value


def prose(source: str) -> Iterator[tuple[int, str]]:
    """The comments and the lines of docstrings of a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for number, line in enumerate(node.value.value.splitlines()):
                yield node.lineno + number, line


def names(source: str) -> Iterator[tuple[int, str]]:
    """The names in a module, words apart."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            # A space in front, as a name is no beginning of a sentence.
            yield token.start[0], " " + token.string.replace("_", " ")


@pytest.mark.parametrize(
    "planted",
    [
        'yield self.at(directive, f"{name} is told twice")',
        'raise UsageError("--at", "is no date")',
        'HELP = "End with status 1 on findings."',
        'help = "leave one of them out"',
    ],
)
def test_a_retired_word_is_noticed(planted: str) -> None:
    assert [found for _, text in literals(planted) for found in retired(text)]


def test_docstrings_are_not_messages() -> None:
    assert [text for _, text in literals('"""Told."""\ndef f():\n    """Tells."""\n    return "a"\n')] == ["a"]


@pytest.mark.parametrize("folder", ["nginxtls", "rules", "tools"])
def test_comments_docstrings_and_names(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for read in (prose, names)
        for line, text in read(path.read_text("utf-8"))
        for problem in retired(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", ["nginxtls", "rules"])
def test_messages(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in literals(path.read_text("utf-8"))
        for problem in retired(text)
    ]
    assert not found, "\n".join(found)


def test_pages_of_rules() -> None:
    found = [f"{rule.name}: {p}" for rule in installed_rules().values() for p in retired(rule.documentation)]
    assert not found, "\n".join(found)


def test_documentation() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), ROOT / "action.yml", ROOT / ".pre-commit-hooks.yaml"]
    found = [f"{page.relative_to(ROOT)}: {p}" for page in sorted(pages) for p in retired(page.read_text("utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str) -> None:
    arguments = [sys.executable, "-m", "nginxtls", *filter(None, [command]), "--help"]
    text = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert not retired(" ".join(text.split()))
