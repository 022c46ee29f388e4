"""A scan of a fleet on Dask: batches are tasks; what a dead worker left is done by another, what is done is kept."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.fleet.work import Limits, Task, batches, try_alone, work
from nginxtls.linting.settings import STORES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from distributed import Client

    from nginxtls.fleet.hosts import Hosts
    from nginxtls.fleet.sources import Item
    from nginxtls.fleet.tables import Run
    from nginxtls.linting.settings import Settings

DEFAULT_LIMITS = Limits()
PATIENCE = 30
"""Seconds after which the scheduler is asked whether there are workers."""
_PASSWORD = re.compile(r"(://[^/@:]*):[^/@]*@")
IN_A_BATCH = 50
"""Items, on average: about half a second of work, and a part of some 100 kB."""
SENT = 256
"""Batches that the scheduler has at a time: what each costs it and this process grows with their number."""


class Scanned(NamedTuple):
    """What a scan did."""

    run: Run
    items: int
    kept: int
    resumed: bool
    absent: tuple[str, ...] = ()
    """The hosts of the inventory that have no item."""


def scan(
    items: list[Item],
    hosts: Hosts,
    output: Path,
    settings: Settings,
    *,
    at: datetime | None = None,
    limits: Limits = DEFAULT_LIMITS,
    scheduler: str = "",
    workers: int = 0,
    resume: bool = True,
    source: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scanned:
    """Check all items and write their tables as a run in ``output``.

    Args:
        items: from ``find_items``.
        hosts: from ``read_hosts``.
        output: a folder; every worker writes into it.
        settings: for every item; the versions of a host come before theirs.
        at: the time for which certificates are checked; of a resumed run it is that run's.
        scheduler: the address of a Dask scheduler; empty for workers of this machine.
        workers: processes on this machine; 0 for one per core.
        resume: whether to continue an interrupted run of the same source.
        progress: called with the items done and their number.

    Raises:
        UsageError: the output folder, the scheduler or a file of the settings cannot be used.
    """
    from nginxtls.api import named_policy, trust_store
    from nginxtls.fleet.tables import SCHEMA_VERSION, Run

    trust_store(settings.trust)  # what cannot be read fails here, and not for every item
    for name in settings.policy:
        named_policy(name)
    source = _PASSWORD.sub(r"\1:*@", source)

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {output}", f"cannot be written: {error.strerror}") from error
    # Workers have another working directory.
    trust = tuple(word if word in STORES else os.path.abspath(word) for word in settings.trust)
    settings = settings._replace(trust=trust)
    asked = hashlib.sha256(repr((settings, hosts.given, limits)).encode("utf-8", "backslashreplace")).hexdigest()
    run = _interrupted(output, source, asked, at) if resume else None
    resumed = run is not None
    if run is None:
        moment = (at or datetime.now(timezone.utc)).replace(microsecond=0)
        run = Run(output, moment.strftime("%Y%m%dT%H%M%SZ"))
        run.drop()  # an earlier one for the same time
        run.record(_record(source, asked, moment, max(1, len(items) // IN_A_BATCH)))
    recorded = run.recorded()
    moment = datetime.fromisoformat(recorded["at"])
    pairs = [(item, hosts.of(item)) for item in items]
    parts = dict(batches(pairs, int(recorded["batches"])))
    place = os.fspath(output.resolve())
    tasks = (Task(part, batch, place, run.name, moment, settings, limits) for part, batch in parts.items())
    done = kept = 0
    with _client(scheduler, workers) as client:
        for result in _results(client, tasks):
            done += result.items
            kept += result.kept
            progress(done, len(items))
    _drop_others(run, parts.keys())
    from nginxtls.fleet.across import write_findings

    write_findings(run)
    run.record({**recorded, "complete": True, "items": len(items), "schema": SCHEMA_VERSION})
    absent = hosts.listed - {host.name for _, host in pairs}
    return Scanned(run, done, kept, resumed, tuple(sorted(absent)))


def _record(source: str, asked: str, at: datetime, number: int) -> dict[str, Any]:
    import nginxtls
    from nginxtls.base.freshness import DATE

    return {
        "source": source,
        "asked": asked,
        "at": at.isoformat(),
        "batches": number,
        "complete": False,
        "nginxtls": nginxtls.__version__,
        "facts": DATE.isoformat(),
    }


def _interrupted(output: Path, source: str, asked: str, at: datetime | None) -> Run | None:
    """The newest run, if it was interrupted, was of this source, request and version, and is for the requested time."""
    from nginxtls.fleet.tables import runs

    present = runs(output)
    if not present:
        return None
    newest = present[-1]
    found = newest.recorded()
    try:
        same = _record(source, asked, datetime.fromisoformat(found["at"]), int(found["batches"])) == found
    except (KeyError, ValueError, TypeError):
        return None
    return newest if same and (at is None or found["at"] == at.replace(microsecond=0).isoformat()) else None


def _drop_others(run: Run, parts: Collection[str]) -> None:
    """Remove the parts of batches that are empty since the run was interrupted."""
    from nginxtls.fleet.tables import TABLES

    for table in TABLES:
        for file in run.part(table, "x").parent.glob("*.parquet"):
            if file.stem not in parts:
                file.unlink(missing_ok=True)


@contextmanager
def _client(scheduler: str, workers: int) -> Iterator[Client]:
    """A client of the given scheduler, or of workers of this machine that end with it."""
    import dask
    from distributed import Client, LocalCluster

    if scheduler:
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, ValueError) as error:
            raise UsageError(f"--scheduler {scheduler}", "does not answer", "use the address that it prints") from error
        with client:
            yield client
        return
    dask.config.set(
        {
            # No pages over HTTP: whoever could connect could read along.
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            # The cluster gives up a worker that is away for longer; on a busy machine a restart takes that long.
            "distributed.deploy.lost-worker-timeout": "10 minutes",
        }
    )
    with (
        # Items are unpacked in it, keys and all: nothing must be left of an interrupted run.
        tempfile.TemporaryDirectory(prefix="nginxtls-fleet-", ignore_cleanup_errors=True) as scratch,
        dask.config.set({"temporary-directory": scratch}),
        _in_an_empty_folder(scratch),
    ):
        try:
            cluster = LocalCluster(
                n_workers=workers or os.cpu_count() or 1,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
                security=True,  # TLS with certificates of this run: whoever may connect may run code
            )
        except RuntimeError as error:
            reason = f"no worker starts: {error}".splitlines()[0]
            raise UsageError("nginxtls fleet", reason, f"check the space in {tempfile.gettempdir()}") from error
        with cluster, Client(cluster) as client:
            yield client


@contextmanager
def _in_an_empty_folder(scratch: str) -> Iterator[None]:
    """Work in a folder without files: Python starts a process with the working directory on its import path."""
    folder = os.path.join(scratch, "empty")
    os.mkdir(folder)
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def _results(client: Client, tasks: Iterable[Task]) -> Iterator[Any]:
    """The results of the batches as they come. A batch whose item ends workers is done again without that item."""
    from distributed.scheduler import KilledWorker

    left = iter(tasks)
    waiting: dict[Any, Task] = {}
    while True:
        # Two for each worker, as one that has none idles until it is sent.
        most = max(SENT, 2 * sum(client.nthreads().values()))
        for task in islice(left, max(0, most - len(waiting))):
            waiting[client.submit(work, task, key=f"{task.run}-{task.part}", pure=False)] = task
        if not waiting:
            return
        for future in _finished(client, list(waiting)):
            task = waiting.pop(future)
            try:
                yield future.result()
            except KilledWorker:
                again = task._replace(killers=_killers(client, task))
                key = f"{task.run}-{task.part}-again"
                waiting[client.submit(work, again, key=key, pure=False)] = again
            future.release()


def _finished(client: Client, futures: list[Any]) -> Iterable[Any]:
    """Those that are done, when the first is.

    Raises:
        UsageError: no worker has been there for two times ``PATIENCE`` seconds.
    """
    from distributed import wait

    absent = 0
    while absent < 2:
        try:
            return list(wait(futures, timeout=PATIENCE, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            absent = 0 if client.scheduler_info()["workers"] else absent + 1
    raise UsageError(
        "nginxtls fleet", "no worker is left", "check that workers run, with this version of nginxtls[fleet] installed"
    )


def _killers(client: Client, task: Task) -> frozenset[str]:
    """The items of a batch that end the worker when they are tried alone."""
    from distributed.scheduler import KilledWorker

    found = set()
    for number, (item, host) in enumerate(task.items):
        alone = task._replace(items=((item, host),))
        future = client.submit(try_alone, alone, key=f"{task.run}-{task.part}-alone-{number}", pure=False)
        _finished(client, [future])
        try:
            future.result()
        except KilledWorker:
            found.add(item.name)
    return frozenset(found)
