"""The check of whole configurations, in a process of its own, which is ended when its answer is no longer needed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.linting.settings import Settings
from nginxtls.lsp.checking import Request, check_whole, settings_for
from nginxtls.lsp.diagnostics import diagnostics
from nginxtls.lsp.pages import Pages
from nginxtls.lsp.places import Places

if TYPE_CHECKING:
    from nginxtls.lsp.diagnostics import Diagnostics

# Nothing of the folder that the process starts in is imported.
START = "import sys; sys.path[:] = filter(None, sys.path); from nginxtls.lsp.whole import main; main()"


async def whole_diagnostics(
    request: Request, path: str, encoding: str, pages: Pages
) -> tuple[Diagnostics, UsageError | None] | None:
    """The diagnostics of a request in whole configurations, by a process of its own; None if it failed.

    ``path`` is a document of the request, whose settings apply. If they cannot be used, the second part says why.
    """
    from lsprotocol.converters import get_converter
    from lsprotocol.types import Diagnostic

    question = {"request": request._asdict(), "path": path, "encoding": encoding, "pages": pages.folder}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        START,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        answer, _ = await process.communicate(json.dumps(question).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        return None
    found, refused = json.loads(answer)
    converter = get_converter()
    return (
        {uri: [converter.structure(each, Diagnostic) for each in several] for uri, several in found.items()},
        UsageError(*refused) if refused else None,
    )


def main() -> None:
    """Read a request from standard input and write its diagnostics to standard output, both as JSON."""
    from lsprotocol.converters import get_converter

    if hasattr(os, "nice"):
        os.nice(5)
    question = json.load(sys.stdin)
    request = Request(**question["request"])
    refused: list[str] | None = None
    try:
        checked = check_whole(request, settings_for(question["path"], request.options, request.folders))
    except UsageError as error:
        refused = [error.subject, error.reason, error.help]
        checked = check_whole(request, Settings())
    places = Places(request.opened, question["encoding"])
    found = diagnostics(checked, places, Pages(question["pages"]).address)
    converter = get_converter()
    answer = {uri: [converter.unstructure(each) for each in several] for uri, several in found.items()}
    sys.stdout.write(json.dumps([answer, refused]))
    sys.stdout.flush()
    os._exit(0)
