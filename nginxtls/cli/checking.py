"""What ``nginxtls check`` does with its options, however these were read."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.base.printing import shown
from nginxtls.cli import values
from nginxtls.cli.output import outputs, revision, use_color, width, write
from nginxtls.cli.progress import Progress
from nginxtls.finding import Severity
from nginxtls.report import Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nginxtls import api
    from nginxtls.linting.report import Report
    from nginxtls.linting.settings import Settings


class Request(NamedTuple):
    """The arguments and options of ``nginxtls check``, which ``nginxtls.cli.check`` declares."""

    paths: list[str] | None = None
    select: list[str] | None = None
    ignore: list[str] | None = None
    pedantic: bool = False
    policy: list[str] | None = None
    min_severity: str | None = None
    fail_on: str | None = None
    exit_zero: bool = False
    only_nginx: bool = False
    nginx_version: str = ""
    openssl_version: str = ""
    openssl_conf: str = ""
    root: str = ""
    maps: list[str] | None = None
    trust: list[str] | None = None
    at: str = ""
    expiry_days: int | None = None
    config: str = ""
    no_config: bool = False
    baseline: str = ""
    write_baseline: bool = False
    no_cache: bool = False
    fix: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    fix_only: bool = False
    exit_non_zero_on_fix: bool = False
    form: str = "text"
    output: list[str] | None = None
    sort: str = "file"
    color: str = "auto"
    statistics: bool = False
    show_suppressed: bool = False
    list_files: bool = False
    quiet: bool = False
    verbose: bool = False


def check(request: Request) -> int:
    """Lint and report; the exit code."""
    import nginxtls
    from nginxtls import api
    from nginxtls.base.freshness import notice

    requested = values.default_paths(request.paths, request.root)
    settings = values.settings(
        requested,
        request.config,
        request.no_config,
        maps=request.maps,
        trust=request.trust,
        nginx_version=request.nginx_version,
        openssl_version=request.openssl_version,
    )
    settings = settings.replace(
        select=values.words(request.select) or None,
        pedantic=request.pedantic or None,
        policy=values.words(request.policy) or None,
        min_severity=request.min_severity,
        fail_on=request.fail_on,
        baseline=request.baseline or None,
        expiry_days=request.expiry_days,
    )._replace(
        # a rule selected on the command line runs even if the settings file ignores it
        ignore=(*(() if request.select else settings.ignore), *values.words(request.ignore)),
    )
    files = outputs(request.form, request.output or [])
    text, encoding = values.stdin_text_and_encoding(requested)
    moment = values.moment(request.at)
    if request.list_files:
        return _list(requested, settings, request.root or None, text)
    if request.write_baseline and not settings.baseline:
        raise UsageError("--write-baseline", "needs a file to write", "add `--baseline FILE`")
    fixing = request.fix or request.fix_only or request.diff
    _check_fix_options(request, fixing)
    progress = Progress(sys.stderr.isatty() and not request.quiet)

    def read_and_lint(text: str | None, instead: Mapping[str, str]) -> tuple[api.Reading, Report]:
        return api.read_and_lint(
            requested,
            settings,
            root=request.root or None,
            at=moment,
            openssl_conf=request.openssl_conf or None,
            stdin_text=text,
            instead=instead,
            use_baseline=not request.write_baseline,
            only_nginx=request.only_nginx,
            progress=progress,
        )

    changed = False
    if fixing:
        from nginxtls.cli import fixing as fixes

        # Who names a policy with --fix requests its protocols and ciphers; one in the settings is only a measure.
        wanted = fixes.policy_rules() if request.policy else frozenset[str]()
        outcome = fixes.fixed(requested, read_and_lint, text, unsafe=request.unsafe_fixes, requested=wanted)
        report, changed = outcome.report, bool(outcome.texts)
        progress("")
        if request.diff:
            fixes.print_diff(outcome, encoding)
        else:
            fixes.save(outcome, text, encoding)
        if not request.quiet:
            sys.stderr.write(fixes.summary(outcome, would=request.diff))
        if request.diff or request.fix_only:
            _print_failures(report)
            return 2 if report.failures else int(changed and (request.diff or request.exit_non_zero_on_fix))
    else:
        report = read_and_lint(text, {})[1]
        progress("")
    if report.at and (note := notice(report.at.date())) and not request.quiet:
        print(note, file=sys.stderr)
    if request.write_baseline:
        _write_baseline(report, settings)
        return 2 if report.failures else 0
    status = _status(report, Severity[settings.fail_on.upper()], request.exit_zero)
    if changed and request.exit_non_zero_on_fix:
        status = status or 1
    shown = Options(
        color=use_color(request.color),
        width=width(),
        hyperlinks=use_color(request.color) and sys.stdout.isatty(),
        version=nginxtls.__version__,
        revision=revision(),
        statistics=request.statistics,
        show_suppressed=request.show_suppressed,
        quiet=request.quiet,
        verbose=request.verbose,
        status=status,
        fail_on=Severity[settings.fail_on.upper()],
        sort=request.sort,
    )
    for name, file in files:
        # Standard output has the fixed text.
        with redirect_stdout(sys.stderr if fixing and text is not None else sys.stdout):
            write(report, name, file, shown)
    if all(file is not None for _, file in files):
        _print_failures(report)
    return status


def _status(report: Report, fail_on: Severity, exit_zero: bool) -> int:
    if report.failures:
        return 2
    return int(not exit_zero and any(f.severity >= fail_on and not f.group for f in report.findings))


def _check_fix_options(request: Request, fixing: bool) -> None:
    """Refuse options that contradict each other or would have no effect."""
    alone = "give --fix, --fix-only or --diff with it"
    if request.unsafe_fixes and not fixing:
        raise UsageError("--unsafe-fixes", "applies nothing by itself", alone)
    if request.exit_non_zero_on_fix and not fixing:
        raise UsageError("--exit-non-zero-on-fix", "fixes nothing by itself", alone)
    if request.write_baseline and fixing:
        raise UsageError("--write-baseline", "cannot be given together with --fix", "fix first, then write it")
    if request.diff and (request.output or request.form != "text"):
        raise UsageError("--diff", "prints a unified diff alone", "remove --format and --output")


def _print_failures(report: Report) -> None:
    from nginxtls.cli import print_error

    for failure in report.failures:
        print_error(UsageError(failure.subject, failure.reason, failure.help))


def _write_baseline(report: Report, settings: Settings) -> None:
    from nginxtls.linting.baseline import write_baseline

    _print_failures(report)
    assert settings.baseline
    count = write_baseline(Path(settings.baseline), report.findings)
    print(shown(f"{settings.baseline}: {count} finding{'' if count == 1 else 's'}"))


def _list(paths: list[str], settings: Settings, root: str | None, text: str | None) -> int:
    from nginxtls import api

    reading = api.read(paths, settings, root=root, stdin_text=text)
    for name in reading.taken:
        print(shown(name))
    left = [*reading.left, *((entry.subject, entry.reason) for entry in reading.skipped)]
    left += [(failure.subject, failure.reason) for failure in reading.failures]
    for name, reason in dict(left).items():
        print(shown(f"skipped: {name}: {reason}"), file=sys.stderr)
    return 2 if reading.failures else 0
