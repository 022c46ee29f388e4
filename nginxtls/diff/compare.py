"""The differences that a client sees between two configurations: handshakes compared endpoint by endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True, slots=True)
class Change:
    """What changes for clients of some endpoints: the same sentences for each of them."""

    socket: str
    names: tuple[str, ...]
    """Server names; ``(no name)`` are clients that send none."""
    sentences: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {"socket": self.socket, "names": list(self.names), "changes": list(self.sentences)}


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
    grouped: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for endpoint in dict.fromkeys((*old, *new)):
        sentences = tuple(_sentences(old.get(endpoint), new.get(endpoint), at))
        if sentences:
            grouped.setdefault((endpoint[0], sentences), []).append(endpoint[1])
    for (socket, sentences), names in grouped.items():
        yield Change(socket, tuple(names), sentences)


def _sentences(old: dict[str, Any] | None, new: dict[str, Any] | None, at: datetime) -> Iterator[str]:
    if old is None:
        assert new is not None
        yield f"is new: {', '.join(new['protocols']) or new['refusal']}"
        return
    if new is None:
        yield "was removed"
        return
    if old["accepts"] != new["accepts"]:
        yield f"handshakes now fail: {new['refusal']}" if old["accepts"] else "handshakes now succeed"
        return
    for field, word in _LISTS:
        yield from _gone_and_new(old[field], new[field], word)
    for version in new["ciphers"]:
        before, after = old["ciphers"].get(version), new["ciphers"][version]
        if before is None:
            continue
        yield from _gone_and_new(before, after, f"{version} suite")
        if sorted(before) == sorted(after) and before != after:
            yield f"the order of {version} suites changed: {after[0]} is now first"
    yield from _certificates(old["certificates"], new["certificates"], at)
    if old["client_certificate"] != new["client_certificate"]:
        yield f"client certificate: was {old['client_certificate']}, is now {new['client_certificate']}"
    for field, word in _SWITCHES:
        if old[field] != new[field]:
            yield f"{word}: now {'on' if new[field] else 'off'}"
    if old["hsts"] != new["hsts"]:
        yield f"HSTS: was {old['hsts'] or 'not sent'}, is now {new['hsts'] or 'not sent'}"


def _gone_and_new(before: list[str], after: list[str], word: str) -> Iterator[str]:
    gone = [item for item in before if item not in after]
    added = [item for item in after if item not in before]
    if gone:
        yield f"{word}{'s' if len(gone) > 1 else ''} removed: {_few(gone)}"
    if added:
        yield f"{word}{'s' if len(added) > 1 else ''} added: {_few(added)}"


def _few(items: list[str], most: int = 6) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def _certificates(before: list[dict[str, Any]], after: list[dict[str, Any]], at: datetime) -> Iterator[str]:
    old = {_identity(certificate): certificate for certificate in before}
    new = {_identity(certificate): certificate for certificate in after}
    for identity, certificate in new.items():
        if identity not in old:
            yield f"certificate changed: {_described(certificate, at)}"
    for identity, certificate in old.items():
        if identity not in new and len(new) < len(old):
            yield f"certificate removed: {_described(certificate, at)}"


def _identity(certificate: dict[str, Any]) -> tuple[str, ...]:
    return tuple(certificate["chain"]) if "chain" in certificate else ("unread", certificate["file"])


def _described(certificate: dict[str, Any], at: datetime) -> str:
    from datetime import datetime as moment

    if "chain" not in certificate:
        return f"{certificate['file']}, which could not be read"
    days = (moment.fromisoformat(certificate["not_after"]) - at).days
    left = f"{days} days left" if days >= 0 else f"expired {-days} days ago"
    return f"{certificate['subject']} ({certificate['key']}, {len(certificate['chain'])} sent, {left})"
