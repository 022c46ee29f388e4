"""``nginxtls check``: lint configurations and report findings."""

from enum import Enum
from typing import Annotated, Optional

import typer

from nginxtls.cli import checking, completion, options


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
) -> int:
    """Lint nginx configurations.

    Exit code: 0 without findings, 1 with findings, 2 if the request could not be carried out.
    """
    given = {name: value.value if isinstance(value, Enum) else value for name, value in locals().items()}
    return checking.check(checking.Request(**given))
