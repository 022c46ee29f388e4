"""Regular expressions of server names and locations that PCRE does not compile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.nginx_test.refusal import refuse
from nginxtls.model.patterns import read_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.nginx_test.refusal import Refusal
    from nginxtls.syntax.tree import Directive

MODIFIERS = ("~", "~*")


def pattern_refusals(configuration: Configuration) -> Iterator[Refusal]:
    """The message is that of nginx with PCRE2 (since 1.21.5); before it is ``pcre_compile() failed``."""
    for name in ("server_name", "location"):
        for directive in configuration.directives(name):
            for index, text in _patterns(directive):
                error = read_pattern(text).error
                if not text and name == "server_name":
                    yield refuse(directive, "pattern", 'empty regex in server name "~"', arg=index)
                elif error:
                    yield refuse(directive, "pattern", f'pcre2_compile() failed: {error} in "{text}"', arg=index)


def _patterns(directive: Directive) -> Iterator[tuple[int, str]]:
    """The regular expressions of a line, each with its argument's index."""
    if not directive.known:
        return
    args = directive.args
    if directive.name == "server_name":
        yield from ((index, arg[1:]) for index, arg in enumerate(args) if arg.startswith("~"))
    elif len(args) > 1 and args[0] in MODIFIERS:
        yield 1, args[1]
    elif len(args) == 1 and args[0].startswith("~"):
        yield 0, args[0][1:].removeprefix("*")
