"""``nginxtls parse PATH``: the payload of ``crossplane parse``, with columns and with nginx's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import json_text
from nginxtls.cli import options, values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.syntax import SourceFile, Tree


def parse(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file, a folder, a dump of nginx -T, a payload, or -.")],
    indent: Annotated[
        Optional[int],  # noqa: UP045 - typer reads the annotation while running, on Python 3.10, too
        typer.Option("--indent", "-i", min=0, metavar="SPACES", help="Indent the JSON.", show_default=False),
    ] = None,
    root: options.Root = "",
    maps: options.Map = None,
) -> None:
    """Print a configuration and its includes as crossplane parse does: JSON, with column and end of each directive.

    Exit code 0, or 2 if the path cannot be read. Syntax errors are in the payload under ``errors``.
    """
    from nginxtls.api import read, root_for
    from nginxtls.syntax.payloads import payload

    settings = values.settings([path], "", True, maps=maps)
    reading = read([path], settings, root=root_for(path, root), stdin_text=values.stdin_text([path]))
    if reading.failures or not reading.subjects:
        failure = next(iter(reading.failures), None)
        raise UsageError(path, failure.reason if failure else "contains no nginx configuration")
    trees = [(subject.configuration.tree, subject.requested) for subject in reading.subjects]
    found = payload((tree, _with_includes(tree, requested)) for tree, requested in trees)
    typer.echo(json_text(found, indent=indent))


def _with_includes(tree: Tree, requested: Iterable[SourceFile]) -> list[SourceFile]:
    """Files of a tree and what they include, in nginx's order."""
    found = [file for file in tree.files if file in requested]
    for file in found:
        for include in file.includes:
            found += (other for other in tree.includes.get(include, ()) if other not in found)
    return found
