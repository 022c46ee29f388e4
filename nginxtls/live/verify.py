"""The run: which names are visited on which listeners, in parallel and within bounds, and the report of it."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from nginxtls.api import denied
from nginxtls.base.lazy import NamedTuple
from nginxtls.finding import Severity
from nginxtls.linting.fingerprint import fingerprinted
from nginxtls.linting.report import EndpointRow, Report
from nginxtls.linting.texts import of_entry, of_finding
from nginxtls.linting.versions import made_for
from nginxtls.live import findings as found_as
from nginxtls.live.compare import Difference, differences, loaded_late
from nginxtls.live.connections import Gate, Limits, is_dead
from nginxtls.live.differences import rules
from nginxtls.live.evidence import Evidence
from nginxtls.live.findings import Place
from nginxtls.live.processes import Processes
from nginxtls.live.served import leaf_of
from nginxtls.live.targets import Host, at_hosts, configured, left, names_of, patterns, tls_sockets
from nginxtls.live.visits import Seen, visit
from nginxtls.model import Handshake, refusals
from nginxtls.model.conf_commands import unmodelled
from nginxtls.syntax.places import Failure, Location, NotChecked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nginxtls.api import Reading
    from nginxtls.finding import Finding
    from nginxtls.linting.subjects import Subject
    from nginxtls.live.connections import Target
    from nginxtls.model import Configuration
    from nginxtls.pki import Certificate

_SILENT = 2
"""After so many visits without any TLS answer a listener is not visited again."""


_SLOW = 100
"""After so many connections that took more than half of the time limit a listener is not visited again."""


class Choice(NamedTuple):
    """What is verified, and how."""

    hosts: tuple[Host, ...] = ()
    """Hosts to connect to; none: the addresses of the configuration on this machine."""
    hosts_by_file: tuple[tuple[str, tuple[Host, ...]], ...] = ()
    """The hosts of each dump, by the name of the file."""
    names: tuple[str, ...] = ()
    """The server names to verify; none: all."""
    http: bool = True
    quic: bool = True
    limits: Limits = Limits()
    expiry_days: int | None = None
    min_severity: Severity = Severity.NOTE


class Endpoint(NamedTuple):
    """A name on a listener that was visited: what was predicted, what was seen, and what differs."""

    place: Place
    seen: Seen
    differences: tuple[Difference, ...] = ()

    @property
    def served(self) -> list[Certificate]:
        """The leaf certificates that clients get, each once."""
        leaves = (leaf_of(flight) for flight in self.seen.accepted)
        return list(dict.fromkeys(leaf for leaf in leaves if leaf))

    @property
    def on_disk(self) -> list[Certificate]:
        """The leaf certificates that clients should get."""
        live = self.place.answer.effective
        return (
            [bundle.leaf for bundle in live.served_bundles if bundle.leaf] if live and self.place.answer.accepts else []
        )


class Verification(NamedTuple):
    """The result of a run: a report as every format renders it, and the endpoints for monitoring."""

    report: Report
    endpoints: tuple[Endpoint, ...]


class _Task:
    """A visit to make."""

    def __init__(self, place: Place, subject: Subject, *, full: bool) -> None:
        self.place = place
        self.subject = subject
        self.full = full
        self.seen: Seen | None = None
        self.left = ""
        """Why the visit was not made."""


class _Door:
    """A listener: whether it answers, and who looks at its groups."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answered = False
        self.silences: list[str] = []
        self.grouped = False
        self.slow = 0

    @property
    def closed(self) -> str:
        """Why another visit is in vain; empty if it is not."""
        dead = any(is_dead(trouble) for trouble in self.silences)
        if not self.answered and (dead or len(self.silences) >= _SILENT):
            return "the listener gives no TLS answer"
        return "the listener answers too slowly" if self.slow >= _SLOW else ""

    def takes_groups(self) -> bool:
        """Whether the caller is the first that accepts handshakes here: groups are the same for all names."""
        with self.lock:
            first, self.grouped = not self.grouped, True
            return first


def verify(
    reading: Reading,
    choice: Choice,
    at: datetime | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Verification:
    """Compare the running servers with what was read of their files.

    Raises:
        UsageError: a host or a name that was requested is not in the configuration.
    """
    start = time.monotonic()
    moment = at or datetime.now(timezone.utc)
    not_checked: list[NotChecked] = list(reading.skipped)
    failures = list(reading.failures)
    tasks: list[_Task] = []
    doors: dict[Target, _Door] = {}
    local = False
    enabled = [subject for subject in reading.subjects if subject.enabled]
    whole = [subject for subject in enabled if subject.configuration.completeness == "full" and not subject.variants]
    for subject in enabled:
        configuration = subject.configuration
        main = configuration.tree.roots[0].name
        if subject not in whole:
            reason = (
                f"is {'a template' if subject.variants else 'not a whole configuration'}: what is served is unknown"
            )
            if whole:  # a folder has snippets beside its main files
                not_checked.append(NotChecked(main, reason))
            else:
                failures.append(Failure(main, reason, help=_WHOLE))
            continue
        targets = list(_targets(configuration, main, choice, not_checked))
        local = local or any(target.local for target in targets)
        doors |= {target: _Door() for target in targets}
        tasks += _tasks(subject, targets, choice, not_checked)
        not_checked += patterns(target.socket for target in targets) if not choice.names else ()
    if not tasks and not failures:
        failures.append(
            Failure(_subject_of(reading), "nothing was verified: no TLS listener can be reached", help=_HOSTS)
        )
    gate = Gate(choice.limits)
    _visit(tasks, doors, gate, choice, progress)
    progress("comparing")
    evidence = {
        id(subject): Evidence(subject.configuration, processes)
        for processes in (Processes() if local else None,)
        for subject in reading.subjects
    }
    endpoints, reported = _judged(tasks, evidence, moment, choice, not_checked)
    configurations = [subject.configuration for subject in reading.subjects if subject.enabled]
    for configuration in configurations:
        not_checked += configuration.not_checked
    report = Report(
        findings=tuple(of_finding(each) for each in reported if each.severity >= choice.min_severity),
        rules=rules(),
        not_checked=tuple(dict.fromkeys(map(of_entry, not_checked))),
        failures=tuple(map(of_entry, failures)),
        endpoints=tuple(map(_row, endpoints)),
        files=sum(len(configuration.tree.files) for configuration in configurations),
        servers=sum(len(configuration.servers) for configuration in configurations),
        certificates=len({leaf for endpoint in endpoints for leaf in endpoint.served}),
        seconds=time.monotonic() - start,
        at=moment,
        versions=made_for((subject.configuration, subject.alternatives) for subject in reading.subjects),
        hints=(*denied(not_checked), *_blind(reported, local), *reading.hints, _summary(endpoints, doors, gate)),
    )
    return Verification(report, tuple(endpoints))


_WHOLE = "use the main file, its folder, or a dump of `nginx -T`"
_HOSTS = "name a host with `--connect HOST[:PORT]`"


def _subject_of(reading: Reading) -> str:
    names = (subject.configuration.tree.roots[0].name for subject in reading.subjects if subject.enabled)
    return ", ".join([*names][:3]) or "nginxtls"


def _targets(
    configuration: Configuration, main: str, choice: Choice, not_checked: list[NotChecked]
) -> Iterator[Target]:
    hosts = choice.hosts
    if choice.hosts_by_file:
        root = configuration.tree.roots[0]
        file = os.path.abspath(root.path or main.removesuffix(f":{root.nginx_path}"))
        hosts = next((mapped for name, mapped in choice.hosts_by_file if os.path.abspath(name) == file), ())
    found = at_hosts(configuration, hosts, not_checked) if hosts else configured(configuration, not_checked)
    for target in found:
        reason = ""
        if target.socket.datagram and not target.socket.quic:
            reason = "DTLS is not tested"
        elif target.socket.quic:
            reason = "QUIC is left out" if not choice.quic else _without_quic()
        if reason:
            not_checked.append(left(f"the listener {target.label}", reason, target.socket))
        else:
            yield target


def _without_quic() -> str:
    """Why QUIC cannot be tested; empty if it can."""
    from importlib.util import find_spec

    return "" if find_spec("aioquic") else "QUIC needs the package aioquic: install nginxtls[live]"


def _tasks(
    subject: Subject, targets: Sequence[Target], choice: Choice, not_checked: list[NotChecked]
) -> Iterator[_Task]:
    for target in targets:
        visited = set()
        wanted: Iterable[str | None] = choice.names or names_of(target.socket)
        for name in wanted:
            answer = Handshake(subject.configuration, target.socket, name)
            if answer.unknown:
                not_checked.append(left(f"{name} on {target.label}", answer.unknown[0], target.socket))
                continue
            yield _Task(Place(target, answer), subject, full=answer.server not in visited)
            visited.add(answer.server)


# -- visiting ----------------------------------------------------------------------------------------------------------


def _visit(
    tasks: Sequence[_Task],
    doors: dict[Target, _Door],
    gate: Gate,
    choice: Choice,
    progress: Callable[[str], None],
) -> None:
    """Make all visits; those to a listener that does not answer stop after the second."""
    done = 0
    lock = threading.Lock()

    def work(task: _Task) -> None:
        nonlocal done
        target, answer = task.place.target, task.place.answer
        door = doors[target]
        task.left = door.closed
        if not task.left:
            task.seen = _seen(task, door)
            with door.lock:
                door.slow += task.seen.slow
                door.answered = door.answered or not task.seen.trouble
                if task.seen.trouble:
                    door.silences.append(task.seen.trouble)
        with lock:
            done += 1
            progress(f"verifying {done} of {len(tasks)} names: {answer.servername or target.label}")

    def _seen(task: _Task, door: _Door) -> Seen:
        target, answer = task.place.target, task.place.answer
        if target.socket.quic:
            from nginxtls.live.quic import visit_quic

            return visit_quic(gate, target, answer.servername)
        groups = task.full and answer.accepts and door.takes_groups()
        return visit(gate, target, answer, full=task.full, groups=groups, http=choice.http)

    # The first visits to a listener one after the other: a silent one costs few time limits, not one for every job.
    rounds: list[list[_Task]] = [[] for _ in range(_SILENT + 1)]
    counts: dict[Target, int] = {}
    for task in tasks:
        counts[task.place.target] = number = counts.get(task.place.target, -1) + 1
        rounds[min(number, _SILENT)].append(task)
    with ThreadPoolExecutor(choice.limits.jobs) as pool:
        for some in rounds:
            for future in [pool.submit(work, task) for task in some]:
                future.result()


# -- judging -----------------------------------------------------------------------------------------------------------


def _judged(
    tasks: Sequence[_Task],
    evidence: dict[int, Evidence],
    at: datetime,
    choice: Choice,
    not_checked: list[NotChecked],
) -> tuple[list[Endpoint], list[Finding]]:
    """The endpoints, and the findings about them, each once with all names that it affects."""
    endpoints: list[Endpoint] = []
    reported: list[Finding] = []
    refused: dict[int, tuple[str, object] | None] = {}
    skipped: dict[tuple[Target, str], int] = {}
    silences: dict[Target, str] = {}
    for task in tasks:
        place, seen, subject = task.place, task.seen, task.subject
        mine = evidence[id(subject)]
        if seen is None:
            skipped[place.target, task.left] = skipped.get((place.target, task.left), 0) + 1
            continue
        if seen.trouble:
            reported.append(found_as.silent(place, silences.setdefault(place.target, seen.trouble), mine))
            endpoints.append(Endpoint(place, seen))
            continue
        if id(subject) not in refused:
            refused[id(subject)] = _refusal(subject)
        if (refusal := refused[id(subject)]) is not None:
            reported.append(found_as.unloadable(place, *refusal))  # type: ignore[arg-type]
            different: list[Difference] = []
        else:
            different = _essential(place, _differences(task, seen, at), mine)
            reported += [found_as.finding(place, each, mine, at) for each in different]
        if not seen.versions and (reason := _undecided(place, seen)):
            not_checked.append(left(place.title, reason, place.target.socket))
        if seen.response is not None and seen.response.trouble:
            not_checked.append(left(f"headers for {place.title}", seen.response.trouble, place.target.socket))
        endpoint = Endpoint(place, seen, tuple(different))
        endpoints.append(endpoint)
        expiries = (found_as.expiry(place, leaf, at, choice.expiry_days) for leaf in endpoint.served)
        reported += [each for each in expiries if each is not None]
    for (target, reason), count in skipped.items():
        names = f"{count} more name{'s' if count > 1 else ''} on {target.label}"
        not_checked.append(left(names, reason, target.socket))
    for target, task in {task.place.target: task for task in tasks if task.seen is not None}.items():
        if target.local and (workers := found_as.old_workers(task.place, evidence[id(task.subject)])) is not None:
            reported.append(workers)
    order = sorted(_together(reported), key=lambda each: (each.location.name, each.location.span.line, each.rule))
    return endpoints, fingerprinted(order)


def _undecided(place: Place, seen: Seen) -> str:
    """Why nothing follows from a server that rejects every handshake; empty where that is a difference."""
    if not place.answer.accepts:
        return ""
    if path := loaded_late(place.answer):
        return f"every handshake is rejected: nginx may not find the certificate {path}"
    if not place.target.socket.quic:
        return ""
    from nginxtls.live.quic import hello_of, unfit

    reason = unfit(place.answer, hello_of(seen))
    return f"aioquic cannot connect: {reason}" if reason else ""


def _refusal(subject: Subject) -> tuple[str, object] | None:
    """Why nginx refuses the files, in every build in question; None if one accepts them."""
    found = None
    for configuration in _builds(subject):
        stops = [each for each in refusals(configuration) if each.level == "emerg"]
        if not stops:
            return None
        found = found or (stops[0].message, stops[0].directive)
    return found


def _builds(subject: Subject) -> Iterator[Configuration]:
    """The configuration in each build in question: the assumed one first."""
    yield subject.configuration
    alternatives = subject.alternatives
    if alternatives is not None and alternatives.matter:
        for number in range(len(alternatives.builds)):
            yield alternatives.configuration_in(number)


def _differences(task: _Task, seen: Seen, at: datetime) -> list[Difference]:
    """The differences from the build in question that fits best."""
    least: list[Difference] | None = None
    for configuration in _builds(task.subject):
        answer = _same(task.place, configuration)
        if task.full and answer.effective and not answer.effective.certificates_known:
            answer = _same(task.place, _with_keys(configuration, seen))
        full = task.full and not (answer.effective and unmodelled(answer.effective.context.commands))
        if task.place.target.socket.quic:
            from nginxtls.live.quic import quic_differences

            found = quic_differences(answer, seen)
        else:
            found = differences(answer, seen, at, full=full)
        if least is None or len(found) < len(least):
            least = found
        if not least:
            break
    return least or []


def _with_keys(configuration: Configuration, seen: Seen) -> Configuration:
    """The configuration with the types of keys that the server shows, for certificates that cannot be read here."""
    leaves = (leaf_of(flight) for flight in seen.accepted)
    keys = tuple(dict.fromkeys(leaf.key for leaf in leaves if leaf))
    return configuration.memo(("keys", keys), lambda: configuration.with_keys(*keys)) if keys else configuration


def _essential(place: Place, different: list[Difference], evidence: Evidence) -> list[Difference]:
    """Without what follows from another difference: where another server answers, everything is that server's."""
    listening = evidence.listening(place.target)
    if listening.others and not listening.instances:
        return different[:1]
    for each in different:
        if each.rule == "inconsistent-answers" or found_as.other_server(place, each) is not None:
            return [each]
    return different


def _same(place: Place, configuration: Configuration) -> Handshake:
    """The prediction for the same name on the same listener, in another build."""
    if configuration is place.answer.configuration:
        return place.answer
    label = place.target.socket.label
    other = next((each for each in tls_sockets(configuration) if each.label == label), None)
    return Handshake(configuration, other, place.answer.servername)


def _together(findings: Iterable[Finding]) -> list[Finding]:
    """Equal findings as one, with all the names that they affect."""
    kept: dict[object, Finding] = {}
    for each in findings:
        key = each.rule, each.location.file, each.location.span, each.message
        other = kept.setdefault(key, each)
        if other is not each:
            kept[key] = other.replace(endpoints=tuple(dict.fromkeys((*other.endpoints, *each.endpoints))))
    return list(kept.values())


# -- the report --------------------------------------------------------------------------------------------------------


def _row(endpoint: Endpoint) -> EndpointRow:
    """What clients get, as a row of a report's table."""
    server = endpoint.place.answer.server
    assert server is not None
    directive = server.directive
    assert directive is not None
    leaf = min(endpoint.served, key=lambda each: each.not_after, default=None)
    return EndpointRow(
        socket=endpoint.place.target.label,
        name=endpoint.place.answer.servername or "",
        protocols=endpoint.seen.versions,
        certificate=leaf.subject if leaf else "",
        not_after=leaf.not_after if leaf and leaf.has_dates else None,
        location=Location(directive.file, directive.span),
    )


def _blind(reported: Sequence[Finding], local: bool) -> Iterator[str]:
    """The hint on processes that this user may not look into."""
    if reported and local and os.name == "posix" and os.geteuid() != 0:
        yield "this user may not see which processes listen: run nginxtls as root to know the likely cause"


def _summary(endpoints: Sequence[Endpoint], doors: dict[Target, _Door], gate: Gate) -> str:
    names, listeners = len(endpoints), len(doors)
    return (
        f"verified {names:,} name{'' if names == 1 else 's'} on {listeners:,} listener{'' if listeners == 1 else 's'}"
        f" with {gate.opened:,} connections"
    )


__all__ = ["Choice", "Endpoint", "Limits", "Verification", "verify"]
