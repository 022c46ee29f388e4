"""``nginxtls diff OLD NEW``: what a TLS client would see change between two states of a configuration."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import json_text, shown
from nginxtls.base.secrets import hide
from nginxtls.cli import completion, options, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.api import Reading
    from nginxtls.diff.compare import Access, Comparison
    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.linting.settings import Settings

FORMATS = ("text", "json", "markdown")


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A file, folder, dump of nginx -T, or git revision.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same after the change.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=completion.among(*FORMATS),
            help="Output format: text, json or markdown.",
        ),
    ] = "text",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with code 1 if anything changes.")] = False,
    nginx_version: options.NginxVersion = "",
    openssl_version: options.OpenSSLVersion = "",
    root: options.Root = "",
    maps: options.Map = None,
    trust: options.Trust = None,
    at: options.At = "",
    config: options.Config = "",
    no_config: options.NoConfig = False,
) -> None:
    """Compare what TLS clients see before and after a change, endpoint by endpoint, and list new and fixed findings."""
    from nginxtls.diff.compare import compare

    if form not in FORMATS:
        raise UsageError(f"--format {form}", "is not an output format", f"use one of {', '.join(FORMATS)}")
    moment = values.moment(at) or datetime.now(timezone.utc)
    settings = values.settings(
        ["."], config, no_config, maps=maps, trust=trust, nginx_version=nginx_version, openssl_version=openssl_version
    )
    with ExitStack() as stack:
        states = [_state(text, stack, settings, moment, root) for text in (old, new)]
        (was, before), (now, after) = states
        found = compare(was.configurations, now.configurations, before, after, moment)
        lines = _json(found, old, new) if form == "json" else (_text if form == "text" else _markdown)(found)
        for line in lines:
            typer.echo(shown(line))
    if exit_code and not found.empty:
        raise typer.Exit(1)


def _state(text: str, stack: ExitStack, settings: Settings, at: datetime, root: str) -> tuple[Reading, Report]:
    """Read and lint one side: a path if it exists, otherwise a git revision."""
    from nginxtls.api import lint_reading, read
    from nginxtls.diff.checkout import check_out, is_revision

    path = Path(values.default_paths([text], root)[0])
    is_path = path.exists()
    if not is_path:
        if not is_revision(text, Path.cwd()):
            raise UsageError(text, "is neither a file or folder nor a git revision of this repository")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nginxtls-"))).resolve()
        path, settings = _moved(folder, settings)
        check_out(text, Path.cwd(), path)
    reading = read([str(path)], settings, root=root or None, at=at)
    if not reading.subjects:
        failure = next(iter(reading.failures), None)
        raise UsageError(text, failure.reason if failure else "contains no nginx configuration")
    if not is_path:
        _name_after_revision(reading, text, path)
    return reading, lint_reading(reading, settings)


def _moved(folder: Path, settings: Settings) -> tuple[Path, Settings]:
    """Where a revision goes in a folder, and the settings as if they were beside it.

    The patterns of the settings match the files of the revision as they match those of the working directory, and what
    they map to there is that of the revision.
    """
    here = Path.cwd()
    home = settings.file.parent.resolve() if settings.file else here
    common = os.path.commonpath((here, home))
    path = folder / here.relative_to(common)
    path.mkdir(parents=True, exist_ok=True)
    maps = tuple(
        (there, str(path / Path(local).relative_to(here)) if Path(local).is_relative_to(here) else local)
        for there, local in settings.map
    )
    file = folder / home.relative_to(common) / settings.file.name if settings.file else path / "settings"
    return path, settings._replace(map=maps, file=file)


def _name_after_revision(reading: Reading, revision: str, folder: Path) -> None:
    """Name the files of a revision as git does, ``HEAD:nginx/a.conf``, and not after the folder that they are in."""
    from nginxtls.api import repository_of

    here = Path.cwd()
    inside = here.relative_to(repository_of(here) or here)  # git lists the working directory's part of a revision
    for subject in reading.subjects:
        for file in subject.configuration.tree.files:
            if file.path and Path(file.path).is_relative_to(folder):
                file.name = hide(f"{revision}:{(inside / Path(file.path).relative_to(folder)).as_posix()}")


def _few(items: list[str], most: int = 8) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def _heading(names: tuple[str, ...], socket: str) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown} on {socket}"


def _place(finding: Finding) -> str:
    return f"{finding.location.name}:{finding.location.span.line}:{finding.location.span.column}"


def _text(found: Comparison) -> Iterator[str]:
    if found.empty:
        yield "no client sees a difference"
    for socket, names, sentences in found.for_people():
        yield _heading(names, socket)
        for sentence in sentences:
            yield f"  {sentence}"
    for access in found.access:
        yield f"clients of {_heading(access.names, access.socket)}"
        for sentence in _sentences(access):
            yield f"  {sentence}"
    for word, findings in (("new", found.gained), ("gone", found.lost)):
        for finding in findings:
            yield f"{word}: {finding.severity}[{finding.rule}] {finding.message} ({_place(finding)})"


def _sentences(access: Access) -> Iterator[str]:
    """Who loses access and why, then who gains it."""
    by_reason: dict[str, list[str]] = {}
    for client, reason in access.lost:
        by_reason.setdefault(reason, []).append(client)
    for reason, clients in by_reason.items():
        yield f"lose access: {_few(clients)} ({reason})"
    if access.gained:
        yield f"gain access: {_few(list(access.gained))}"


def _json(found: Comparison, old: str, new: str) -> Iterator[str]:
    def plain(finding: Finding) -> dict[str, object]:
        return {
            "rule": finding.rule,
            "severity": str(finding.severity),
            "message": finding.message,
            "file": finding.location.name,
            "line": finding.location.span.line,
            "column": finding.location.span.column,
            "fingerprint": finding.fingerprint,
        }

    document = {
        "old": hide(old),
        "new": hide(new),
        "changes": [change.to_dict() for change in found.changes],
        "clients": [access.to_dict() for access in found.access],
        "findings": {"new": [plain(f) for f in found.gained], "gone": [plain(f) for f in found.lost]},
    }
    yield from json_text(document, indent=2).splitlines()


def _markdown(found: Comparison) -> Iterator[str]:
    from nginxtls.report.markdown import escaped

    yield "### Changes for TLS clients"
    yield ""
    if found.empty:
        yield "Nothing."
        return
    for socket, names, sentences in found.for_people():
        yield f"- **{escaped(_heading(names, socket))}**"
        for sentence in sentences:
            yield f"  - {escaped(sentence)}"
    if found.access:
        yield ""
        yield "#### Clients"
        yield ""
    for access in found.access:
        yield f"- **{escaped(_heading(access.names, access.socket))}**"
        for sentence in _sentences(access):
            yield f"  - {escaped(sentence)}"
    for title, findings in (("New findings", found.gained), ("Fixed findings", found.lost)):
        if findings:
            yield ""
            yield f"#### {title}"
            yield ""
            for finding in findings:
                yield f"- `{finding.rule}` {escaped(finding.message)} (`{_place(finding).replace('`', chr(39))}`)"
