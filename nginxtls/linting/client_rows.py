"""The clients table of a report: what named clients get from the endpoints, and why others cannot connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.lazy import cached_property
from nginxtls.linting.report import ClientRow
from nginxtls.linting.subjects import in_turn
from nginxtls.linting.tables import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.linting.subjects import Subject
    from nginxtls.model import Configuration
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.model.clients import Outcome
    from nginxtls.tls.clients import Client

    Verdict = tuple[bool | None, str]
    """Whether a client connects, and with which protocol; else why not."""

MOST = 200
"""Of so many configurations the page has what clients get: it takes 15 ms each."""
_NO_LISTENER: Verdict = (False, "no server listens there")


class ClientRows(Rows[ClientRow]):
    """The rows of configurations. All clients are tried in several builds, so rows are made when one is read.

    Of many configurations the first are in it.
    """

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = subjects[:MOST]

    @cached_property
    def rows(self) -> list[ClientRow]:
        """All rows."""
        turns = in_turn(self.subjects)
        return [row for each in turns for row in client_rows(each.configuration, each.alternatives)]

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, number: int) -> ClientRow:
        """The row of a number from 0."""
        return self.rows[number]


def client_rows(configuration: Configuration, alternatives: Alternatives | None) -> Iterator[ClientRow]:
    """For endpoints that treat all clients alike, a row for the clients that get the same: first those that connect.

    Where the versions are not known, they are answered for the builds that suffice to find what differs.
    """
    from nginxtls.tls.clients import runs

    first = len(alternatives.in_question.first) if alternatives is not None and alternatives.matter else 0
    builds = [alternatives.configuration_in(number) for number in range(first)] if alternatives else []
    answers = [_outcomes(each) for each in builds or (configuration,)]
    # Equal outcomes of a build are one object: comparing and hashing all clients of each name would take minutes.
    endpoints: dict[tuple[str, tuple[int, ...]], tuple[list[tuple[Outcome, ...]], list[str]]] = {}
    for socket, name in dict.fromkeys(endpoint for each in answers for endpoint in each):
        outcomes = [each.get((socket, name), ()) for each in answers]
        endpoints.setdefault((socket, tuple(map(id, outcomes))), (outcomes, []))[1].append(name)
    for (socket, _), (by_build, names) in endpoints.items():
        alike: dict[Verdict, list[Client]] = {}
        clients = dict.fromkeys(outcome.client for outcomes in by_build for outcome in outcomes)
        found = [{outcome.client: _verdict(outcome) for outcome in outcomes} for outcomes in by_build]
        for client in clients:
            verdict = _over([each.get(client, _NO_LISTENER) for each in found], alternatives)
            alike.setdefault(verdict, []).append(client)
        for (connects, result), members in sorted(alike.items(), key=_order):
            yield ClientRow(
                host=configuration.tree.roots[0].host,
                socket=socket,
                names=tuple(names),
                connects=connects,
                result=result,
                clients=tuple(runs(members)),
                number=len(members),
                total=len(clients),
            )


def _outcomes(configuration: Configuration) -> dict[tuple[str, str], tuple[Outcome, ...]]:
    """What all clients get, by the label of the socket and the name that they request."""
    from nginxtls.model.clients import tables
    from nginxtls.tls.clients import clients

    found = tables(configuration, clients())
    return {(table.socket.label, name): table.outcomes for table in found for name in table.names}


def _verdict(outcome: Outcome) -> Verdict:
    """The result without what differs between clients that fail alike: what each offers."""
    if outcome.connects:
        return True, f"connects with {outcome.protocol}"
    if outcome.connects is None:
        return None, f"not known: {outcome.reason.partition(' (')[0]}"
    return False, outcome.reason.partition(": the client offers ")[0]


def _over(verdicts: Sequence[Verdict], alternatives: Alternatives | None) -> Verdict:
    """The verdicts of builds, the newest last, in one: where they differ it names each part of the builds, or says so.

    For a client that connects with none of them the reason of the newest is enough.
    """
    texts: dict[str, list[int]] = {}
    for number, (_, text) in enumerate(verdicts):
        texts.setdefault(text, []).append(number)
    kinds = {connects for connects, _ in verdicts}
    connects = kinds.pop() if len(kinds) == 1 else None
    if len(texts) == 1 or alternatives is None or connects is False:
        return connects, verdicts[-1][1]
    parts = {text: alternatives.part(numbers, range(len(verdicts))) for text, numbers in texts.items()}
    if len(parts) == 2 and not any(", or " in part for part in parts.values()):
        return connects, "; ".join(f"{text} with {part}" for text, part in parts.items())
    return connects, f"depending on the version: {'; '.join(parts)}"


def _order(item: tuple[Verdict, list[Client]]) -> tuple[int, str, int]:
    """Clients that connect are first, then those that may; of the others, the most are first."""
    (connects, text), members = item
    return 0 if connects else 1 if connects is None else 2, "" if connects is False else text, -len(members)
