"""``nginxtls fleet``: many hosts' dumps, archives and checkouts as tables, with an overview and queries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from nginxtls.base.errors import UsageError, nearest, printable
from nginxtls.base.pipes import closed_peers_are_errors
from nginxtls.base.printing import harmless, shown
from nginxtls.cli import completion, options, values
from nginxtls.cli.plain import PlainCommand

if TYPE_CHECKING:
    from collections.abc import Callable

Output = Annotated[str, typer.Option("--output", metavar="DIR", help="The folder of the tables.", show_default=False)]
Directory = Annotated[str, typer.Argument(metavar="DIR", help="The output folder of a scan.")]


class _Fleet(TyperGroup):
    """``fleet SOURCE`` is ``fleet scan SOURCE``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the arguments, with the command put in if there is none."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["scan", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Fleet, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.callback()
def fleet() -> None:
    """Check many hosts and keep tables of the results: fleet SOURCE --output DIR."""


@app.command(cls=PlainCommand)
def scan(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A folder, a glob, @FILE with paths, or a URL such as s3://bucket/dumps."
        ),
    ],
    output: Output = "",
    inventory: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="CSV or YAML with host, nginx, openssl, team, root, item.", show_default=False
        ),
    ] = "",
    host_pattern: Annotated[
        str,
        typer.Option(
            metavar="PATTERN", help="How item names hold host and team: {team}/{host}.txt.", show_default=False
        ),
    ] = "",
    scheduler: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address of a Dask scheduler.", show_default=False)
    ] = "",
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes on this machine; 0: one per core.")] = 0,
    timeout: Annotated[float, typer.Option(min=0.001, metavar="SECONDS", help="The most time for one item.")] = 60.0,
    max_bytes: Annotated[int, typer.Option(min=1, metavar="BYTES", help="The most bytes of one item.")] = 64_000_000,
    new: Annotated[bool, typer.Option("--new", help="Start anew instead of continuing an interrupted run.")] = False,
    trust: options.Trust = None,
    nginx_version: options.NginxVersion = "",
    openssl_version: options.OpenSSLVersion = "",
    at: options.At = "",
    config: options.Config = "",
) -> None:
    """Check every item of a source and write the tables of a run.

    Exit code: 0, or 2 if the request could not be carried out. Items that cannot be checked are rows, not failures.
    """
    _require()
    if not output:
        raise UsageError("--output", "is missing", "set it to the folder for the tables")
    from nginxtls.detection import AUTO
    from nginxtls.fleet.engine import scan as run_scan
    from nginxtls.fleet.hosts import read_hosts
    from nginxtls.fleet.sources import find_items
    from nginxtls.fleet.work import Limits
    from nginxtls.report.words import count, listing

    settings = values.settings(
        ["."], config, not config, trust=trust, nginx_version=nginx_version, openssl_version=openssl_version
    )
    if AUTO in (settings.nginx_version, settings.openssl_version):
        raise UsageError(
            "--nginx-version auto", "would be that of this machine", "remove it, or set versions in the inventory"
        )
    hosts = read_hosts(inventory, host_pattern)
    items = find_items(source)
    try:
        with closed_peers_are_errors():
            done = run_scan(
                items,
                hosts,
                Path(output),
                settings,
                at=values.moment(at),
                limits=Limits(max_bytes, timeout),
                scheduler=scheduler,
                workers=workers,
                resume=not new,
                source=source,
                progress=_progress if sys.stderr.isatty() else lambda done, total: None,
            )
    except BaseException as error:
        if not isinstance(error, Exception):  # the interrupt of ``main``
            typer.echo("interrupted: the same command continues the run", err=True)
        raise
    if done.absent:
        typer.echo(
            f"no item for {count(len(done.absent), 'host')} of the inventory: {shown(listing(done.absent))}", err=True
        )
    kept = f", {done.kept:,} of them before the interruption" if done.resumed else ""
    typer.echo(f"{count(done.items, 'item')}{kept}: run {done.run.name} in {printable(output)}")


@app.command(cls=PlainCommand)
def report(
    output: Directory,
    to: Annotated[
        str,
        typer.Option(
            "--output", metavar="FILE", help="The page to write; default: DIR/report.html.", show_default=False
        ),
    ] = "",
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMAT", autocompletion=completion.among("html", "markdown"), help="html or markdown."
        ),
    ] = "html",
) -> None:
    """Write the overview of the newest run, with what changed since the run before."""
    _require()
    from nginxtls.base.writing import write_whole
    from nginxtls.fleet import report as pages
    from nginxtls.fleet.overview import overview

    forms: dict[str, tuple[Callable[[Any], str], str]] = {
        "html": (pages.html, "html"),
        "markdown": (pages.markdown, "md"),
    }
    if form not in forms:
        raise UsageError(f"--format {form}", "is not an output format", nearest(form, forms) or "use html or markdown")
    render, ending = forms[form]
    text = render(overview(Path(output)))
    if to == "-":
        sys.stdout.write(harmless(text))
        return
    file = Path(to) if to else Path(output) / f"report.{ending}"
    try:
        write_whole(file, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"--output {file}", f"cannot be written: {error.strerror}") from error
    typer.echo(shown(str(file)))


@app.command(cls=PlainCommand)
def query(
    output: Directory,
    sql: Annotated[
        str, typer.Argument(metavar="[SQL|NAME]", help="A query, or the name of one; without it the names are listed.")
    ] = "",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=completion.among("text", "json", "csv"),
            help="text, json or csv.",
        ),
    ] = "text",
) -> None:
    """Run SQL over the tables of the newest run: items, endpoints, certificates, findings."""
    _require()
    from nginxtls.fleet import queries
    from nginxtls.fleet.database import connect, rows
    from nginxtls.fleet.tables import complete_runs

    if form not in queries.FORMS:
        raise UsageError(f"--format {form}", "is not an output format", f"use {', '.join(queries.FORMS)}")
    if not sql:
        typer.echo(queries.listing(), nl=False)
        return
    found = complete_runs(Path(output))
    database = connect(Path(output), run=found[-1].name, runs=[run.name for run in found])
    columns, values = rows(database, queries.named(sql))
    typer.echo(harmless(queries.FORMS[form](columns, values)), nl=False)


def _progress(done: int, total: int) -> None:
    print(f"\r\x1b[K{done:,} of {total:,} items", end="\n" if done >= total else "\r", file=sys.stderr, flush=True)


def _require() -> None:
    """One message instead of an ImportError if the extra is not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("distributed", "duckdb", "fsspec", "pyarrow") if find_spec(name) is None]
    if missing:
        raise UsageError(
            "nginxtls fleet", f"needs {', '.join(missing)}", "install nginxtls with its extra: nginxtls[fleet]"
        )


command = typer.main.get_command(app)
