"""The overview of a run: figures and tables that both the page and the Markdown text show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.fleet.database import connect, rows
from nginxtls.fleet.tables import complete_runs

if TYPE_CHECKING:
    from pathlib import Path

    from nginxtls.fleet.tables import Run

MOST = 10_000
"""Rows of a table that are in the overview; the queries have all."""


class Table(NamedTuple):
    """A table of the overview. ``total`` counts all its rows; ``bars``: the last column is drawn as bars."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: int
    query: str = ""
    """The named query that has all rows."""
    bars: bool = False


class Overview(NamedTuple):
    """All that is shown of a run."""

    run: Run
    earlier: Run | None
    figures: tuple[tuple[str, int], ...]
    tables: tuple[Table, ...]


_FIGURES = (
    ("hosts", "SELECT count(DISTINCT host) FROM items"),
    ("endpoints", "SELECT count(*) FROM endpoints"),
    ("certificates", "SELECT count(DISTINCT sha256) FROM certificates"),
    ("errors", "SELECT count(*) FROM findings WHERE severity = 'error'"),
    ("warnings", "SELECT count(*) FROM findings WHERE severity = 'warning'"),
    ("items failed or read in part", "SELECT count(*) FROM items WHERE status <> 'checked'"),
)

_TABLES = (
    (
        "changes",
        "Since the run before",
        """
        SELECT change, severity, rule, count(DISTINCT host) AS hosts, count(*) AS findings FROM (
            SELECT 'new' AS change, severity, rule, host FROM findings
            WHERE key NOT IN (SELECT key FROM earlier_findings)
            UNION ALL
            SELECT 'gone', severity, rule, host FROM earlier_findings
            WHERE key NOT IN (SELECT key FROM findings))
        GROUP BY change, severity, rule
        ORDER BY change DESC, CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, findings DESC, rule
        """,
        "new",
        False,
    ),
    (
        "across",
        "Faults between hosts",
        """
        SELECT severity, rule, message, len(hosts) AS hosts, array_to_string(hosts[1:3], ', ') AS "first hosts"
        FROM findings WHERE item = ''
        ORDER BY CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, hosts DESC, message
        """,
        "across-hosts",
        False,
    ),
    (
        "teams",
        "Teams",
        """
        SELECT CASE i.team WHEN '' THEN '(none)' ELSE i.team END AS team, count(DISTINCT i.host) AS hosts,
               coalesce(sum(i.errors), 0)::BIGINT AS errors, coalesce(sum(i.warnings), 0)::BIGINT AS warnings,
               coalesce(any_value(c.ending), 0)::BIGINT AS "certificates ending in 30 days",
               count(*) FILTER (i.status <> 'checked') AS "failed or read in part"
        FROM items i
        LEFT JOIN (SELECT team, count(DISTINCT sha256) FILTER (days_left <= 30 AND len(endpoints) > 0) AS ending
                   FROM certificates GROUP BY team) c USING (team)
        GROUP BY i.team ORDER BY errors DESC, warnings DESC, team
        """,
        "teams",
        False,
    ),
    (
        "hosts",
        "Hosts, worst first",
        """
        SELECT host, team, coalesce(nginx, 'not known') AS nginx, coalesce(openssl, 'not known') AS "OpenSSL",
               endpoints, errors, warnings,
               (SELECT min(days_left) FROM certificates c
                WHERE c.host = i.host AND len(c.endpoints) > 0) AS "days left",
               CASE status WHEN 'checked' THEN '' ELSE status || ': ' || reason END AS "not checked"
        FROM items i
        ORDER BY status = 'failed' DESC, errors DESC NULLS LAST, warnings DESC NULLS LAST, host
        """,
        "worst-hosts",
        False,
    ),
    (
        "expiry",
        "Certificates by days left",
        """
        SELECT "days left", count(DISTINCT sha256) AS certificates FROM (
            SELECT sha256, CASE WHEN days_left < 0 THEN 'expired' WHEN days_left <= 7 THEN 'up to 7'
                   WHEN days_left <= 14 THEN '8 to 14' WHEN days_left <= 30 THEN '15 to 30'
                   WHEN days_left <= 90 THEN '31 to 90' ELSE 'more than 90' END AS "days left", days_left
            FROM certificates WHERE days_left IS NOT NULL AND len(endpoints) > 0)
        GROUP BY "days left" ORDER BY min(days_left)
        """,
        "",
        True,
    ),
    (
        "ending",
        "Certificates that end first",
        """
        SELECT min(days_left) AS "days left", strftime(min(not_after), '%Y-%m-%d') AS "not after",
               min(subject) AS subject, min(issuer) AS issuer, count(DISTINCT host) AS hosts,
               array_to_string(list_sort(list_distinct(list(host)))[1:3], ', ') AS "first hosts"
        FROM certificates WHERE days_left IS NOT NULL AND len(endpoints) > 0
        GROUP BY sha256 HAVING min(days_left) <= 90 ORDER BY 1, 3, sha256
        """,
        "certificates",
        False,
    ),
    (
        "protocols",
        "Protocols",
        """
        SELECT protocol, count(*) AS endpoints FROM (SELECT unnest(protocols) AS protocol FROM endpoints WHERE accepts)
        GROUP BY protocol ORDER BY protocol
        """,
        "old-protocols",
        True,
    ),
    (
        "suites",
        "Cipher suites",
        """
        SELECT suite, count(*) AS endpoints FROM (SELECT unnest(suites) AS suite FROM endpoints WHERE accepts)
        GROUP BY suite ORDER BY endpoints DESC, suite
        """,
        "",
        True,
    ),
    (
        "rules",
        "Findings by rule",
        """
        SELECT severity, rule, count(DISTINCT host) AS hosts, count(*) AS findings FROM findings
        GROUP BY rule, severity
        ORDER BY CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, findings DESC, rule
        """,
        "rules",
        False,
    ),
)


def overview(output: Path) -> Overview:
    """The overview of the newest complete run in an output folder.

    Raises:
        UsageError: there is none.
    """
    found = complete_runs(output)
    run = found[-1]
    earlier = found[-2] if len(found) > 1 else None
    database = connect(output, run=run.name, runs=[each.name for each in found])
    figures = tuple((name, int(rows(database, sql)[1][0][0])) for name, sql in _FIGURES)
    tables = []
    for name, title, sql, query, bars in _TABLES:
        if name == "changes" and earlier is None:
            continue
        columns, values = rows(database, f"SELECT * FROM ({sql}) LIMIT {MOST}")
        total = len(values) if len(values) < MOST else int(rows(database, f"SELECT count(*) FROM ({sql})")[1][0][0])
        tables.append(Table(name, title, tuple(columns), tuple(values), total, query, bars))
    return Overview(run, earlier, figures, tuple(tables))
