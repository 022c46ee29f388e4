"""Findings from differences: where in the files, the likely cause from the evidence, and the command that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.finding import Label, Location
from nginxtls.live.compare import Difference, described
from nginxtls.live.connections import is_dead
from nginxtls.live.differences import rules
from nginxtls.live.evidence import Changed, is_newer, moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from nginxtls.finding import Finding
    from nginxtls.live.connections import Target
    from nginxtls.live.evidence import Evidence
    from nginxtls.model import Handshake, ServedBundle, VirtualServer
    from nginxtls.pki import Certificate
    from nginxtls.syntax.tree import Directive

PORT_PROXIES = ("docker-proxy", "rootlessport", "rootlesskit", "slirp4netns", "pasta", "conmon")
"""Programs that publish the ports of containers, as ``/proc`` names them."""
RELOAD = "run `nginx -t && systemctl reload nginx`"


class Cause(NamedTuple):
    """Why a server differs: ``text`` completes a message, ``help`` is what to run."""

    text: str = ""
    notes: tuple[str, ...] = ()
    help: str = ""


class Place(NamedTuple):
    """A name on a listener that was visited, and the prediction for it."""

    target: Target
    answer: Handshake

    @property
    def title(self) -> str:
        """``shop.example.com on *:443``."""
        return f"{self.answer.servername or 'clients without a server name'} on {self.target.label}"


def finding(place: Place, difference: Difference, evidence: Evidence, at: datetime) -> Finding:
    """The finding of a difference."""
    rule = rules()[difference.rule]
    if difference.rule == "other-certificate" and difference.bundle is not None and not difference.message:
        return _certificate(place, difference, difference.bundle, evidence, at)
    cause = _cause(place, evidence)
    if difference.rule == "no-stapled-response":
        cause = Cause(help="check that nginx reaches the OCSP responder: its error log says why it does not")
    if difference.rule == "stale-stapled-response" and not cause.text:
        cause = Cause(help="fetch a new response and run `nginx -t && systemctl reload nginx`")
    where, label = _where(place, difference)
    return rule.at(
        where,
        difference.message + (f": {cause.text}" if cause.text else ""),
        label=label,
        notes=(*difference.notes, *cause.notes),
        help=cause.help,
        endpoints=(place.title,),
    )


def silent(place: Place, trouble: str, evidence: Evidence) -> Finding:
    """The finding of a listener that gives no TLS answer."""
    dead = is_dead(trouble)
    rule = rules()["unanswered-listener" if dead else "not-tls"]
    target = place.target
    cause = _cause(place, evidence)
    if dead and target.local:
        cause = Cause(help="run `nginx -t && systemctl restart nginx`, and read nginx's error log")
        if evidence.processes is not None and not any(each.is_nginx for each in evidence.processes.all.values()):
            cause = Cause("nginx does not run", help="run `nginx -t && systemctl start nginx`")
    return rule.at(
        _listen(place),
        f"the listener {target.label} {trouble}" + (f": {cause.text}" if cause.text else ""),
        label="configured here",
        notes=cause.notes,
        help=cause.help or "run `nginx -t`, and compare the host's listeners: `ss -ltnp`",
        endpoints=(place.title,),
    )


def expiry(place: Place, leaf: Certificate, at: datetime, days: int | None) -> Finding | None:
    """The finding of a served certificate that has expired or is about to; None if it has time."""
    from nginxtls.pki import renewal_threshold

    if not leaf.has_dates:
        return None
    bundles = place.answer.effective.bundles if place.answer.effective else ()
    bundle = next((each for each in bundles if each.leaf == leaf), None)
    where = bundle.directive if bundle else bundles[0].directive if bundles else _listen(place)
    name = f'the certificate that clients get for "{leaf.subject_name}"'
    if leaf.not_after < at:
        message = f"{name} expired on {leaf.not_after:%Y-%m-%d}, {_days((at - leaf.not_after).days)} ago"
        rule = rules()["expired-certificate-served"]
    elif leaf.not_after - at < renewal_threshold(leaf, days):
        message = f"{name} expires on {leaf.not_after:%Y-%m-%d}, in {_days((leaf.not_after - at).days)}"
        rule = rules()["expiring-certificate-served"]
    else:
        return None
    return rule.at(
        where,
        message,
        notes=("the file has the same certificate",) if bundle else (),
        help="renew the certificate, then run `nginx -t && systemctl reload nginx`" if bundle else RELOAD,
        endpoints=(place.title,),
    )


def unloadable(place: Place, refusal: str, directive: Directive | None) -> Finding:
    """The finding of files that nginx refuses while it still runs."""
    return rules()["unloadable-configuration"].at(
        directive or _listen(place),
        f"a reload fails and the running server serves an earlier configuration: {refusal}",
        help="fix it, then run `nginx -t && systemctl reload nginx`",
        endpoints=(place.title,),
    )


def old_workers(place: Place, evidence: Evidence) -> Finding | None:
    """The finding of workers that still serve with an earlier configuration."""
    instance = evidence.instance(place.target)
    if instance is None or not instance.old_workers:
        return None
    count = len(instance.old_workers)
    numbers = ", ".join(str(each.number) for each in instance.old_workers)
    workers = f"{count} worker process{'es' if count > 1 else ''} of before the last reload still"
    main = evidence.configuration.tree.roots[0]
    first = main.directives[0] if main.directives else None
    timeout = evidence.configuration.directives("worker_shutdown_timeout")
    return rules()["old-workers"].at(
        timeout[0] if timeout else first or _listen(place),
        f"{workers} serve{'s' if count == 1 else ''} open connections with the earlier configuration",
        notes=(f"process {numbers}; nginx loaded its files on {moment(instance.loaded)}",),
        help="wait, or set `worker_shutdown_timeout 1h;` in the main block"
        if not timeout
        else f"they end within {timeout[0].args[0] if timeout[0].args else 'this time'} of the reload",
    )


# -- certificates ------------------------------------------------------------------------------------------------------


class _Certificate(NamedTuple):
    """What is said of another certificate: ``cause`` completes the message, where nothing else explains it."""

    message: str
    cause: str = ""
    notes: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    help: str = RELOAD


def _certificate(
    place: Place, difference: Difference, bundle: ServedBundle, evidence: Evidence, at: datetime
) -> Finding:
    """Another certificate than the file's: the old one, another server's, or one that no file has."""
    served, wanted = difference.served, bundle.leaf
    assert wanted is not None
    instance = evidence.instance(place.target)
    changed = evidence.certificate_changed(bundle) if instance is not None else None
    stale = instance is not None and changed is not None and is_newer(changed, instance)
    general = _cause(place, evidence, bundle)
    explained = bool(general.text) and general.help != RELOAD
    listening = evidence.listening(place.target)
    if served is None or (listening.others and not listening.instances):
        reported = _Certificate(f'clients get another certificate for "{wanted.subject_name}"', help=general.help)
    elif served == wanted:
        reported = _chain(difference, bundle, stale)
    elif (other := other_server(place, difference)) is not None:
        reported = _of_server(place, wanted, *other, evidence)
    elif _is_older(served, wanted):
        found = evidence.where(served, bundle)
        renewed = stale or (bool(found) and instance is None)
        reported = _Certificate(
            f'clients get the old certificate for "{wanted.subject_name}", {_left(served, at)}',
            ": nginx was not reloaded after the renewal" if renewed else "",
            (f"found in {found}" if found else "it is in no file that was searched",),
        )
    else:
        reported = _Certificate(
            f'clients get a certificate for "{wanted.subject_name}" that is in no file of the configuration',
            notes=() if stale else ("another process, a load balancer or a container with other files may answer",),
            help=RELOAD if stale else "find out what answers: `ss -ltnp`, or compare the file that the server has",
        )
    if stale and instance is not None and changed is not None:
        label = f"changed {moment(changed)}; nginx loaded its files {moment(instance.loaded)}"
    else:
        label = f"valid until {wanted.not_after:%Y-%m-%d}"
    return rules()["other-certificate"].at(
        bundle.directive,
        reported.message + (f": {general.text}" if explained else reported.cause),
        arg=len(bundle.directive.args) - 1,
        label=label,
        labels=reported.labels,
        notes=(
            *((f"served: {described(served)}",) if served is not None else ("the served one cannot be read",)),
            f"in the file: {described(wanted)}",
            *reported.notes,
            *(general.notes if explained else ()),
        ),
        help=general.help if explained else reported.help,
        endpoints=(place.title,),
    )


def _chain(difference: Difference, bundle: ServedBundle, stale: bool) -> _Certificate:
    """The right certificate with other intermediates."""
    assert bundle.bundle is not None
    assert bundle.leaf is not None
    sent, there = len(difference.chain), len(bundle.bundle.certificates)
    message = f'clients get another chain for "{bundle.leaf.subject_name}": {_count(sent)} sent, {there} in the file'
    return _Certificate(message, "; nginx was not reloaded after the file changed" if stale else "")


def _of_server(
    place: Place, wanted: Certificate, server: VirtualServer, directive: Directive, evidence: Evidence
) -> _Certificate:
    """The certificate of another server of the configuration."""
    default = place.answer.socket is not None and server is place.answer.socket.default
    whose = "the default server" if default else server.title
    who = f"clients of {place.answer.servername}" if place.answer.servername else "clients without a server name"
    newer = evidence.newer(place.target)
    unknown = ("the running nginx has no server of this name on this listener",) if default else ()
    return _Certificate(
        f'{who} get the certificate of {whose}, not that for "{wanted.subject_name}"',
        ": the configuration changed after nginx loaded it" if newer else "",
        tuple(_files(newer, evidence, place)) if newer else unknown,
        (Label(Location(directive.file, directive.arg_span(0)), f"the certificate of {whose}"),),
    )


def _left(leaf: Certificate, at: datetime) -> str:
    if leaf.not_after < at:
        return f"expired {_days((at - leaf.not_after).days)} ago"
    return f"with {_days((leaf.not_after - at).days)} left"


def other_server(place: Place, difference: Difference) -> tuple[VirtualServer, Directive] | None:
    """The server of the configuration whose certificate is served, the default server of the listener first."""
    socket, served = place.answer.socket, difference.served
    if difference.rule != "other-certificate" or served is None or socket is None:
        return None
    if difference.bundle is not None and served == difference.bundle.leaf:
        return None  # another chain
    for server in (socket.default, *socket.servers, *place.answer.configuration.servers):
        for bundle in server.bundles:
            if bundle.leaf == served:
                return server, bundle.directive
    return None


def _is_older(served: Certificate, wanted: Certificate) -> bool:
    """Whether it is an earlier certificate for some of the same names, as a renewal replaces it."""
    earlier = served.has_dates and wanted.has_dates and served.not_before <= wanted.not_before
    same = {name.lower() for name in served.dns_names} & {name.lower() for name in wanted.dns_names}
    return earlier and bool(same or served.subject_der == wanted.subject_der)


# -- causes ------------------------------------------------------------------------------------------------------------


def _cause(place: Place, evidence: Evidence, bundle: ServedBundle | None = None) -> Cause:
    """The likely cause of any difference, by who listens and which files are newer."""
    listening = evidence.listening(place.target)
    if listening.others and not listening.instances:
        process = listening.others[0]
        if process.name in PORT_PROXIES:
            return Cause(
                f"a container answers, by {process.name} (process {process.number})",
                (),
                "compare with the container's files: `docker exec CONTAINER nginx -T > web.dump`, then "
                "`nginxtls verify web.dump --connect 127.0.0.1`",
            )
        title = f"{process.name} (process {process.number})"
        return Cause(
            f"{title} has the listener, not nginx",
            (),
            f"stop {process.name} or move one of the two listeners; `ss -ltnp` lists them",
        )
    if len(listening.instances) > 1 or (listening.instances and listening.others):
        numbers = ", ".join(
            f"{each.master.number} (since {moment(each.master.started)})" for each in listening.instances
        )
        old = min(listening.instances, key=lambda each: each.master.started)
        extra = "".join(f", {each.name} ({each.number})" for each in listening.others)
        return Cause(
            "several processes accept its connections",
            (f"nginx master processes {numbers}{extra}",),
            f"end the old one: `kill -QUIT {old.master.number}`",
        )
    if listening.instances and (path := evidence.other_file(listening.instances[0], bundle)):
        number = listening.instances[0].master.number
        return Cause(
            "nginx runs in a container and reads other files",
            (f"process {number} has another file, or none, at {path}",),
            f"compare with its files: `nginxtls verify --root /proc/{number}/root`",
        )
    if newer := evidence.newer(place.target):
        return Cause("the configuration changed after nginx loaded it", tuple(_files(newer, evidence, place)), RELOAD)
    if not place.target.local:
        return Cause(help="run `nginx -T` on the host and compare it with these files")
    return Cause(help=RELOAD)


def _files(newer: list[Changed], evidence: Evidence, place: Place) -> Iterator[str]:
    instance = evidence.instance(place.target)
    assert instance is not None
    shown = "; ".join(f"{each.path} changed {moment(each.time)}" for each in newer[:3])
    more = f" and {len(newer) - 3} more files" if len(newer) > 3 else ""
    yield f"{shown}{more}; nginx loaded its files {moment(instance.loaded)}"


# -- places ------------------------------------------------------------------------------------------------------------


def _where(place: Place, difference: Difference) -> tuple[Directive | Location, str]:
    """The directive that decides the part which differs, else the server block."""
    if difference.directive is not None:
        return difference.directive, ""
    origin = place.answer.origins().get(difference.part)
    if origin is not None and origin.directive is not None:
        return origin.directive, ""
    server = origin.server if origin else place.answer.server
    if server is not None and server.directive is not None:
        return server.directive, ""
    return _listen(place), ""


def _listen(place: Place) -> Directive | Location:
    socket = place.target.socket
    line = next((listen.directive for _, listen in socket.listens if listen.directive), None)
    directive = line or socket.default.directive
    assert directive is not None
    return directive


def _days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'}"


def _count(number: int) -> str:
    return f"{number} certificate{'' if number == 1 else 's'}"
