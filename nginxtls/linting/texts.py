"""The last look at the texts of a report: they are of a bounded length, and no name of a file or peer has a key in it.

What a configuration says is hidden where it is read (``base/secrets.py``). File names, and what a server answers, come
from elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nginxtls.base.limits import LIMITS
from nginxtls.base.printing import cut
from nginxtls.base.secrets import hide
from nginxtls.syntax.places import Failure, NotChecked

if TYPE_CHECKING:
    from nginxtls.finding import Finding

_Entry = TypeVar("_Entry", NotChecked, Failure)
_MOST = LIMITS["message"]


def of_finding(finding: Finding) -> Finding:
    """A finding whose texts can be reported: a message may quote a word of megabytes."""
    texts = (
        finding.message, finding.label, finding.help, *finding.notes, *(label.text for label in finding.labels),
        *finding.endpoints,
    )  # fmt: skip
    if all(reportable(text) is text for text in texts):
        return finding
    return finding.replace(
        message=reportable(finding.message),
        label=reportable(finding.label),
        help=reportable(finding.help),
        notes=tuple(map(reportable, finding.notes)),
        labels=tuple(label._replace(text=reportable(label.text)) for label in finding.labels),
        endpoints=tuple(map(reportable, finding.endpoints)),
    )


def of_entry(entry: _Entry) -> _Entry:
    """An entry that was not checked, or failed, whose texts can be reported."""
    subject, reason = reportable(entry.subject), reportable(entry.reason)
    if subject is entry.subject and reason is entry.reason:
        return entry
    return entry._replace(subject=subject, reason=reason)


def reportable(text: str) -> str:
    """A text without key material, and of a bounded length; itself if it is that already."""
    hidden = hide(text)
    return cut(hidden, _MOST) if len(hidden) > _MOST else hidden
