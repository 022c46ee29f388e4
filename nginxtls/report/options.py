"""The options of a report, which every format receives with it."""

from __future__ import annotations

from nginxtls.base.lazy import NamedTuple
from nginxtls.finding import Severity


class Revision(NamedTuple):
    """The version of a repository that was linted: its address, commit and branch (empty if unknown)."""

    uri: str
    commit: str
    branch: str = ""


class Options(NamedTuple):
    """``width`` is in character cells, 0 if nothing limits it; ``version`` is that of nginxtls;
    ``status`` the exit code of the run, if known."""

    color: bool = False
    width: int = 0
    show_suppressed: bool = False
    verbose: bool = False
    quiet: bool = False
    statistics: bool = False
    hyperlinks: bool = False
    version: str = ""
    status: int | None = None
    fail_on: Severity = Severity.WARNING
    """The least severity that fails a run."""
    sort: str = "file"
    """The order of findings: ``file`` or ``severity``."""
    revision: Revision | None = None
