"""Whether a fix keeps its promise: the predicted handshakes before and after it, and what the linter finds."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.diff.compare import answers
from nginxtls.finding import Severity
from nginxtls.model.headers import find
from nginxtls.model.nginx_test import refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.model import Configuration
    from nginxtls.model.locations import LocationBlock


class State(NamedTuple):
    """Configurations, and what the linter reports about them."""

    report: Report
    configurations: Sequence[Configuration]


_UPSTREAM = ("protocols", "server_name", "name", "verify", "verify_depth", "trusted_certificate", "certificate")
"""What decides a handshake with an upstream, beside ciphers: two strings may mean the same suites."""


def handshakes(configurations: Iterable[Configuration]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The answer to every client, by configuration, socket and name; HSTS by location; what upstreams are sent.

    Servers are numbered, as a fix may change the lines that they are on and names that never select them.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for number, configuration in enumerate(configurations):
        main = f"{number} {configuration.tree.roots[0].name}"
        servers = {server.place: index for index, server in enumerate(configuration.servers)}
        for endpoint, answer in answers([configuration]).items():
            server = answer["server"] or {}
            which = servers.get(f"{server.get('file')}:{server.get('line')}")
            found[main, endpoint[0], endpoint[1]] = answer | {"server": which}
        for number, location in enumerate(_locations(configuration)):
            sent = find(location.scope, "Strict-Transport-Security")
            found[main, "location", str(number)] = {"hsts": [header.value for header in sent]}
        for number, upstream in enumerate(configuration.upstreams):
            values = {suffix: sorted({*upstream.setting(suffix).values}) for suffix in _UPSTREAM}
            found[main, "upstream", f"{number} {upstream.target}"] = values
    return found


def objection(before: State, after: State, *, safe: bool, fixed: Sequence[Finding] = ()) -> str:
    """Why fixes that lead from one state to the other must not be made; empty if they may.

    After any fix nginx reads the files and refuses nothing that it accepted, the finding is gone, and there is no more
    severe one. After a safe one no client meets a different handshake and no rule finds more than it did, except what
    the next round fixes: without stapling the issuer's certificate is unused.

    Args:
        before: the state before the fixes.
        after: the state after them.
        safe: whether they are safe.
        fixed: the findings whose fixes they are.
    """
    if len(after.report.failures) > len(before.report.failures):
        return "nginx could not read the file after it"
    if any(map(int.__gt__, _refused(after, safe=safe), _refused(before, safe=safe))):
        return "nginx would refuse the configuration after it"
    if Counter(map(_what, fixed)) - (_found(before) - _found(after)):
        return "the finding would remain"
    if safe and handshakes(before.configurations) != handshakes(after.configurations):
        return "a client would meet a different handshake"
    old, new = (Counter(f.rule for f in s.report.findings if _counts(f, fixed, safe)) for s in (before, after))
    added = new - old
    return f"it would lead to {', '.join(sorted(added))}" if added else ""


def _counts(finding: Finding, fixed: Sequence[Finding], safe: bool) -> bool:
    """Whether fixes must not lead to such a finding: an unsafe one, to nothing more severe than what it fixes."""
    if safe:
        return finding.fix is None or not finding.fix.safe
    return finding.severity > max((each.severity for each in fixed), default=Severity.ERROR)


def _what(finding: Finding) -> tuple[str, str, str]:
    """What is the same in a finding that remains."""
    return finding.rule, finding.message, finding.location.name


def _found(state: State) -> Counter[tuple[str, str, str]]:
    return Counter(map(_what, state.report.findings))


def _locations(configuration: Configuration) -> Iterator[LocationBlock]:
    """All locations of servers that speak TLS, in order."""
    pending = deque(location for server in configuration.servers if server.speaks_tls for location in server.locations)
    while pending:
        location = pending.popleft()
        yield location
        pending += location.locations


def _refused(state: State, *, safe: bool) -> tuple[int, ...]:
    """How many lines nginx refuses, and how many it warns of (only for safe fixes)."""
    levels = Counter(refusal.level for each in state.configurations for refusal in refusals(each))
    return (levels["emerg"], levels["warn"]) if safe else (levels["emerg"],)
