"""GitHub's workflow commands: each finding an annotation of the pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.finding import Severity
from nginxtls.report.places import Place, Places
from nginxtls.report.words import circumstances, encodable, findings_to_show, policy_lines, remarks, visible

if TYPE_CHECKING:
    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options

SHOWN_POLICIES = 200
"""The number of rows of the policies table in its annotation."""
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(report: Report, options: Options) -> str:
    """A workflow command for each finding and each input that could not be linted."""
    places = Places(report.root)
    lines = [_command(finding, places) for finding in findings_to_show(report, options)]
    for failure in report.failures:
        properties = {"title": "nginxtls"}
        if failure.location:
            properties = {**_where(places.of(failure.location)), **properties}
        help = [f"help: {failure.help}"] if failure.help else []
        text = "\n".join(visible(part) for part in [f"{failure.subject}: {failure.reason}", *help])
        lines.append(_workflow_command("error", properties, text))
    if table := policy_lines(report, SHOWN_POLICIES):
        lines.append(_workflow_command("notice", {"title": "nginxtls: policies"}, "\n".join(map(visible, table))))
    lines += [f"::debug::{_data(visible(line))}" for line in circumstances(report._replace(policies=()))]
    return "".join(f"{line}\n" for line in lines)


def _command(finding: Finding, places: Places) -> str:
    properties = {**_where(places.of(finding.location)), "title": f"nginxtls: {finding.rule}"}
    text = "\n".join(visible(part) for part in [finding.message, *remarks(finding)])
    return _workflow_command("notice" if finding.suppressed else _COMMANDS[finding.severity], properties, text)


def _where(place: Place) -> dict[str, str]:
    """Columns are counted to the last character, not after it."""
    return {
        "file": place.file,
        "line": str(place.line),
        "endLine": str(place.end_line),
        "col": str(place.column),
        "endColumn": str(max(place.end_column - 1, place.column)),
    }


def _workflow_command(command: str, properties: dict[str, str], text: str) -> str:
    return f"::{command} {','.join(f'{name}={_property(value)}' for name, value in properties.items())}::{_data(text)}"


def _data(text: str) -> str:
    """Escaped as @actions/core does: percent first, so that nothing in it ends the command."""
    return encodable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")
