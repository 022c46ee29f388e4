"""How what one process does in ``nginxtls fleet`` grows with the hosts: sending batches, cross-host rules, report.

    python benchmarks/fleet_growth.py --hosts 1000 10000 100000

The rows of 1,000 hosts that were checked are copied under other names; batches are sent to a worker that does nothing.
Each figure is from a process of its own: CPU seconds, and the largest memory in MB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.connection
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fleet_hosts import AT, make_fleet

from nginxtls.fleet import engine
from nginxtls.fleet.across import findings, write_findings
from nginxtls.fleet.database import connect, rows
from nginxtls.fleet.hosts import read_hosts
from nginxtls.fleet.overview import overview
from nginxtls.fleet.queries import named, queries
from nginxtls.fleet.report import html
from nginxtls.fleet.sources import Item, find_items
from nginxtls.fleet.tables import TABLES, Run, complete_runs
from nginxtls.fleet.work import Done, Task
from nginxtls.linting.settings import Settings

CHECKED = 1_000
"""Hosts that are checked for their rows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        planted = make_fleet(Path(folder), CHECKED)
        checked = Path(folder, "checked")
        settings = Settings(trust=("none", str(planted.trust)))
        engine.scan(find_items(str(planted.root)), read_hosts(str(planted.inventory)), checked, settings, at=AT)
        print("| hosts | what | CPU s | MB |\n| ---: | --- | ---: | ---: |", flush=True)
        for hosts in options.hosts:
            out = Path(folder, str(hosts))
            copy(complete_runs(checked)[0], out, hosts // CHECKED)
            for name, part in PARTS.items():
                seconds, megabytes, note = alone(part, out, hosts)
                print(f"| {hosts:,} | {name}{note} | {seconds:.1f} | {megabytes:.0f} |", flush=True)


def copy(run: Run, out: Path, times: int) -> None:
    """Write the parts of a run several times, each time for other hosts with other names."""
    for table in TABLES:
        for file in sorted(run.part(table, "x").parent.glob("part-*.parquet")):
            found = pq.read_table(file, partitioning=None)
            for number in range(times):
                renamed = found
                for column in ("key", "host", "name", "sha256"):
                    if column in found.column_names and (column, table) != ("sha256", "items"):
                        # Certificates and names are shared by the hosts of a copy, as those of a team are.
                        other = pc.binary_join_element_wise(found[column], pa.scalar(str(number)), ".")
                        index = renamed.column_names.index(column)
                        renamed = renamed.set_column(index, renamed.schema.field(index), other)
                target = Run(out, run.name).part(table, f"{file.stem}-{number}")
                target.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(renamed, target, compression="zstd")
    Run(out, run.name).record(run.recorded())


def alone(part: Callable[[Path, int], str], out: Path, hosts: int) -> tuple[float, float, str]:
    """CPU seconds, memory in MB and the remark of a part in a process of its own."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_measured, args=(part, out, hosts, theirs))
    process.start()
    found: tuple[float, float, str] = mine.recv()
    process.join()
    return found


def _measured(
    part: Callable[[Path, int], str], out: Path, hosts: int, answer: multiprocessing.connection.Connection
) -> None:
    start = time.process_time()
    note = part(out, hosts)
    seconds = time.process_time() - start
    # ru_maxrss would be that of the process that started this one, where that was larger.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    answer.send((seconds, int(peak[1]) / 1000 if peak else 0.0, note))


def nothing(task: Task) -> Done:
    return Done(len(task.items), 0)


def send(out: Path, hosts: int) -> str:
    """All that the client and the scheduler do for items, but the cross-host rules."""
    import fsspec

    files = fsspec.filesystem("file")
    items = [Item(f"host{n:06}.txt", f"/srv/dumps/host{n:06}.txt", False, 500, files) for n in range(hosts)]
    # Workers import this module, as the main one of the benchmark has another name there.
    import fleet_growth

    from nginxtls.fleet import across

    vars(engine)["work"] = fleet_growth.nothing
    vars(across)["write_findings"] = lambda run: None
    engine.scan(items, read_hosts(""), out / "sent", Settings(), at=AT, workers=1)
    return ""


def across_hosts(out: Path, hosts: int) -> str:
    run = complete_runs(out)[0]
    found = len(list(findings(run)))
    write_findings(run)
    return f", {found:,} findings (twice)"


def report(out: Path, hosts: int) -> str:
    return f", {len(html(overview(out))) // 1000:,} kB"


def all_queries(out: Path, hosts: int) -> str:
    run = complete_runs(out)[0]
    database = connect(out, run=run.name, runs=[run.name])
    return f", {sum(len(rows(database, named(name))[1]) for name in queries()):,} rows"


PARTS = {
    "batches sent": send,
    "cross-host rules": across_hosts,
    "report": report,
    "all named queries": all_queries,
}

if __name__ == "__main__":
    main()
