"""The clients table of a report says what ``nginxtls clients`` says, and what differs between builds in question."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from nginxtls import api
from nginxtls.linting import client_rows
from nginxtls.linting.report import Report
from nginxtls.linting.settings import Settings
from nginxtls.report import BUILT_IN, Options, renderer
from nginxtls.tls.clients import clients, run_name, runs
from tests.cli.test_handshake import CERTIFICATES, run, write

DAY = "2026-06-15"
AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
TRUST = (str(CERTIFICATES / "root.pem"),)
VERSIONS = {"nginx_version": "1.30.6", "openssl_version": "3.5.1"}


def lint(folder: Path, **known: str) -> Report:
    return api.report([str(folder)], Settings(trust=TRUST, **known), at=AT)  # type: ignore[arg-type]


def test_the_table_says_what_the_command_says(tmp_path: Path) -> None:
    folder = write(tmp_path)
    report = lint(folder, **VERSIONS)
    told = json.loads(
        run("clients", folder, "--at", DAY, "--trust", TRUST[0], "--nginx-version", "1.30.6",
            "--openssl-version", "3.5.1", "--format", "json", cwd=tmp_path)
    )  # fmt: skip
    assert len({row.names for row in report.clients}) == len(told["endpoints"]) > 1
    for endpoint in told["endpoints"]:
        rows = [row for row in report.clients if row.names == tuple(endpoint["names"])]
        assert {row.total for row in rows} == {len(endpoint["clients"])}
        for protocol in ("TLSv1.2", "TLSv1.3"):
            connecting = [row for row in endpoint["clients"] if row["connects"] and row["protocol"] == protocol]
            assert [row.number for row in rows if row.result == f"connects with {protocol}"] == [len(connecting)]
        assert sum(row.number for row in rows) == len(endpoint["clients"])
        reasons = {row["reason"].partition(": the client offers")[0] for row in endpoint["clients"] if row["reason"]}
        assert {row.result for row in rows if row.connects is False} == reasons


def test_where_the_version_is_not_known_each_part_of_the_builds_has_its_result(tmp_path: Path) -> None:
    folder = write(tmp_path)
    main = folder / "nginx.conf"
    main.write_text(main.read_text().replace("    ssl_protocols TLSv1.2 TLSv1.3;\n", ""))
    (row,) = [
        row
        for row in lint(folder).clients
        if row.names == ("(no name)",) and any(name.startswith("Node 12") for name in row.clients)
    ]
    # nginx enables TLS 1.3 by default since 1.23.4.
    assert row.result == (
        "connects with TLSv1.2 with nginx 1.22.1 and older; connects with TLSv1.3 with nginx 1.24.0 and newer"
    )
    assert row.connects


def test_formats_without_tables_try_no_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = lint(write(tmp_path), **VERSIONS)

    def fail(*_: object) -> None:
        raise AssertionError("all clients were tried")

    monkeypatch.setattr(client_rows, "client_rows", fail)
    for form in BUILT_IN:
        if form != "html":
            renderer(form)(report, Options())
    with pytest.raises(AssertionError, match="all clients"):
        renderer("html")(report, Options())


def test_clients_in_words() -> None:
    nodes = [client for client in clients() if client.family == "Node"]
    assert runs(nodes) == [run_name(nodes)]
    assert runs([nodes[0], *nodes[2:]]) == [nodes[0].name, run_name(nodes[2:])]
    assert run_name(nodes[:1]) == nodes[0].name
    assert run_name(nodes[:2]) == f"{nodes[0].name} to {nodes[1].version} (2)"


def test_of_many_configurations_the_first_are_in_the_table(tmp_path: Path) -> None:
    site = "server { listen 443 ssl; server_name s%d.test; }\n"
    for number in range(client_rows.MOST + 1):
        (tmp_path / f"s{number:03}.conf").write_text(site % number)
    report = api.report([str(tmp_path)], Settings(**VERSIONS), at=AT)  # type: ignore[arg-type]
    named = {name for row in report.clients for name in row.names} - {"(no name)"}
    assert named == {f"s{number}.test" for number in range(client_rows.MOST)}
    assert "in the first configurations (1 other left out)" in renderer("html")(report, Options())
