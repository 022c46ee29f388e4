"""Metrics for Prometheus: the text format that the textfile collector of its node exporter reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nginxtls.base.printing import shown
from nginxtls.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from nginxtls.live.verify import Endpoint, Verification
    from nginxtls.pki import Certificate

_DAY = 86_400
SERVED = "nginxtls_certificate_served_days_left"
ON_DISK = "nginxtls_certificate_file_days_left"


def render(verification: Verification) -> str:
    """The metrics of a run. Days are fractions; where a server has several certificates, the first to expire counts."""
    return "".join(f"{line}\n" for line in _lines(verification))


def _lines(verification: Verification) -> Iterator[str]:
    report, endpoints = verification.report, verification.endpoints
    at = report.at
    assert at is not None
    yield from _head("nginxtls_listener_up", "Whether the listener gives a TLS answer.")
    up: dict[tuple[str, str], bool] = {}
    for endpoint in endpoints:
        key = _main(endpoint), endpoint.place.target.label
        up[key] = up.get(key, False) or not endpoint.seen.trouble
    for (configuration, listener), answers in up.items():
        yield f"nginxtls_listener_up{_labels(configuration=configuration, listener=listener)} {int(answers)}"
    for name, text, part in (
        (SERVED, "Days until the certificate that clients get expires.", "served"),
        (ON_DISK, "Days until the certificate in the file expires.", "on_disk"),
    ):
        yield from _head(name, text)
        for endpoint in endpoints:
            if (days := _days(getattr(endpoint, part), at)) is not None:
                yield f"{name}{_of(endpoint)} {days:.3f}"
    yield from _head("nginxtls_differences", "Differences between the running server and its files.")
    for endpoint in endpoints:
        yield f"nginxtls_differences{_of(endpoint)} {len(endpoint.differences) + bool(endpoint.seen.trouble)}"
    yield from _head("nginxtls_verify_findings", "Findings of the run, by severity.")
    counts = Counter(finding.severity for finding in report.findings)
    for severity in sorted(Severity, reverse=True):
        yield f"nginxtls_verify_findings{_labels(severity=str(severity))} {counts[severity]}"
    yield from _head("nginxtls_verify_failures", "Input that could not be verified.")
    yield f"nginxtls_verify_failures {len(report.failures)}"
    yield from _head("nginxtls_verify_timestamp_seconds", "When the run ended, in seconds since the epoch.")
    yield f"nginxtls_verify_timestamp_seconds {at.timestamp() + report.seconds:.0f}"


def _head(name: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} gauge"


def _days(leaves: list[Certificate], at: datetime) -> float | None:
    dated = [leaf.not_after for leaf in leaves if leaf.has_dates]
    return (min(dated) - at).total_seconds() / _DAY if dated else None


def _main(endpoint: Endpoint) -> str:
    return endpoint.place.answer.configuration.tree.roots[0].name


def _of(endpoint: Endpoint) -> str:
    return _labels(
        configuration=_main(endpoint),
        listener=endpoint.place.target.label,
        name=endpoint.place.answer.servername or "",
    )


def _labels(**labels: str) -> str:
    """Label values with the three escapes of the format; control characters are shown as in every other format."""
    pairs = []
    for name, value in labels.items():
        escaped = shown(value).replace("\\", "\\\\").replace('"', '\\"')
        pairs.append(f'{name}="{escaped}"')
    return "{" + ",".join(pairs) + "}"
