"""``nginxtls check``: lint configurations and report findings."""

import sys
from contextlib import redirect_stdout
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import shown
from nginxtls.cli import completion, options
from nginxtls.cli.output import outputs, revision, use_color, width, write
from nginxtls.cli.progress import Progress
from nginxtls.finding import Severity
from nginxtls.report import Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nginxtls import api
    from nginxtls.linting.report import Report
    from nginxtls.linting.settings import Settings


class Level(str, Enum):
    """A severity, as an option."""

    note = "note"
    warning = "warning"
    error = "error"


class Color(str, Enum):
    """When to use colour."""

    auto = "auto"
    always = "always"
    never = "never"


class Order(str, Enum):
    """An order of findings."""

    file = "file"
    severity = "severity"


Words = Optional[list[str]]  # noqa: UP045 - typer reads it while running, on Python 3.10, too


def check(
    paths: options.Paths = None,
    # what to look for
    select: Annotated[
        Words,
        typer.Option(
            metavar="RULE,...",
            autocompletion=completion.rules_and_topics,
            help="Run only these rules, topics or patterns.",
            show_default=False,
        ),
    ] = None,
    ignore: Annotated[
        Words,
        typer.Option(
            metavar="RULE,...",
            autocompletion=completion.rules_and_topics,
            help="Do not run these rules, topics or patterns.",
            show_default=False,
        ),
    ] = None,
    pedantic: Annotated[bool, typer.Option("--pedantic", help="Also run rules that give hardening advice.")] = False,
    policy: Annotated[
        Words,
        typer.Option(
            metavar="NAME,...",
            autocompletion=completion.policies,
            help="Also check every endpoint against these policies.",
            show_default=False,
        ),
    ] = None,
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
    only_nginx: Annotated[
        bool, typer.Option("--only-nginx", help="Silently skip named files that are not nginx configurations.")
    ] = False,
    # what it is for
    nginx_version: options.NginxVersion = "",
    openssl_version: options.OpenSSLVersion = "",
    openssl_conf: options.OpenSSLConf = "",
    root: options.Root = "",
    maps: options.Map = None,
    trust: options.Trust = None,
    at: options.At = "",
    expiry_days: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, metavar="DAYS", help="Report certificates with fewer days left.", show_default=False),
    ] = None,
    config: options.Config = "",
    no_config: options.NoConfig = False,
    baseline: Annotated[
        str, typer.Option(metavar="FILE", help="Do not report the findings recorded in this file.", show_default=False)
    ] = "",
    write_baseline: Annotated[
        bool, typer.Option("--write-baseline", help="Write all findings to the baseline file.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", hidden=True, help="Accepted for old scripts: nothing is cached.")
    ] = False,
    # fixes
    fix: Annotated[bool, typer.Option("--fix", help="Apply safe fixes, then report what remains.")] = False,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="Also apply unsafe fixes, with --fix, --fix-only or --diff.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print what --fix would change and change nothing.")] = False,
    fix_only: Annotated[bool, typer.Option("--fix-only", help="Apply safe fixes and report nothing.")] = False,
    exit_non_zero_on_fix: Annotated[
        bool, typer.Option("--exit-non-zero-on-fix", help="Exit with code 1 if anything is fixed.")
    ] = False,
    # how it is reported
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=completion.report_formats,
            help="Output format on standard output.",
        ),
    ] = "text",
    output: Annotated[
        Words,
        typer.Option(
            metavar="[FORMAT:]FILE",
            autocompletion=completion.outputs,
            help="Write the report to a file; without FORMAT, not to standard output as well. Repeatable.",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[Order, typer.Option(help="Order of findings; severity: what stops nginx first.")] = Order.file,
    color: Annotated[Color, typer.Option(help="When to use colour; NO_COLOR is respected.")] = Color.auto,
    statistics: Annotated[bool, typer.Option("--statistics", help="Show the number of findings per rule.")] = False,
    show_suppressed: Annotated[
        bool, typer.Option("--show-suppressed", help="Also report ignored and baselined findings.")
    ] = False,
    list_files: Annotated[
        bool, typer.Option("--list-files", help="List the files that would be linted and those that are skipped.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Report findings only, without the summary.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List everything that was not checked.")] = False,
) -> None:
    """Lint nginx configurations.

    Exit code: 0 without findings, 1 with findings, 2 if the request could not be carried out.
    """
    import nginxtls
    from nginxtls import api
    from nginxtls.base.freshness import notice

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
    settings = settings.replace(
        select=options.words(select) or None,
        pedantic=pedantic or None,
        policy=options.words(policy) or None,
        min_severity=min_severity.value if min_severity else None,
        fail_on=fail_on.value if fail_on else None,
        baseline=baseline or None,
        expiry_days=expiry_days,
    )._replace(
        # a rule selected on the command line runs even if the settings file ignores it
        ignore=(*(() if select else settings.ignore), *options.words(ignore)),
    )
    files = outputs(form, output or [])
    text, encoding = options.stdin_text_and_encoding(requested)
    moment = options.moment(at)
    if list_files:
        _list(requested, settings, root or None, text)
        return
    if write_baseline and not settings.baseline:
        raise UsageError("--write-baseline", "needs a file to write", "add `--baseline FILE`")
    fixing = fix or fix_only or diff
    _check_fix_options(fixing, diff, unsafe_fixes, exit_non_zero_on_fix, write_baseline, form, output)
    progress = Progress(sys.stderr.isatty() and not quiet)

    def read_and_lint(text: str | None, instead: "Mapping[str, str]") -> "tuple[api.Reading, Report]":
        return api.read_and_lint(
            requested,
            settings,
            root=root or None,
            at=moment,
            openssl_conf=openssl_conf or None,
            stdin_text=text,
            instead=instead,
            use_baseline=not write_baseline,
            only_nginx=only_nginx,
            progress=progress,
        )

    changed = False
    if fixing:
        from nginxtls.cli import fixing as fixes

        # Who names a policy with --fix requests its protocols and ciphers; one in the settings is only a measure.
        wanted = fixes.policy_rules() if policy else frozenset[str]()
        outcome = fixes.fixed(requested, read_and_lint, text, unsafe=unsafe_fixes, requested=wanted)
        report, changed = outcome.report, bool(outcome.texts)
        progress("")
        if diff:
            fixes.print_diff(outcome, encoding)
        else:
            fixes.save(outcome, text, encoding)
        if not quiet:
            sys.stderr.write(fixes.summary(outcome, would=diff))
        if diff or fix_only:
            _print_failures(report)
            raise typer.Exit(2 if report.failures else int(changed and (diff or exit_non_zero_on_fix)))
    else:
        report = read_and_lint(text, {})[1]
        progress("")
    if report.at and (note := notice(report.at.date())) and not quiet:
        print(note, file=sys.stderr)
    if write_baseline:
        _write_baseline(report, settings)
        raise typer.Exit(2 if report.failures else 0)
    status = _status(report, Severity[settings.fail_on.upper()], exit_zero)
    if changed and exit_non_zero_on_fix:
        status = status or 1
    shown = Options(
        color=use_color(color.value),
        width=width(),
        hyperlinks=use_color(color.value) and sys.stdout.isatty(),
        version=nginxtls.__version__,
        revision=revision(),
        statistics=statistics,
        show_suppressed=show_suppressed,
        quiet=quiet,
        verbose=verbose,
        status=status,
        fail_on=Severity[settings.fail_on.upper()],
        sort=sort.value,
    )
    for name, file in files:
        # Standard output has the fixed text.
        with redirect_stdout(sys.stderr if fixing and text is not None else sys.stdout):
            write(report, name, file, shown)
    if all(file is not None for _, file in files):
        _print_failures(report)
    raise typer.Exit(status)


def _status(report: "Report", fail_on: Severity, exit_zero: bool) -> int:
    if report.failures:
        return 2
    return int(not exit_zero and any(f.severity >= fail_on and not f.group for f in report.findings))


def _check_fix_options(
    fixing: bool,
    diff: bool,
    unsafe: bool,
    non_zero: bool,
    write_baseline: bool,
    form: str,
    output: list[str] | None,
) -> None:
    """Refuse options that contradict each other or would have no effect."""
    alone = "give --fix, --fix-only or --diff with it"
    if unsafe and not fixing:
        raise UsageError("--unsafe-fixes", "applies nothing by itself", alone)
    if non_zero and not fixing:
        raise UsageError("--exit-non-zero-on-fix", "fixes nothing by itself", alone)
    if write_baseline and fixing:
        raise UsageError("--write-baseline", "cannot be given together with --fix", "fix first, then write it")
    if diff and (output or form != "text"):
        raise UsageError("--diff", "prints a unified diff alone", "remove --format and --output")


def _print_failures(report: "Report") -> None:
    from nginxtls.cli import print_error

    for failure in report.failures:
        print_error(UsageError(failure.subject, failure.reason, failure.help))


def _write_baseline(report: "Report", settings: "Settings") -> None:
    from nginxtls.linting.baseline import write_baseline

    _print_failures(report)
    assert settings.baseline
    count = write_baseline(Path(settings.baseline), report.findings)
    print(shown(f"{settings.baseline}: {count} finding{'' if count == 1 else 's'}"))


def _list(paths: list[str], settings: "Settings", root: str | None, text: str | None) -> None:
    from nginxtls import api

    reading = api.read(paths, settings, root=root, stdin_text=text)
    for name in reading.taken:
        print(shown(name))
    left = [*reading.left, *((entry.subject, entry.reason) for entry in reading.skipped)]
    left += [(failure.subject, failure.reason) for failure in reading.failures]
    for name, reason in dict(left).items():
        print(shown(f"skipped: {name}: {reason}"), file=sys.stderr)
    raise typer.Exit(2 if reading.failures else 0)
