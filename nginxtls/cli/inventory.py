"""``nginxtls inventory``: every certificate that the configuration serves, where, for which names, until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import json_text, shown
from nginxtls.cli import options
from nginxtls.model.effective import VERSIONS

if TYPE_CHECKING:
    from nginxtls.model import Configuration, Endpoint, ServedBundle
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.tls import ServerKey

SORTS = ("file", "expires", "subject", "issuer", "verdict")
FORMS = ("text", "json", "csv", "cyclonedx")


@dataclass(frozen=True, slots=True)
class Row:
    """A served certificate; if it could not be read, only the file and where it is served are known."""

    file: str
    subject: str | None
    names: tuple[str, ...]
    issuer: str | None
    not_after: str | None
    days_left: int | None
    key: str | None
    chain: str
    endpoints: tuple[str, ...]
    server_names: tuple[str, ...]
    protocols: tuple[str, ...]
    suites: tuple[str, ...]
    used_by: tuple[str, ...]
    sha256: str | None
    groups: tuple[str, ...] = ()
    post_quantum: tuple[str, ...] = ()
    """Those of the groups that withstand a quantum computer."""
    grades: tuple[str, ...] = ()
    """The letters of SSL Labs' rating guide for the endpoints that send it, best first."""
    differing: tuple[str, ...] = ()
    """Where the builds in question differ: the protocols of each, in words."""


def inventory(
    paths: options.Paths = None,
    sort: Annotated[str, typer.Option("--sort", metavar="COLUMN", help=f"Sort by {', '.join(SORTS)}.")] = "file",
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="Output format: text, json, csv or cyclonedx.")
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
    from nginxtls.linting.versions import made_for

    if form not in FORMS:
        raise UsageError(f"--format {form}", "is not an output format", f"use {', '.join(FORMS)}")
    if sort not in SORTS:
        raise UsageError(f"--sort {sort}", "is not a sort key", f"use {', '.join(SORTS)}")
    requested = options.default_paths(paths, root)
    settings = options.settings(
        requested,
        config,
        no_config,
        maps=maps,
        trust=trust,
        nginx_version=nginx_version,
        openssl_version=openssl_version,
    )
    moment = options.moment(at) or datetime.now(timezone.utc)
    reading = read(
        requested, settings, root=root_for(requested[0], root), at=moment, stdin_text=options.stdin_text(requested)
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
        for row in _over_builds(subject.alternatives, _rows(subject.configuration, moment), moment)
    ]
    versions = made_for((s.configuration, s.alternatives) for s in reading.subjects if s.enabled)
    rows.sort(key=lambda row: _order(row, sort))
    if form == "json":
        typer.echo(json_text([asdict(row) for row in rows], indent=2))
    elif form == "csv":
        typer.echo(_csv(rows), nl=False)
    else:
        for line in (*_text(rows), *(f"versions: {entry.text}" for entry in versions)):
            typer.echo(shown(line))
    for failure in reading.failures:
        print_error(UsageError(failure.subject, failure.reason, failure.help))
    if reading.failures:
        raise typer.Exit(2)


def _over_builds(alternatives: Alternatives | None, rows: Iterable[Row], at: datetime) -> Iterable[Row]:
    """The rows of a configuration, with the protocols and suites of all builds in question, and where they differ."""
    rows = list(rows)
    if alternatives is None or not alternatives.matter:
        return rows
    numbers = range(len(alternatives.builds))
    others = [list(_rows(alternatives.configuration_in(number), at)) for number in numbers]
    return [_over(row, [other[place] for other in others], alternatives) for place, row in enumerate(rows)]


def _over(row: Row, others: Sequence[Row], alternatives: Alternatives) -> Row:
    by_protocols: dict[tuple[str, ...], list[int]] = {}
    for number, other in enumerate(others):
        by_protocols.setdefault(other.protocols, []).append(number)
    differing = tuple(
        f"{' '.join(protocols) or 'none'} with {alternatives.part(having, range(len(others)))}"
        for protocols, having in by_protocols.items()
    )
    served = {protocol for protocols in by_protocols for protocol in protocols}
    return replace(
        row,
        protocols=tuple(version for version in VERSIONS if version in served),
        suites=tuple(dict.fromkeys(suite for other in reversed(others) for suite in other.suites)),
        differing=differing if len(by_protocols) > 1 else (),
    )


def _rows(configuration: Configuration, at: datetime) -> Iterable[Row]:
    served: dict[ServedBundle, list[Endpoint]] = {}
    for endpoint in configuration.endpoints:
        for bundle in endpoint.tls.bundles:
            served.setdefault(bundle, []).append(endpoint)
    for bundle in configuration.bundles:
        endpoints = served.get(bundle, [])
        places = tuple(dict.fromkeys(endpoint.socket.label for endpoint in endpoints))
        servers = tuple(
            dict.fromkeys(
                name.text for server in configuration.servers_of(bundle) for name in server.names if name.text
            )
        )
        directive = bundle.directive
        used_by = tuple(
            dict.fromkeys(
                f"{each.file.name}:{each.line}"
                for each in (directive, *(server.directive for server in configuration.servers_of(bundle)))
                if each is not None
            )
        )
        leaf = bundle.leaf
        if leaf is None:
            unknown = (None, (), None, None, None, None)
            yield Row(bundle.path, *unknown, _verdict(bundle), places, servers, (), (), used_by, None)
            continue
        key = " ".join(filter(None, (leaf.key.kind, leaf.key.curve or (str(leaf.key.bits) if leaf.key.bits else ""))))
        yield Row(
            bundle.path,
            leaf.subject,
            tuple(san.value for san in leaf.sans),
            leaf.issuer,
            leaf.not_after.isoformat() if leaf.has_dates else None,
            (leaf.not_after - at).days if leaf.has_dates else None,
            key,
            _verdict(bundle),
            places,
            servers,
            *_negotiated(endpoints, leaf.key),
            used_by,
            leaf.sha256,
            *_groups(endpoints),
            _grades(configuration, endpoints),
        )


def _negotiated(endpoints: Sequence[Endpoint], key: ServerKey) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The protocol versions and suites in which clients can get a certificate with this key."""
    protocols: dict[str, None] = {}
    suites: dict[str, None] = {}
    for tls in {id(endpoint.tls.suites): endpoint.tls for endpoint in endpoints}.values():
        for version, offered in tls.suites.items():
            ways = key.authenticates(version, tls.level, tls.openssl)
            fitting = [suite.name for suite in offered if suite.authentication in ways]
            suites.update(dict.fromkeys(fitting))
            protocols.update(dict.fromkeys([version] if fitting else ()))
    return tuple(protocols), tuple(suites)


def _groups(endpoints: Sequence[Endpoint]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The groups that some endpoint offers, and those of them that are post-quantum."""
    from nginxtls.model.handshakes import group_name

    found = {group: None for endpoint in endpoints for group in endpoint.tls.groups}
    return tuple(map(group_name, found)), tuple(group_name(group) for group in found if group.post_quantum)


def _grades(configuration: Configuration, endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    """The grades of some endpoints, best first."""
    from nginxtls.model.grade import LETTERS, endpoint_grade

    found = {endpoint_grade(configuration, endpoint).letter for endpoint in endpoints}
    return tuple(letter for letter in LETTERS if letter in found)


def _cyclonedx(configurations: Sequence[Configuration], at: datetime) -> Iterable[str]:
    try:
        from nginxtls.report.cbom import render
    except ImportError:
        raise UsageError(
            "--format cyclonedx", "needs the package cyclonedx-python-lib", "run pip install 'nginxtls[cbom]'"
        ) from None
    import nginxtls

    yield from render(configurations, at, nginxtls.__version__).splitlines()


def _verdict(bundle: ServedBundle) -> str:
    if bundle.bundle is None:
        return f"not checked: {bundle.unreadable}"
    if not bundle.bundle.loads or bundle.chain is None:
        # nginx stops at the first error in a file.
        why = bundle.bundle.problems[-1].message
        return f"not checked: {why}" if bundle.bundle.loads else f"not loaded: {why}"
    kinds = dict.fromkeys(each.kind for each in bundle.chain.reasons)
    return bundle.chain.verdict + (f" ({', '.join(kinds)})" if kinds else "")


def _order(row: Row, sort: str) -> tuple[bool, str | int, str]:
    values = {
        "file": row.file,
        "expires": row.days_left,
        "subject": row.subject,
        "issuer": row.issuer,
        "verdict": row.chain,
    }
    value = values[sort]
    # Unreadable certificates come last.
    return value is None, value if value is not None else 0, row.file


def _csv(rows: Sequence[Row]) -> str:
    import csv
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = tuple(Row.__dataclass_fields__)
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(value) if isinstance(value, tuple) else str(value)
    # A spreadsheet evaluates such a cell as a formula.
    return shown(f"'{text}" if text.startswith(("=", "+", "-", "@")) and not isinstance(value, int) else text)


# More suites than fit on a line; JSON and CSV have them all.
_MOST = 3


def _text(rows: Sequence[Row]) -> Iterable[str]:
    for row in rows:
        yield row.file
        if row.subject is not None:
            expires = "(no date)"
            if row.not_after is not None and row.days_left is not None:
                days = abs(row.days_left)
                expires = f"{row.not_after[:10]}, {days} day{'s' if days != 1 else ''}{' ago' * (row.days_left < 0)}"
            yield f"  subject    {row.subject}"
            yield f"  names      {', '.join(row.names) or '(none)'}"
            yield f"  issuer     {row.issuer}"
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
