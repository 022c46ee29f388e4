"""The tables of a fleet: their schemas, and their place on disk, ``TABLE/run=TIME/PART.parquet``."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from nginxtls.base.errors import UsageError
from nginxtls.base.writing import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA_VERSION = 1
"""Incremented when a column is removed or changes its meaning."""

_TEXT, _TEXTS, _COUNT, _YES = pa.string(), pa.list_(pa.string()), pa.int32(), pa.bool_()
_TIME = pa.timestamp("s", tz="UTC")

TABLES: dict[str, dict[str, Any]] = {
    "items": {
        "key": _TEXT,  # the host, and the item's name
        "host": _TEXT,
        "team": _TEXT,
        "listed": _YES,  # the inventory names the host
        "item": _TEXT,  # its name in the source
        "kind": _TEXT,  # dump, archive or folder
        "bytes": pa.int64(),
        "sha256": _TEXT,  # of its content
        "status": _TEXT,  # checked, partly, failed
        "reason": _TEXT,  # why it is not wholly checked
        "nginx": _TEXT,  # null: not known
        "openssl": _TEXT,
        "versions": _TEXT,  # which versions were assumed, and why
        "files": _COUNT,
        "servers": _COUNT,
        "endpoints": _COUNT,
        "certificates": _COUNT,
        "errors": _COUNT,
        "warnings": _COUNT,
        "notes": _COUNT,
        "not_checked": _TEXTS,
        "seconds": pa.float32(),
    },
    "endpoints": {
        "key": _TEXT,  # host, configuration, socket and name
        "host": _TEXT,
        "team": _TEXT,
        "item": _TEXT,
        "configuration": _TEXT,  # its main file
        "module": _TEXT,  # http, stream or mail
        "socket": _TEXT,
        "quic": _YES,
        "name": _TEXT,
        "is_default": _YES,
        "accepts": _YES,
        "protocols": _TEXTS,
        "suites": _TEXTS,  # OpenSSL's names, in the server's order, newest protocol first
        "groups": _TEXTS,
        "forward_secrecy": _YES,  # every suite has it
        "post_quantum": _YES,  # a hybrid group is offered
        "client_certificate": _TEXT,  # off, on, optional, optional_no_ca
        "tickets": _YES,
        "ticket_keys": _TEXTS,  # SHA-256 of the files of ssl_session_ticket_key
        "alpn": _TEXTS,
        "certificates": _TEXTS,  # SHA-256 of the leaves
        "file": _TEXT,
        "line": _COUNT,
    },
    "certificates": {
        "key": _TEXT,  # host, file and certificate
        "host": _TEXT,
        "team": _TEXT,
        "item": _TEXT,
        "file": _TEXT,
        "sha256": _TEXT,  # null: the file could not be read
        "public_key_sha256": _TEXT,
        "subject": _TEXT,
        "issuer": _TEXT,
        "serial": _TEXT,  # hexadecimal
        "names": _TEXTS,
        "not_before": _TIME,
        "not_after": _TIME,
        "days_left": _COUNT,
        "public_key": _TEXT,  # its kind and size, such as RSA 2048
        "signature": _TEXT,
        "chain": _TEXT,  # what a client finds: trusted, untrusted, unknown, or why it was not checked
        "chain_faults": _TEXTS,  # such as missing-intermediate
        "endpoints": _TEXTS,
        "server_names": _TEXTS,
    },
    "findings": {
        "key": _TEXT,  # host, item and fingerprint
        "host": _TEXT,
        "hosts": _TEXTS,  # all hosts that it is about
        "team": _TEXT,
        "item": _TEXT,
        "rule": _TEXT,
        "severity": _TEXT,
        "confidence": _TEXT,
        "message": _TEXT,
        "help": _TEXT,
        "file": _TEXT,
        "line": _COUNT,
        "column": _COUNT,
        "endpoints": _TEXTS,
        "fingerprint": _TEXT,
    },
}


def schema(table: str) -> pa.Schema:
    """The Arrow schema of a table, with the version of all schemas in its metadata."""
    return pa.schema(list(TABLES[table].items()), metadata={"nginxtls.schema": str(SCHEMA_VERSION)})


class Run:
    """One run in the output folder: where its parts are, and what it was made with."""

    def __init__(self, output: Path, name: str) -> None:
        self.output = output
        self.name = name

    def part(self, table: str, name: str) -> Path:
        """The file of a part."""
        return self.output / table / f"run={self.name}" / f"{name}.parquet"

    def drop(self) -> None:
        """Remove what there is of it."""
        self.record_file.unlink(missing_ok=True)
        for table in TABLES:
            shutil.rmtree(self.output / table / f"run={self.name}", ignore_errors=True)

    def write(self, name: str, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Write a part of each table, atomically; ``items`` last, as its part says that the others are there."""
        for table in sorted(tables, key=lambda table: table == "items"):
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(list(tables[table]), schema(table)), sink, compression="zstd")
            self._write(self.part(table, name), sink.getvalue().to_pybytes())

    def digests(self, name: str) -> dict[str, str]:
        """The SHA-256 of each item in a part that is already there, by name; empty if there is none."""
        try:
            table = pq.read_table(self.part("items", name), columns=["item", "sha256"], partitioning=None)
        except (OSError, pa.ArrowInvalid):
            return {}
        return dict(zip(table["item"].to_pylist(), table["sha256"].to_pylist(), strict=True))

    @property
    def record_file(self) -> Path:
        """The file with what the run was made with and whether it is complete."""
        return self.output / "runs" / f"{self.name}.json"

    def record(self, values: Mapping[str, Any]) -> None:
        """Write down what the run was made with."""
        self._write(self.record_file, (json.dumps(values, indent=2, sort_keys=True) + "\n").encode())

    def _write(self, file: Path, content: bytes) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, content)
        except OSError as error:
            raise UsageError(f"--output {self.output}", f"cannot be written: {error.strerror}") from error

    def recorded(self) -> dict[str, Any]:
        """What was written down; empty if it cannot be read."""
        try:
            found = json.loads(self.record_file.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def runs(output: Path) -> list[Run]:
    """The runs in an output folder, oldest first."""
    names = sorted(file.stem for file in (output / "runs").glob("*.json") if re.fullmatch(r"[0-9TZ]+", file.stem))
    return [Run(output, name) for name in names]


def complete_runs(output: Path) -> list[Run]:
    """The complete runs, oldest first.

    Raises:
        UsageError: there is none.
    """
    found = [run for run in runs(output) if run.recorded().get("complete")]
    if not found:
        raise UsageError(str(output), "has no complete run", f"run `nginxtls fleet SOURCE --output {output}` first")
    return found
