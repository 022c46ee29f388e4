"""A scan finds every planted fault once, whatever happens to its workers, and in spite of bad items."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from distributed import LocalCluster

from nginxtls.base.errors import UsageError
from nginxtls.fleet import engine, work
from nginxtls.fleet.database import connect, rows
from nginxtls.fleet.engine import scan
from nginxtls.fleet.hosts import Host, Hosts
from nginxtls.fleet.sources import Item, find_items, folder_digest
from nginxtls.fleet.tables import complete_runs
from nginxtls.fleet.work import Limits
from nginxtls.linting.settings import Settings


def _load(name: str) -> ModuleType:
    file = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"fleet_tests_{name}", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


scan_planted = _load("conftest").scan_planted


def ask(output: Path, sql: str) -> list[tuple[Any, ...]]:
    found = [run.name for run in complete_runs(output)]
    return rows(connect(output, run=found[-1], runs=found), sql)[1]


def hosts_with(output: Path, sql: str) -> list[str]:
    return [row[0] for row in ask(output, f"SELECT DISTINCT host FROM ({sql}) ORDER BY 1")]


ALL = {
    "items": "SELECT * EXCLUDE (seconds) FROM items ORDER BY key",
    "endpoints": "SELECT * FROM endpoints ORDER BY key",
    "certificates": "SELECT * FROM certificates ORDER BY key",
    "findings": "SELECT * FROM findings ORDER BY key, rule, line, message",
}


def everything(output: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {name: ask(output, sql) for name, sql in ALL.items()}


def test_every_planted_fault_is_found_once(planted: Any, scanned: Path) -> None:
    faults = planted.faults
    assert ask(scanned, "SELECT count(*), count(DISTINCT host), count(DISTINCT key) FROM items") == [
        (planted.hosts, planted.hosts, planted.hosts)
    ]
    assert ask(scanned, "SELECT DISTINCT status FROM items") == [("checked",)]
    old = "SELECT host FROM endpoints WHERE list_contains(protocols, 'TLSv1')"
    assert hosts_with(scanned, old) == sorted(faults["old protocols"])
    assert hosts_with(scanned, "SELECT host FROM findings WHERE rule = 'missing-intermediate'") == sorted(
        faults["lacks intermediate"]
    )
    assert hosts_with(scanned, "SELECT host FROM certificates WHERE days_left BETWEEN 0 AND 14") == sorted(
        faults["ending"]
    )
    across = ask(scanned, "SELECT rule, hosts FROM findings WHERE item = ''")
    assert sorted(across) == sorted(
        [
            ("bundle-fixed-on-some-hosts", sorted(faults["lacks intermediate"])),
            ("key-shared-across-teams", sorted(faults["shared key"])),
            ("key-shared-across-teams", sorted((*faults["split bundle"], *faults["lacks intermediate"]))),
            ("protocols-differ-by-host", sorted(faults["protocols differ"])),
        ]
    )


def test_two_runs_have_equal_rows(planted: Any, scanned: Path, tmp_path: Path) -> None:
    scan_planted(planted, tmp_path)
    assert everything(tmp_path) == everything(scanned)


def test_the_source_is_only_read(planted: Any, tmp_path: Path) -> None:
    source = tmp_path / "hosts"
    shutil.copytree(
        planted.root, source, ignore=lambda folder, names: names[20:] if folder == str(planted.root) else []
    )
    before = folder_digest(str(source), 10**9)
    scan(find_items(str(source)), Hosts(), tmp_path / "out", Settings(), workers=1)
    assert folder_digest(str(source), 10**9) == before


def test_no_row_names_a_temporary_folder(scanned: Path) -> None:
    texts = str(everything(scanned))
    assert "nginxtls-fleet-" not in texts
    assert tempfile.gettempdir() not in texts


def test_a_killed_worker_loses_and_doubles_nothing(planted: Any, scanned: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if not killed:
            workers = [int(p) for p in _children() if b"spawn_main" in _command(p)]
            killed.append(workers[-1])
            os.kill(workers[-1], signal.SIGKILL)

    scan_planted(planted, tmp_path, progress=kill)
    assert killed
    assert everything(tmp_path) == everything(scanned)


def _children() -> list[str]:
    return [child for file in Path("/proc/self/task").glob("*/children") for child in file.read_text().split()]


def _command(process: str) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def test_an_interrupted_run_resumes(
    planted: Any, scanned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IN_A_BATCH", 4)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan_planted(planted, tmp_path, progress=stop)
    resumed = scan_planted(planted, tmp_path, at=None)
    assert resumed.resumed
    assert 0 < resumed.kept < planted.hosts
    assert everything(tmp_path) == everything(scanned)
    # What is complete is not resumed.
    assert not scan_planted(planted, tmp_path, at=None).resumed


def test_bad_items_are_rows(tmp_path: Path) -> None:
    source = tmp_path / "hosts"
    source.mkdir()
    good = "# configuration file /etc/nginx/nginx.conf:\nhttp { server { listen 443 ssl; server_name a.test; } }\n"
    (source / "good.txt").write_text(good)
    (source / "empty.txt").write_text("")
    (source / "noise.txt").write_bytes(os.urandom(5000))
    (source / "broken.tar.gz").write_bytes(b"\x1f\x8b" + os.urandom(500))
    (source / "bomb.tar.gz").write_bytes(_archive([("etc/nginx/nginx.conf", b"#" * 30_000_000)]))
    (source / "huge.txt").write_bytes(b"#" * 1_500_000)
    (source / "kills.txt").write_text(good)
    (source / "out.txt").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe.txt")
    (source / "surrogate-\udcff.txt").write_text(good)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)  # workers have the path of this process
        import killing

        patch.setattr(engine, "work", killing.work)
        patch.setattr(engine, "try_alone", killing.try_alone)
        scan(find_items(str(source)), Hosts(), tmp_path / "out", Settings(), limits=Limits(1_000_000, 20.0), workers=2)
    found = {row[0]: row[1:] for row in ask(tmp_path / "out", "SELECT host, status, reason FROM items")}
    assert {name: status for name, (status, _) in found.items()} == {
        "good": "checked",
        "surrogate-\\udcff": "checked",
        **dict.fromkeys(("empty", "noise", "broken", "bomb", "huge", "kills", "out", "pipe"), "failed"),
    }
    reasons = {name: reason for name, (_, reason) in found.items()}
    assert reasons["huge"] == "has more than 1,000,000 bytes"
    assert reasons["bomb"] == "has more bytes than the limit"
    assert reasons["out"] == "is a link out of the source"
    assert reasons["pipe"] == "is neither a file nor a folder"
    assert reasons["kills"] == "ended the process that checked it"
    assert all(reasons[name] for name in found if found[name][0] == "failed")


def _archive(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_a_password_in_the_address_of_the_source_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    items = find_items(str(tmp_path / "a.txt"))
    run = scan(items, Hosts(), tmp_path / "out", Settings(), source="ftp://user:hunter2@host/dumps").run
    assert run.recorded()["source"] == "ftp://user:*@host/dumps"


def test_an_item_that_takes_too_long_is_a_row(planted: Any, tmp_path: Path) -> None:
    items = find_items(str(planted.root))[:3]
    scan(items, Hosts(), tmp_path, Settings(), limits=Limits(seconds=0.0001), workers=1)
    assert ask(tmp_path, "SELECT DISTINCT status, reason FROM items") == [("failed", "took more than 0.0001 seconds")]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_cluster_of_ones_own(planted: Any, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--scheduler`` uses its workers; without any there is one message, not a wait for ever."""
    monkeypatch.setattr(engine, "PATIENCE", 1)
    items = find_items(str(planted.root))[:3]
    with LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        if not workers:
            with pytest.raises(UsageError, match="no worker is left"):
                scan(items, Hosts(), tmp_path, Settings(), scheduler=cluster.scheduler_address)
            return
        monkeypatch.setattr(engine, "PATIENCE", 60)
        assert scan(items, Hosts(), tmp_path, Settings(), scheduler=cluster.scheduler_address).items == 3


def test_an_address_without_a_scheduler_is_named(planted: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not answer"):
        scan(find_items(str(planted.root))[:1], Hosts(), tmp_path, Settings(), scheduler="tcp://127.0.0.1:1")


class Slow:
    """A store that sends a byte now and then, or has one file after the other."""

    protocol = ("slow",)

    def invalidate_cache(self) -> None:
        pass

    def open(self, path: str, mode: str) -> Any:
        for _ in range(300):
            time.sleep(0.1)
        return io.BytesIO()

    def find(self, path: str, detail: bool) -> Any:
        return self.open(path, "rb")


@pytest.mark.parametrize("is_folder", [True, False])
def test_the_time_of_an_item_is_also_that_of_its_store(is_folder: bool, tmp_path: Path) -> None:
    item = Item("a", "a", is_folder, 1, Slow())
    read = work._Read(item, Host("a"), tmp_path / "scratch")
    start = time.monotonic()
    read.fetch(Limits(seconds=0.5))
    assert read.reason == "took more than 0.5 seconds"
    assert time.monotonic() - start < 10
