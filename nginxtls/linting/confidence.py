"""The confidence of findings in templates: what rests on a default is likely, template text is never edited."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.base.lazy import pattern
from nginxtls.finding import Confidence
from nginxtls.linting.fingerprint import directive_at, offsets
from nginxtls.syntax.words import FILL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nginxtls.finding import Edit, Finding, Fix, Location
    from nginxtls.syntax.tree import Tree

_VERSION = pattern("version|support", re.IGNORECASE)
ENVIRONMENT = "the template's variables are assumed to have the values of the container's environment"
DEFAULT = "the value is assumed to be the template's default"


def hedged(finding: Finding) -> Finding:
    """The finding with the confidence that a template permits, and without edits that depend on its rendering.

    A finding that is only likely has no safe fix: nothing is proven then.
    """
    places = (finding.location, *(label.location for label in finding.labels))
    if any(place.file.defaults and _rests_on_default(place) for place in places):
        assumed = ENVIRONMENT if any(place.file.variables for place in places) else DEFAULT
        finding = finding.replace(confidence=Confidence.LIKELY, notes=(*finding.notes, assumed))
    if finding.fix is not None and any(map(_has_secret, finding.fix.edits)):
        finding = finding.replace(fix=None)
    if finding.fix is not None and any(edit.location.file.engines for edit in finding.fix.edits):
        finding = finding.replace(fix=_of_template(finding.fix))
    if finding.fix is not None and finding.fix.safe and finding.confidence is Confidence.LIKELY:
        finding = finding.replace(fix=finding.fix._replace(safe=False))
    return finding


def needs_version(finding: Finding) -> bool:
    """Whether the finding is inside a template condition on the version of nginx, or on what it supports."""
    conditions = finding.location.file.conditions
    line = directive_at(finding.location) if conditions else None
    return line is not None and any(_VERSION.search(conditions[key].text) for key, _ in line.branch)


def agreed(variants: Sequence[tuple[Tree, list[Finding]]], needless: Collection[str]) -> Iterator[Finding]:
    """The findings of all variants of a template; those of ``needless`` rules if all with the line agree."""
    seen = [{_key(finding) for finding in found if finding.rule in needless} for _, found in variants]
    for _, found in variants:
        for finding in found:
            line = directive_at(finding.location) if finding.rule in needless else None
            if line is None or all(
                _key(finding) in there for (tree, _), there in zip(variants, seen, strict=True) if tree.shows(line)
            ):
                yield finding


def _key(finding: Finding) -> object:
    return finding.rule, finding.location


def _rests_on_default(place: Location) -> bool:
    """Whether a place overlaps a default of the template."""
    start, end = offsets(place)
    masked = place.file.masked
    return any(
        start <= default < end or (default < start and not masked[default + 1 : start + 1].strip(FILL))
        for default in place.file.defaults
    )


def _of_template(fix: Fix) -> Fix | None:
    """The fix as unsafe, as other branches may differ; None if it overwrites template text."""
    return None if any(edit.replacement and _is_masked(edit) for edit in fix.edits) else fix._replace(safe=False)


def _is_masked(edit: Edit) -> bool:
    start, end = offsets(edit.location)
    return edit.location.file.masked[start:end] != edit.location.file.text[start:end]


def _has_secret(edit: Edit) -> bool:
    """Whether the edit would replace key material, which a rule does not see."""
    file = edit.location.file
    if file.raw is file.text:
        return False
    start, end = offsets(edit.location)
    return file.raw[start:end] != file.text[start:end]
