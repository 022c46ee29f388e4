"""DuckDB over the tables of an output folder: a view for each table, and nothing else can be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxtls.base.errors import UsageError
from nginxtls.fleet.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection


def connect(output: Path, *, run: str = "", runs: Sequence[str] = ()) -> DuckDBPyConnection:
    """A database with the views items, endpoints, certificates and findings.

    Args:
        output: the output folder.
        run: the run that the views show; ``all_items`` and so on show all.
        runs: the runs that there are; with two or more, ``earlier_items`` and so on show the one before ``run``.

    Raises:
        UsageError: a file of the tables is damaged.
    """
    import duckdb

    try:
        return _connect(output, run, runs)
    except duckdb.Error as error:
        reason = f"has a table that cannot be read: {str(error).splitlines()[0]}"
        raise UsageError(str(output), reason, "remove the run that the file is of, and scan again") from error


def _connect(output: Path, run: str, runs: Sequence[str]) -> DuckDBPyConnection:
    import duckdb

    database = duckdb.connect(":memory:")
    database.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    # Rows of one query come in one order, whatever the number of threads.
    database.execute("SET preserve_insertion_order = true")
    before = [name for name in runs if name < run][-1:]
    for table in TABLES:
        files = _quoted_text(_plain(str(output.resolve() / table)) + "/run=*/*.parquet")
        source = (
            f"read_parquet({files}, hive_partitioning = true, hive_types = {{'run': VARCHAR}}, union_by_name = true)"
        )
        done = ", ".join(map(_quoted_text, runs)) or "''"
        database.execute(f"CREATE VIEW all_{table} AS SELECT * FROM {source} WHERE run IN ({done})")
        database.execute(
            f"CREATE VIEW {table} AS SELECT * EXCLUDE (run) FROM all_{table} WHERE run = {_quoted_text(run)}"
        )
        earlier = _quoted_text(before[0] if before else "")
        database.execute(
            f"CREATE VIEW earlier_{table} AS SELECT * EXCLUDE (run) FROM all_{table} WHERE run = {earlier}"
        )
    database.execute(f"SET allowed_directories = [{_quoted_text(str(output.resolve()))}]")
    database.execute("SET enable_external_access = false; SET lock_configuration = true")
    return database


def _quoted_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _plain(folder: str) -> str:
    """A folder in a pattern for files: its own ``*``, ``?`` and ``[`` are plain."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in folder)


def rows(database: DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of a query.

    Raises:
        UsageError: DuckDB refuses the query.
    """
    import duckdb

    try:
        found = database.execute(sql)
    except duckdb.Error as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError("the query", text, "`nginxtls fleet query DIR` lists named queries and tables") from error
    return [column[0] for column in found.description or ()], found.fetchall()
