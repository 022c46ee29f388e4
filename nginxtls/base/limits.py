"""What a run does at most: the table ``limits.tsv``, which is also part of the documentation."""

from __future__ import annotations

from nginxtls.base.data import read_data

LIMITS: dict[str, int] = {
    row[0]: int(row[1])
    for row in (line.split("\t") for line in read_data(__package__, "limits.tsv").splitlines() if line[:1] != "#")
}
"""The limits by name."""
