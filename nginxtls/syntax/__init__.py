"""Reading nginx configuration: text to directives with exact places, wherever the text comes from. Knows no TLS."""

from nginxtls.syntax.parser import parse_text
from nginxtls.syntax.tree import UNKNOWN, Directive, Problem, SourceFile, Span, Tree

__all__ = ["UNKNOWN", "Directive", "Problem", "SourceFile", "Span", "Tree", "parse_text"]
