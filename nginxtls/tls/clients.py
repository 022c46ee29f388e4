"""Named clients: what each offers in its ClientHello, and how it verifies a certificate.

``clients.json`` has the rows (recorded by tools/record_clients.py, or from a published table and then marked so),
``client_families.json`` what a client's documentation says of names, weak signatures and missing intermediates.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from nginxtls.base.data import read_data
from nginxtls.base.lazy import NamedTuple

from .agreement import Hello

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KINDS = {"browsers": "browser", "libraries": "library", "tools": "tool", "servers": "server", "mail": "mail"}
"""The groups of clients by what they are; the words of ``--client``."""


class Client(NamedTuple):
    """A client. ``released`` is the month in which its release line began (``2018-04``), empty if unknown.

    ``recorded`` is the date on which its ClientHello was recorded for this table; None for a published one, of which
    ``source`` is the table. Sizes are in bits, 0 without a limit. ``sha1`` and ``common_name``: it accepts SHA-1
    signatures, and a name that only the subject has. ``fetches_issuers``: it finds intermediates that are not sent.
    ``legacy_signatures``: it accepts the SHA-1 signatures of DHE and ECDHE before TLS 1.2.
    """

    name: str
    family: str
    version: str
    kind: str
    released: str
    recorded: str | None
    source: str
    hello: Hello
    sni: bool
    tickets: bool
    psk: bool
    stapling: bool
    ech: bool
    certificate_compression: tuple[int, ...]
    quic: bool
    min_dh_bits: int
    max_dh_bits: int
    min_rsa_bits: int
    max_rsa_bits: int
    sha1: bool
    common_name: bool
    verifies: bool
    fetches_issuers: bool
    legacy_signatures: bool


@cache
def clients() -> tuple[Client, ...]:
    """All clients: by family, oldest first."""
    families = json.loads(read_data("nginxtls.tls", "client_families.json"))["families"]
    rows = json.loads(read_data("nginxtls.tls", "clients.json"))["clients"]
    return tuple(_client(row, families.get(row["family"], {})) for row in rows)


def _client(row: dict[str, Any], family: dict[str, Any]) -> Client:
    released = row.get("released") or ""
    rsa = family.get("min_rsa_bits", 0) if released >= family.get("min_rsa_since", "") else 0
    return Client(
        row["name"],
        row["family"],
        row["version"],
        family.get("kind", "library"),
        released,
        row["recorded"],
        row["source"],
        Hello(
            tuple(row["protocols"].split()),
            _numbers(row["suites"]) or (),
            _numbers(row.get("groups")),
            _numbers(row.get("shares")) or (),
            _numbers(row.get("signatures")),
            _numbers(row.get("certificate_signatures")),
            tuple(row.get("alpn", ())),
        ),
        row.get("sni", False),
        row.get("tickets", False),
        1 in row.get("psk_modes", ()),
        row.get("stapling", False),
        row.get("ech", False),
        tuple(row.get("certificate_compression", ())),
        row.get("quic", False),
        row.get("min_dh_bits", 0),
        row.get("max_dh_bits", 0),
        row.get("min_rsa_bits", rsa),
        row.get("max_rsa_bits", 0),
        released < family.get("sha1_until", "") and not row.get("requires_sha2", False),
        released < family.get("common_name_until", ""),
        family.get("verifies", True),
        family.get("fetches_issuers", False),
        row.get("legacy_signatures", True),
    )


def _numbers(text: str | None) -> tuple[int, ...] | None:
    return None if text is None else tuple(int(word, 16) for word in text.split())


def matching(words: list[str], since: str = "") -> list[Client]:
    """The clients that words select: a group (``browsers``, ``recorded``), a family, a name or a part of one.

    All if there are no words; ``since`` is a year or a month (``2014``, ``2014-06``).

    Raises:
        ValueError: a word selects none; its argument is the word.
    """
    chosen: dict[Client, None] = {}
    for word in words:
        exact = [client for client in clients() if client.name.lower() == word.lower()]
        found = exact or [client for client in clients() if _selects(word, client)]
        if not found:
            raise ValueError(word)
        chosen.update(dict.fromkeys(found))
    selected = chosen if words else dict.fromkeys(clients())
    return [client for client in clients() if client in selected and client.released >= since]


def runs(some: Iterable[Client]) -> list[str]:
    """Clients in words, in the order of the table; those of a family without a gap are one entry (see ``run_name``)."""
    places = {client: number for number, client in enumerate(clients())}
    found: list[list[Client]] = []
    for client in sorted(some, key=places.__getitem__):
        last = found[-1][-1] if found else None
        if last and last.family == client.family and places[client] == places[last] + 1:
            found[-1].append(client)
        else:
            found.append([client])
    return [run_name(run) for run in found]


def run_name(run: Sequence[Client]) -> str:
    """``Node 12.22.12 to 26.12.1 (8)``, or the name of a client alone."""
    last = run[-1].version if run[-1].version != run[0].version else run[-1].name
    return run[0].name if len(run) == 1 else f"{run[0].name} to {last} ({len(run)})"


WIDELY_USED = ("Android", "Chrome", "Edge", "Firefox", "Safari", "curl", "Go", "Java", "Node", "Python")
"""The families of which ``current`` has the newest client."""


@cache
def current() -> tuple[Client, ...]:
    """The newest client of each family that is widely used."""
    newest = {client.family: client for client in clients() if not client.quic}
    return tuple(newest[family] for family in WIDELY_USED)


def _selects(word: str, client: Client) -> bool:
    lower = word.lower()
    if lower in KINDS:
        return client.kind == KINDS[lower]
    if lower == "recorded":
        return client.recorded is not None
    return lower == client.family.lower() or lower in client.name.lower()
