"""Reading nginx configuration: text to directives with exact places, wherever the text comes from. Knows no TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import lazily

if TYPE_CHECKING:
    from nginxtls.syntax.discovery import LoadedTree, Sources, discover
    from nginxtls.syntax.files import Files, Unreachable
    from nginxtls.syntax.parser import parse_text
    from nginxtls.syntax.reading import read_tree
    from nginxtls.syntax.tree import UNKNOWN, Directive, Problem, SourceFile, Span, Tree

__all__ = [
    "UNKNOWN",
    "Directive",
    "Files",
    "LoadedTree",
    "Problem",
    "SourceFile",
    "Sources",
    "Span",
    "Tree",
    "Unreachable",
    "discover",
    "parse_text",
    "read_tree",
]

__getattr__ = lazily(
    __name__,
    discovery="LoadedTree Sources discover",
    files="Files Unreachable",
    parser="parse_text",
    reading="read_tree",
    tree="UNKNOWN Directive Problem SourceFile Span Tree",
)
