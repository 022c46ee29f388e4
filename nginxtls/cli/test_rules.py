"""``nginxtls test-rules PACKAGE``: run the examples and fixtures of the rules of an installed package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nginxtls.base.errors import UsageError, printable


def test_rules(
    package: Annotated[
        str, typer.Argument(metavar="PACKAGE", help="An installed package with rules, or the name of its entry point.")
    ],
    fixtures: Annotated[
        str, typer.Option(metavar="DIR", help="Folder with RULE/bad.conf and RULE/good.conf. [default: fixtures]")
    ] = "",
) -> None:
    """Run the examples in the documentation of a package's rules, and their fixtures.

    Exit code: 0 if all pass, 1 if one fails, 2 if the package cannot be loaded.
    """
    from nginxtls.testing import rules_of_package, run_cases

    folder = Path(fixtures or "fixtures")
    if fixtures and not folder.is_dir():
        raise UsageError(f"--fixtures {fixtures}", "there is no such folder")
    rules = rules_of_package(package)
    failed = total = 0
    for case in run_cases(rules, folder if folder.is_dir() else None):
        total += 1
        failed += bool(case.fault)
        result = (
            f"FAILED  {case.rule}: {case.title}: {case.fault}" if case.fault else f"ok      {case.rule}: {case.title}"
        )
        typer.echo(printable(result))
    typer.echo(f"{len(rules)} rule{'s' * (len(rules) != 1)}, {total} case{'s' * (total != 1)}, {failed} failed")
    if failed or not rules:
        raise typer.Exit(1)
