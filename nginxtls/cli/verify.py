"""``nginxtls verify``: the running server compared with its files. The only command that opens a connection."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.pipes import closed_peers_are_errors
from nginxtls.cli import completion, options, values
from nginxtls.cli.check import Color, Level
from nginxtls.cli.output import outputs, revision, use_color, width, write
from nginxtls.cli.progress import Progress
from nginxtls.finding import Severity
from nginxtls.report import Options

if TYPE_CHECKING:
    from nginxtls.linting.report import Report
    from nginxtls.live.targets import Host

PROMETHEUS = "prometheus"
Words = Optional[list[str]]  # noqa: UP045 - typer reads it while running, on Python 3.10, too


def verify(
    paths: options.Paths = None,
    # which listeners to query
    connect: Annotated[
        Words,
        typer.Option(
            metavar="HOST[:PORT]",
            help="Connect to this host in place of the configured addresses on this machine. Repeatable.",
            show_default=False,
        ),
    ] = None,
    host_map: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Verify hosts against dumps of nginx -T: a file with lines `DUMP HOST[:PORT]...`.",
            show_default=False,
        ),
    ] = "",
    servername: Annotated[
        Words,
        typer.Option(metavar="NAME,...", help="Verify only these server names. [default: all]", show_default=False),
    ] = None,
    no_http: Annotated[bool, typer.Option("--no-http", help="Send no HEAD request: do not compare headers.")] = False,
    no_quic: Annotated[bool, typer.Option("--no-quic", help="Do not verify QUIC listeners.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=300, metavar="SECONDS", help="The time limit of a connection.")
    ] = 5.0,
    jobs: Annotated[int, typer.Option(min=1, max=256, metavar="N", help="Names verified at the same time.")] = 8,
    rate: Annotated[
        float, typer.Option(min=0.1, max=100_000, metavar="N", help="New connections per second at most.")
    ] = 500.0,
    # what it is for
    nginx_version: options.NginxVersion = "",
    openssl_version: options.OpenSSLVersion = "",
    openssl_conf: options.OpenSSLConf = "",
    root: options.Root = "",
    maps: options.Map = None,
    at: options.At = "",
    expiry_days: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=0, metavar="DAYS", help="Report served certificates with fewer days left.", show_default=False
        ),
    ] = None,
    config: options.Config = "",
    no_config: options.NoConfig = False,
    # how it is reported
    min_severity: Annotated[
        Optional[Level],  # noqa: UP045
        typer.Option(help="Only report findings of at least this severity. [default: note]", show_default=False),
    ] = None,
    fail_on: Annotated[
        Optional[Level],  # noqa: UP045
        typer.Option(
            help="Exit with code 1 on findings of at least this severity. [default: warning]", show_default=False
        ),
    ] = None,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with code 0 even if there are findings.")
    ] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=completion.verify_formats,
            help="Output format on standard output: as in check, or prometheus.",
        ),
    ] = "text",
    output: Annotated[
        Words,
        typer.Option(metavar="[FORMAT:]FILE", help="Also write the report to a file. Repeatable.", show_default=False),
    ] = None,
    color: Annotated[Color, typer.Option(help="When to use colour; NO_COLOR is respected.")] = Color.auto,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Report findings only, without the summary.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List everything that was not checked.")] = False,
) -> None:
    """Compare the running server with its files: handshakes with each name on each TLS listener.

    Connects to the listeners of the configuration on this machine, or to the hosts of --connect and --host-map.

    Exit code: 0 without differences, 1 with findings, 2 if the request could not be carried out.
    """
    import nginxtls
    from nginxtls.api import read, root_for
    from nginxtls.live import prometheus
    from nginxtls.live.targets import read_host
    from nginxtls.live.verify import Choice, Limits
    from nginxtls.live.verify import verify as run

    if host_map and (paths or connect):
        raise UsageError("--host-map", "names the dumps and the hosts itself", "remove the paths and `--connect`")
    hosts = _host_map(host_map) if host_map else ()
    requested = values.default_paths([path for path, _ in hosts] or paths, root)
    settings = values.settings(
        requested, config, no_config, maps=maps, nginx_version=nginx_version, openssl_version=openssl_version
    ).replace(
        min_severity=min_severity.value if min_severity else None,
        fail_on=fail_on.value if fail_on else None,
        expiry_days=expiry_days,
    )
    # A file without a format gets that of --format, in place of standard output.
    files = [f"{PROMETHEUS}:{text}" if form == PROMETHEUS and ":" not in text else text for text in output or []]
    wanted = outputs(
        "text" if form == PROMETHEUS else form, [text for text in files if not text.startswith(f"{PROMETHEUS}:")]
    )
    metrics = [text.partition(":")[2] for text in files if text.startswith(f"{PROMETHEUS}:")]
    for target in metrics:
        if not target or not os.path.isdir(os.path.dirname(os.path.abspath(target))):
            raise UsageError(f"--output {PROMETHEUS}:{target}", "its folder does not exist", "use an existing folder")
    choice = Choice(
        hosts=tuple(read_host(text) for text in values.words(connect)),
        hosts_by_file=hosts,
        names=values.words(servername),
        http=not no_http,
        quic=not no_quic,
        limits=Limits(timeout, jobs, rate),
        expiry_days=settings.expiry_days,
        min_severity=Severity[settings.min_severity.upper()],
    )
    progress = Progress(sys.stderr.isatty() and not quiet)
    moment = values.moment(at)
    progress("reading")
    reading = read(
        requested,
        settings,
        root=root_for(requested[0], root) if len(requested) == 1 else root or None,
        at=moment,
        openssl_conf=openssl_conf or None,
        stdin_text=values.stdin_text(requested),
    )
    with closed_peers_are_errors():
        verification = run(reading, choice, moment, progress)
    progress("")
    report = verification.report
    status = _status(report, Severity[settings.fail_on.upper()], exit_zero)
    shown = Options(
        color=use_color(color.value),
        width=width(),
        hyperlinks=use_color(color.value) and sys.stdout.isatty(),
        version=nginxtls.__version__,
        revision=revision(),
        quiet=quiet,
        verbose=verbose,
        status=status,
    )
    if form == PROMETHEUS:
        if all(":" in text for text in output or []):
            sys.stdout.write(prometheus.render(verification))
        wanted = wanted[1:]
    for name, file in wanted:
        write(report, name, file, shown)
    for target in metrics:
        _write_metrics(target, prometheus.render(verification))
    raise typer.Exit(status)


def _write_metrics(file: str, text: str) -> None:
    """Write metrics at once: the textfile collector may read at any moment."""
    from nginxtls.base.writing import write_whole

    try:
        write_whole(Path(file), text.encode())
    except OSError as error:
        raise UsageError(f"--output {PROMETHEUS}:{file}", f"cannot be written: {error.strerror}") from error


def _host_map(name: str) -> "tuple[tuple[str, tuple[Host, ...]], ...]":
    """The hosts of each dump: lines of a path (from the folder of the file) and hosts, ``#`` starts a comment."""
    from nginxtls.base.limits import LIMITS
    from nginxtls.base.reading import read_regular
    from nginxtls.base.secrets import hide
    from nginxtls.live.targets import read_host

    try:
        lines = hide(read_regular(name, LIMITS["host-map"]).decode("utf-8")).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"--host-map {name}", f"cannot be read: {reason}") from error
    found: dict[str, tuple[Host, ...]] = {}
    for number, line in enumerate(lines, 1):
        dump, *hosts = line.partition("#")[0].split() or [""]
        if not dump:
            continue
        if not hosts:
            help = "write the dump and its hosts on a line: `web1.dump web1.example.com:443`"
            raise UsageError(f"{name}:{number}", "names no host", help)
        path = os.path.relpath(os.path.join(os.path.dirname(os.path.abspath(name)), dump))
        found[path] = (*found.get(path, ()), *(read_host(text, f"{name}:{number}") for text in hosts))
    if not found:
        raise UsageError(f"--host-map {name}", "names no dump", "write lines such as `web1.dump web1.example.com:443`")
    return tuple(found.items())


def _status(report: "Report", fail_on: Severity, exit_zero: bool) -> int:
    if report.failures:
        return 2
    return int(not exit_zero and any(finding.severity >= fail_on for finding in report.findings))
