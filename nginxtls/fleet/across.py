"""Faults that lie between hosts: each is a query over the tables of a run, and its findings join the others."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.fleet.tables import Run

PART = "across-hosts"


class AcrossHosts(NamedTuple):
    """A rule about several hosts.

    ``sql`` gives a row for each fault: ``subject`` (what distinguishes it), ``hosts`` (a sorted list), ``team`` and
    the columns that ``message`` names.
    """

    name: str
    severity: str
    message: str
    help: str
    sql: str


RULES = (
    AcrossHosts(
        "key-shared-across-teams",
        "warning",
        "hosts of the teams {teams} serve certificates with the same private key ({subject_text})",
        "issue a certificate with its own key for each team",
        """
        SELECT public_key_sha256 AS subject, list_sort(list_distinct(list(host))) AS hosts,
               min(team) AS team, min(subject) AS subject_text,
               array_to_string(list_sort(list_distinct(list(team))), ', ') AS teams
        FROM certificates WHERE public_key_sha256 IS NOT NULL AND team <> ''
        GROUP BY public_key_sha256 HAVING count(DISTINCT team) > 1
        """,
    ),
    AcrossHosts(
        "ticket-key-shared-across-teams",
        "error",
        "hosts of the teams {teams} share a session ticket key: each can decrypt the other's sessions",
        "create a ticket key file for each team",
        """
        SELECT ticket_key AS subject, list_sort(list_distinct(list(host))) AS hosts, min(team) AS team,
               array_to_string(list_sort(list_distinct(list(team))), ', ') AS teams
        FROM (SELECT host, team, unnest(ticket_keys) AS ticket_key FROM endpoints) WHERE team <> ''
        GROUP BY ticket_key HAVING count(DISTINCT team) > 1
        """,
    ),
    AcrossHosts(
        "ticket-keys-differ-by-host",
        "warning",
        "clients of {subject} cannot resume sessions on another host: its {count} hosts have {variants} sets of "
        "session ticket keys",
        "distribute the same `ssl_session_ticket_key` files to all hosts of the name",
        """
        SELECT name AS subject, list_sort(list_distinct(list(host))) AS hosts, min(team) AS team,
               count(DISTINCT host) AS count, count(DISTINCT keys) AS variants
        FROM (SELECT name, host, team, array_to_string(list_sort(ticket_keys), ' ') AS keys FROM endpoints
              WHERE accepts AND tickets AND NOT quic AND name NOT IN ('', '_'))
        GROUP BY name HAVING count(DISTINCT host) > 1 AND count(DISTINCT keys) > 1
        """,
    ),
    AcrossHosts(
        "protocols-differ-by-host",
        "warning",
        "which protocols clients of {subject} get depends on the host: {variants}",
        "set the same `ssl_protocols` on all hosts of the name",
        """
        SELECT name AS subject, list_sort(list_distinct(flatten(list(hosts)))) AS hosts, min(team) AS team,
               array_to_string(list_sort(list(protocols || ' on ' || len(hosts))), '; ') AS variants
        FROM (SELECT name, socket, protocols, min(team) AS team, list_distinct(list(host)) AS hosts
              FROM (SELECT name, host, team, split_part(socket, ':', -1) AS socket,
                           array_to_string(protocols, ', ') AS protocols
                    FROM endpoints WHERE accepts AND NOT quic AND module = 'http' AND name NOT IN ('', '_'))
              GROUP BY name, socket, protocols)
        GROUP BY name, socket HAVING count(*) > 1 AND len(list_distinct(flatten(list(hosts)))) > 1
        """,
    ),
    AcrossHosts(
        "certificates-differ-by-host",
        "note",
        "which certificate clients of {subject} get depends on the host: {variants} on {count} hosts, the first "
        "expires on {first}, the last on {last}",
        "deploy the same certificate to all hosts of the name, unless each has its own on purpose",
        """
        SELECT e.name AS subject, list_sort(list_distinct(list(e.host))) AS hosts, min(e.team) AS team,
               count(DISTINCT e.leaf) AS variants, count(DISTINCT e.host) AS count,
               strftime(min(c.not_after), '%Y-%m-%d') AS first, strftime(max(c.not_after), '%Y-%m-%d') AS last
        FROM (SELECT name, host, team, array_to_string(list_sort(certificates), ' ') AS leaf,
                     unnest(certificates) AS sha256
              FROM endpoints WHERE accepts AND NOT quic AND name NOT IN ('', '_')) e
        JOIN (SELECT DISTINCT sha256, not_after FROM certificates) c USING (sha256)
        GROUP BY e.name HAVING count(DISTINCT e.leaf) > 1 AND count(DISTINCT e.host) > 1
        """,
    ),
    AcrossHosts(
        "bundle-fixed-on-some-hosts",
        "error",
        "{bad} of {count} hosts with the certificate of {subject_text} do not send its intermediate: {where}",
        "copy the bundle of {good_host} to these hosts",
        """
        SELECT sha256 AS subject, min(subject) AS subject_text, min(team) FILTER (lacking) AS team,
               list_sort(list_distinct(list(host) FILTER (lacking))) AS hosts,
               count(DISTINCT host) FILTER (lacking) AS bad, count(DISTINCT host) AS count,
               min(host) FILTER (NOT lacking) AS good_host,
               array_to_string(list_sort(list_distinct(list(host) FILTER (lacking)))[1:5], ', ') AS "where"
        FROM (SELECT *, list_contains(chain_faults, 'missing-intermediate') AS lacking FROM certificates
              WHERE sha256 IS NOT NULL AND len(endpoints) > 0)
        GROUP BY sha256 HAVING count(*) FILTER (lacking) > 0 AND count(*) FILTER (NOT lacking) > 0
        """,
    ),
)


def findings(run: Run) -> Iterator[dict[str, Any]]:
    """The findings about several hosts of a run, as rows of the table of findings."""
    from nginxtls.fleet.database import connect, rows

    database = connect(run.output, run=run.name, runs=[run.name])
    for rule in RULES:
        names, found = rows(database, rule.sql)
        for values in sorted(found, key=lambda row: str(row[0])):
            row = dict(zip(names, values, strict=True))
            fingerprint = hashlib.sha256(f"{rule.name}\0{row['subject']}".encode()).hexdigest()[:32]
            yield {
                "key": fingerprint,
                "host": row["hosts"][0],
                "hosts": row["hosts"],
                "team": row["team"],
                "item": "",
                "rule": rule.name,
                "severity": rule.severity,
                "confidence": "certain",
                "message": rule.message.format_map(row),
                "help": rule.help.format_map(row),
                "endpoints": [],
                "fingerprint": fingerprint,
            }


def write_findings(run: Run) -> None:
    """Add the findings about several hosts to a run whose items are done."""
    run.part("findings", PART).unlink(missing_ok=True)
    run.write(PART, {"findings": list(findings(run))})
