"""Inlay hints: the days that certificates have left, and the protocol versions that clients of a socket get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types as lsp

from nginxtls.lsp.context import spot
from nginxtls.lsp.hover import bundle_of, days_left, expiry, protocols

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nginxtls.linting.subjects import Subject
    from nginxtls.lsp.places import Places
    from nginxtls.model import Endpoint
    from nginxtls.syntax.tree import Directive, SourceFile

KINDS = ("daysLeft", "protocols")
"""The kinds of hints, as the editor's settings name them."""


def hints(
    subject: Subject, file: SourceFile, start: int, end: int, places: Places, kinds: Collection[str]
) -> Iterator[lsp.InlayHint]:
    """The hints between two offsets of a file's text, of the wanted kinds."""
    listens = _endpoints_by_listen(subject) if "protocols" in kinds else {}
    for directive in file.walk():
        if not start <= directive.start <= end or directive.block is not None:
            continue
        text = tooltip = ""
        if "daysLeft" in kinds and directive.name == "ssl_certificate":
            text, tooltip = _days(subject, file, directive)
        elif directive in listens:
            text, tooltip = _served(subject, file, directive, listens[directive])
        if text:
            place = places.between(file, directive.end, directive.end).end
            yield lsp.InlayHint(place, text, padding_left=True, tooltip=tooltip or None)


def _days(subject: Subject, file: SourceFile, directive: Directive) -> tuple[str, str]:
    bundle = bundle_of(spot(subject, file, directive.start), directive)
    if bundle is None or bundle.leaf is None or not bundle.leaf.has_dates:
        return "", ""
    at = subject.configuration.facts.at
    return days_left(bundle.leaf, at), f"{bundle.leaf.subject_name}: {expiry(bundle.leaf, at)}"


def _served(subject: Subject, file: SourceFile, directive: Directive, endpoint: Endpoint) -> tuple[str, str]:
    served = protocols(spot(subject, file, directive.start), endpoint)
    versions = max(served, key=len)
    text = " ".join(versions) or "no handshake"
    if len(served) == 1:
        return text, "" if versions else endpoint.tls.refusal or ""
    parts = (f"{' '.join(each) or 'no handshake'} with {part}" for each, part in served.items())
    return f"{text} (depends on the version)", "\n".join(parts)


def _endpoints_by_listen(subject: Subject) -> dict[Directive, Endpoint]:
    """The endpoint that each ``listen`` line of a TLS server leads to."""
    found: dict[Directive, Endpoint] = {}
    for endpoint in subject.configuration.endpoints:
        for server, listen in endpoint.socket.listens:
            if server is endpoint.server and listen.directive is not None:
                found.setdefault(listen.directive, endpoint)
    return found
