"""Compose files: what their services mount, and the variables that they set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.syntax.containers.pieces import Mount

if TYPE_CHECKING:
    from collections.abc import Iterator

_VOLUME = re.compile(
    r"""^[ ]*-[ ]+["']?(?P<here>\.{0,2}/[^:"'\n]*|\.{1,2}|\$\{?PWD\}?[^:"'\n]*):(?P<there>/[^:"'\n]*)(?::\w[\w,]*)?["']?
        [ \t]*(?:\#[^\n]*)?\r?$
      | ^[ ]*(?:-[ ]+)?source:[ ]+["']?(?P<source>\.{1,2}(?:/[^"'\n#]*)?)["']?[ \t]*\r?\n
        (?:[ ]+(?!target)[^\n]*\n){0,3}[ ]+target:[ ]+["']?(?P<target>/[^"'\n#]*?)["']?[ \t]*\r?$""",
    re.MULTILINE | re.VERBOSE,
)


_SERVICES = re.compile(r"^services:[ \t]*(?:#[^\n]*)?\r?\n", re.MULTILINE)
_ENVIRONMENT = re.compile(
    r"^(?P<indent>[ ]+)environment:[ \t]*(?:#[^\n]*)?\r?\n(?P<lines>(?:(?P=indent)(?:[ ]+\S|- )[^\n]*\n|[ \t]*\r?\n)+)",
    re.MULTILINE,
)
_VARIABLE = re.compile(
    r"""^[ ]*(?:-[ ]+(?P<quote>["']?)(?P<name>[A-Za-z_]\w*)=(?P<value>[^\n]*?)(?P=quote)
        |(?P<key>[A-Za-z_]\w*):[ ]+(?P<around>["']?)(?P<set>[^\n]*?)(?P=around))[ \t]*(?:[ ]\#[^\n]*)?\r?$""",
    re.MULTILINE | re.VERBOSE,
)
_DEFAULT = re.compile(r"\$\{\w+:?-([^${}]*)\}")


def mounts(text: str) -> Iterator[Mount]:
    """The ``volumes`` that are bound to a path beside the file, short and long, with the variables of their service."""
    for service in services(text):
        variables = tuple(environment(service))
        for match in _VOLUME.finditer(service):
            here = re.sub(r"^\$\{?PWD\}?", ".", match["here"] or match["source"])
            yield Mount(match["there"] or match["target"], here, variables)


def services(text: str) -> Iterator[str]:
    """The text of each service, and what is above them; all of the text where there is no list of them."""
    found = _SERVICES.search(text)
    first = found and re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*([ ]+)[^ \n]").match(text, found.end())
    if not first:
        yield text
        return
    starts = [
        match.start() for match in re.compile(rf"^{first[1]}[^ \n#]", re.MULTILINE).finditer(text, first.end() - 1)
    ]
    starts[:0] = [0, text.rfind("\n", 0, first.end()) + 1]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text[start:end]


def environment(service: str) -> Iterator[tuple[str, str]]:
    """The variables that a service sets to a value of its own, or by default."""
    for block in _ENVIRONMENT.finditer(service + "\n"):
        for match in _VARIABLE.finditer(block["lines"]):
            value = match["value"] if match["name"] else match["set"]
            value = _DEFAULT.sub(r"\1", value)
            if "$" not in value:
                yield match["name"] or match["key"], value
