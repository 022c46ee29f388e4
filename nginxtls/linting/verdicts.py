"""The table of policies: whether each endpoint complies with each chosen policy, in every build in question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.finding import Location
from nginxtls.linting.report import PolicyRow
from nginxtls.model.compliance import Judgement, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.model import Configuration, Endpoint
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.tls import Policy


def policy_rows(
    endpoints: Iterable[Endpoint], configuration: Configuration, alternatives: Alternatives | None
) -> Iterator[PolicyRow]:
    """A row for each endpoint and policy."""
    for endpoint in endpoints:
        for policy in configuration.facts.policies:
            yield _row(policy, endpoint, _judgements(policy, endpoint, configuration, alternatives))


def _judgements(
    policy: Policy, endpoint: Endpoint, configuration: Configuration, alternatives: Alternatives | None
) -> dict[Judgement, str]:
    """What the policy says of the endpoint, with the builds in words where they differ."""
    if alternatives is None or not alternatives.matter:
        return {_brief(judge(policy, endpoint, configuration)): ""}
    return alternatives.by_build(
        endpoint, lambda there, other: _brief(judge(policy, other, there) if other else Judgement(serves=False))
    )


def _brief(judgement: Judgement) -> Judgement:
    """The judgement with one objection for each item, so that equal ones of several builds are equal."""
    first = {objection.item: objection for objection, _ in reversed(judgement.objections) if not objection.advice}
    kept = tuple((first[item]._replace(message="", names=()), None) for item in judgement.violated)
    return judgement._replace(objections=kept)


def _row(policy: Policy, endpoint: Endpoint, judgements: dict[Judgement, str]) -> PolicyRow:
    items = [*policy.items]
    violated = {item for judgement in judgements for item in judgement.violated}
    unknown = {item for judgement in judgements for item in judgement.unknown}
    if violated:
        result = "fail" if all(judgement.violated for judgement in judgements) else "depends"
    else:
        result = "unknown" if unknown else "pass"
    place = endpoint.server.directive
    assert place is not None
    return PolicyRow(
        policy=policy.name,
        title=policy.title,
        endpoint=endpoint.title,
        socket=endpoint.socket.label,
        name=", ".join(endpoint.names),
        result=result,
        violated=tuple(item for item in items if item in violated),
        unknown=tuple(item for item in items if item in unknown),
        location=Location(place.file, place.span),
        serves=any(judgement.serves for judgement in judgements),
        differing=tuple((part, judgement.violated) for judgement, part in judgements.items() if part),
    )
