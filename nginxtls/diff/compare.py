"""The differences that a client sees between two configurations: handshakes compared endpoint by endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.model import Handshake

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.model import Configuration
    from nginxtls.model.clients import Outcome

_LISTS = (("protocols", "protocol"), ("groups", "group"), ("alpn", "ALPN protocol"))
_SWITCHES = (
    ("session_tickets", "session tickets"),
    ("early_data", "early data (0-RTT)"),
    ("stapling", "OCSP stapling"),
)


class Difference(NamedTuple):
    """A part of the answer that differs: ``protocols``, ``groups``, ``alpn``, ``suites``, ``certificate`` …

    ``old`` and ``new`` are plain data: all items of a list, the certificate as ``handshake`` describes it, None for
    what is not there.
    """

    part: str
    old: Any
    new: Any
    sentence: str
    """The same for people; long lists are cut."""
    version: str = ""
    """The protocol version whose suites these are."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; for lists also what was removed and added."""
        described: dict[str, Any] = {"part": self.part, **({"version": self.version} if self.version else {})}
        described |= {"old": self.old, "new": self.new}
        if isinstance(self.old, list) and isinstance(self.new, list):
            described |= {
                "removed": [item for item in self.old if item not in self.new],
                "added": [item for item in self.new if item not in self.old],
            }
        return described


@dataclass(frozen=True, slots=True)
class Change:
    """What changes for clients of some endpoints: the same differences for each of them."""

    socket: str
    names: tuple[str, ...]
    """Server names; ``(no name)`` are clients that send none."""
    differences: tuple[Difference, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The differences for people."""
        return tuple(difference.sentence for difference in self.differences)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        differences = [difference.to_dict() for difference in self.differences]
        return {"socket": self.socket, "names": list(self.names), "differences": differences}


@dataclass(frozen=True, slots=True)
class Access:
    """Which named clients gain or lose access to some endpoints; each loss with its reason."""

    socket: str
    names: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]
    gained: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        lost = [{"client": client, "reason": reason} for client, reason in self.lost]
        return {"socket": self.socket, "names": list(self.names), "lost": lost, "gained": list(self.gained)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes for clients, and in the findings."""

    changes: tuple[Change, ...]
    gained: tuple[Finding, ...]
    lost: tuple[Finding, ...]
    access: tuple[Access, ...] = ()

    def for_people(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Socket, names and sentences, each once for all names with the same."""
        found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for change in self.changes:
            found.setdefault((change.socket, change.sentences), []).extend(change.names)
        return [(socket, tuple(names), sentences) for (socket, sentences), names in found.items()]

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.changes or self.gained or self.lost or self.access)


def compare(
    old: Iterable[Configuration], new: Iterable[Configuration], before: Report, after: Report, at: datetime
) -> Comparison:
    """Compare two states: their configurations, and their findings (matched by fingerprint)."""
    old, new = tuple(old), tuple(new)
    reported_before = {finding.fingerprint for finding in before.findings}
    reported_after = {finding.fingerprint for finding in after.findings}
    return Comparison(
        tuple(_changes(answers(old), answers(new), at)),
        tuple(finding for finding in after.findings if finding.fingerprint not in reported_before),
        tuple(finding for finding in before.findings if finding.fingerprint not in reported_after),
        tuple(_access(old, new)),
    )


def _access(old: Iterable[Configuration], new: Iterable[Configuration]) -> Iterator[Access]:
    """The named clients that gain or lose access, for the endpoints that both states have."""
    from nginxtls.model.clients import every_handshake, outcomes
    from nginxtls.tls.clients import clients

    known = clients()
    seen: dict[tuple[str, str], tuple[Outcome, ...]] = {}
    for configuration in old:
        for name, answer in every_handshake(configuration):
            if answer.socket is not None:
                seen[answer.socket.label, name] = outcomes(answer, known)
    grouped: dict[tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]], list[str]] = {}
    for configuration in new:
        for name, answer in every_handshake(configuration):
            before = seen.get((answer.socket.label, name)) if answer.socket else None
            if before is None or answer.socket is None:
                continue
            after = outcomes(answer, known)
            if before == after:
                continue
            was = {outcome.client: outcome.connects for outcome in before}
            lost = [(o.client.name, o.reason) for o in after if o.connects is False and was.get(o.client)]
            gained = [o.client.name for o in after if o.connects and was.get(o.client) is False]
            if lost or gained:
                grouped.setdefault((answer.socket.label, tuple(lost), tuple(gained)), []).append(name)
    for (socket, lost_there, gained_there), names in grouped.items():
        yield Access(socket, tuple(names), lost_there, gained_there)


def answers(configurations: Iterable[Configuration]) -> dict[tuple[str, str], dict[str, Any]]:
    """What a client gets on every TLS socket, without a name and with each name of a server."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for configuration in configurations:
        for socket in configuration.sockets:
            if not socket.speaks_tls:
                continue
            found[socket.label, "(no name)"] = Handshake(configuration, socket).to_dict()
            for server in socket.servers:
                for name in server.names:
                    if name.form in ("exact", "suffix", "leading", "trailing") and name.text != "_":
                        requested = name.key if name.form in ("exact", "suffix") else _sample(name.form, name.key)
                        found.setdefault(
                            (socket.label, name.text), Handshake(configuration, socket, requested).to_dict()
                        )
    return found


def _sample(kind: str, key: str) -> str:
    return f"any.{key}" if kind == "leading" else f"{key}.any"


def _changes(
    old: dict[tuple[str, str], dict[str, Any]], new: dict[tuple[str, str], dict[str, Any]], at: datetime
) -> Iterator[Change]:
    grouped: dict[tuple[str, tuple[str, ...]], tuple[list[str], tuple[Difference, ...]]] = {}
    for endpoint in dict.fromkeys((*old, *new)):
        found = tuple(_differences(old.get(endpoint), new.get(endpoint), at))
        if found:
            key = endpoint[0], tuple(repr(difference) for difference in found)
            grouped.setdefault(key, ([], found))[0].append(endpoint[1])
    for (socket, _), (names, differences) in grouped.items():
        yield Change(socket, tuple(names), differences)


def _differences(old: dict[str, Any] | None, new: dict[str, Any] | None, at: datetime) -> Iterator[Difference]:
    if old is None or new is None:
        yield Difference("endpoint", _served(old), _served(new), _new_or_gone(new))
        return
    if old["accepts"] != new["accepts"]:
        sentence = f"handshakes now fail: {new['refusal']}" if old["accepts"] else "handshakes now succeed"
        yield Difference("refusal", old["refusal"], new["refusal"], sentence)
        return
    for field, word in _LISTS:
        yield from _in_list(field, old[field], new[field], word)
    for version in new["ciphers"]:
        before, after = old["ciphers"].get(version), new["ciphers"][version]
        if before is not None:
            yield from _in_list("suites", before, after, f"{version} suite", version)
    yield from _certificates(old["certificates"], new["certificates"], at)
    field = "client_certificate"
    if old[field] != new[field]:
        yield Difference(field, old[field], new[field], f"client certificate: was {old[field]}, is now {new[field]}")
    for field, word in _SWITCHES:
        if old[field] != new[field]:
            yield Difference(field, old[field], new[field], f"{word}: now {'on' if new[field] else 'off'}")
    if old["hsts"] != new["hsts"]:
        sentence = f"HSTS: was {old['hsts'] or 'not sent'}, is now {new['hsts'] or 'not sent'}"
        yield Difference("hsts", old["hsts"], new["hsts"], sentence)


def _served(answer: dict[str, Any] | None) -> dict[str, Any] | None:
    """What is served, without where."""
    return {key: value for key, value in answer.items() if key not in ("listener", "server")} if answer else None


def _new_or_gone(new: dict[str, Any] | None) -> str:
    return "was removed" if new is None else f"is new: {', '.join(new['protocols']) or new['refusal']}"


def _in_list(part: str, before: list[str], after: list[str], word: str, version: str = "") -> Iterator[Difference]:
    gone = [item for item in before if item not in after]
    added = [item for item in after if item not in before]
    sentences = [
        f"{word}{'s' if len(items) > 1 else ''} {verb}: {_few(items)}"
        for items, verb in ((gone, "removed"), (added, "added"))
        if items
    ]
    if version and not sentences and before != after:
        sentences = [f"the order of {word}s changed: {after[0]} is now first"]
    if sentences:
        yield Difference(part, before, after, "; ".join(sentences), version)


def _few(items: list[str], most: int = 6) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def _certificates(before: list[dict[str, Any]], after: list[dict[str, Any]], at: datetime) -> Iterator[Difference]:
    """The certificates that are new or gone; one that takes the place of another of its type of key beside it."""
    gone = [each for each in before if _identity(each) not in map(_identity, after)]
    for new in after:
        if _identity(new) not in map(_identity, before):
            old = next((each for each in gone if _kind(each) == _kind(new)), gone[0] if gone else None)
            if old is not None:
                gone.remove(old)
            yield Difference("certificate", old, new, f"certificate changed: {_described(new, at)}")
    for old in gone:
        yield Difference("certificate", old, None, f"certificate removed: {_described(old, at)}")


def _kind(certificate: dict[str, Any]) -> str:
    return str(certificate.get("key", "")).partition(" ")[0]


def _identity(certificate: dict[str, Any]) -> tuple[str, ...]:
    return tuple(certificate["chain"]) if "chain" in certificate else ("unread", certificate["file"])


def _described(certificate: dict[str, Any], at: datetime) -> str:
    from datetime import datetime as moment

    if "chain" not in certificate:
        return f"{certificate['file']}, which could not be read"
    days = (moment.fromisoformat(certificate["not_after"]) - at).days
    left = f"{days} days left" if days >= 0 else f"expired {-days} days ago"
    return f"{certificate['subject']} ({certificate['key']}, {len(certificate['chain'])} sent, {left})"
