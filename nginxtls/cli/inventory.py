"""``nginxtls inventory``: every certificate that the configuration serves, where, for which names, until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import json_text, shown
from nginxtls.cli import completion, options, values
from nginxtls.linting.report import CertificateRow

if TYPE_CHECKING:
    from nginxtls.model import Configuration

SORTS = ("file", "host", "expires", "subject", "issuer", "verdict")
FORMS = ("text", "json", "csv", "cyclonedx")


def inventory(
    paths: options.Paths = None,
    sort: Annotated[str, typer.Option("--sort", metavar="COLUMN", help=f"Sort by {', '.join(SORTS)}.")] = "file",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=completion.among("text", "json", "csv", "cyclonedx"),
            help="Output format: text, json, csv or cyclonedx.",
        ),
    ] = "text",
    nginx_version: options.NginxVersion = "",
    openssl_version: options.OpenSSLVersion = "",
    root: options.Root = "",
    maps: options.Map = None,
    trust: options.Trust = None,
    at: options.At = "",
    config: options.Config = "",
    no_config: options.NoConfig = False,
) -> None:
    """List the served certificates: names, issuer, days left, key, chain, protocols, and the servers that use them.

    Exit code: 0, or 2 if a requested path could not be read.
    """
    from nginxtls.api import read, root_for
    from nginxtls.cli import print_error
    from nginxtls.linting.tables import certificate_rows
    from nginxtls.linting.versions import made_for

    if form not in FORMS:
        raise UsageError(f"--format {form}", "is not an output format", f"use {', '.join(FORMS)}")
    if sort not in SORTS:
        raise UsageError(f"--sort {sort}", "is not a sort key", f"use {', '.join(SORTS)}")
    requested = values.default_paths(paths, root)
    settings = values.settings(
        requested,
        config,
        no_config,
        maps=maps,
        trust=trust,
        nginx_version=nginx_version,
        openssl_version=openssl_version,
    )
    moment = values.moment(at) or datetime.now(timezone.utc)
    reading = read(
        requested, settings, root=root_for(requested[0], root), at=moment, stdin_text=values.stdin_text(requested)
    )
    if not reading.subjects:
        failure = next(iter(reading.failures), None)
        raise UsageError(requested[0], failure.reason if failure else "contains no nginx configuration")
    if form == "cyclonedx":
        for line in _cyclonedx([s.configuration for s in reading.subjects if s.enabled], moment):
            typer.echo(line)
        return
    rows = [
        row
        for subject in reading.subjects
        if subject.enabled
        for row in certificate_rows(subject.configuration, subject.alternatives)
    ]
    versions = made_for((s.configuration, s.alternatives) for s in reading.subjects if s.enabled)
    rows.sort(key=lambda row: _order(row, sort))
    if form == "json":
        typer.echo(json_text([row._asdict() for row in rows], indent=2))
    elif form == "csv":
        typer.echo(_csv(rows), nl=False)
    else:
        for line in (*_text(rows), *(f"versions: {entry.text}" for entry in versions)):
            typer.echo(shown(line))
    for failure in reading.failures:
        print_error(UsageError(failure.subject, failure.reason, failure.help))
    if reading.failures:
        raise typer.Exit(2)


def _cyclonedx(configurations: Sequence[Configuration], at: datetime) -> Iterable[str]:
    try:
        from nginxtls.report.cbom import render
    except ImportError:
        raise UsageError(
            "--format cyclonedx",
            "needs the package cyclonedx-python-lib",
            "install nginxtls with its extra: nginxtls[cbom]",
        ) from None
    import nginxtls

    yield from render(configurations, at, nginxtls.__version__).splitlines()


def _order(row: CertificateRow, sort: str) -> tuple[bool, str | int, str, str]:
    values = {
        "file": row.file,
        "host": row.host,
        "expires": row.days_left,
        "subject": row.subject,
        "issuer": row.issuer,
        "verdict": row.chain,
    }
    value = values[sort]
    # Unreadable certificates come last.
    return value is None, value if value is not None else 0, row.file, row.host


def _csv(rows: Sequence[CertificateRow]) -> str:
    import csv
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = CertificateRow._fields
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(value) if isinstance(value, tuple) else str(value)
    # A spreadsheet evaluates such a cell as a formula.
    return shown(f"'{text}" if text.startswith(("=", "+", "-", "@")) and not isinstance(value, int) else text)


# More suites than fit on a line; JSON and CSV have them all.
_MOST = 3


def _text(rows: Sequence[CertificateRow]) -> Iterable[str]:
    for row in rows:
        yield row.file
        if row.host not in ("", "-"):
            yield f"  host       {row.host}"
        if row.subject is not None:
            expires = "(no date)"
            if row.not_after is not None and row.days_left is not None:
                days = abs(row.days_left)
                expires = f"{row.not_after[:10]}, {days} day{'s' if days != 1 else ''}{' ago' * (row.days_left < 0)}"
            yield f"  subject    {row.subject}"
            yield f"  names      {', '.join(row.names) or '(none)'}"
            yield f"  issuer     {row.issuer}"
            yield f"  serial     {row.serial}"
            yield f"  valid from {(row.not_before or '(no date)')[:10]}"
            yield f"  expires    {expires}"
            yield f"  key        {row.key}"
        yield f"  chain      {row.chain}"
        yield f"  served on  {', '.join(row.endpoints) or '(nowhere)'} for {', '.join(row.server_names) or '(no name)'}"
        if row.suites:
            yield f"  protocols  {'; '.join(row.differing) or ', '.join(row.protocols)}"
            more = f" and {len(row.suites) - _MOST} more" if len(row.suites) > _MOST else ""
            yield f"  suites     {', '.join(row.suites[:_MOST])}{more}"
            yield f"  groups     {', '.join(row.groups)}{'' if row.post_quantum else ' (none is post-quantum)'}"
            yield f"  grade      {', '.join(row.grades) or 'none'}"
        yield f"  used by    {', '.join(row.used_by)}"
    count = len(rows)
    yield f"{count} certificate{'s' if count != 1 else ''}"
