"""Items per second of ``nginxtls fleet`` on 1 and 2 workers, beside a plain loop of checks, with memory and growth.

    python benchmarks/fleet.py --hosts 1000 5000 --workers 1 2

The loop is ``nginxtls.check`` on each item in one process, without tables. Ratios and growth are of CPU time, as other
programs on the machine change the elapsed time more.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import tempfile
import threading
import time
from pathlib import Path

from fleet_hosts import AT, VERSIONS, make_fleet

import nginxtls
from nginxtls.fleet.engine import scan
from nginxtls.fleet.hosts import read_hosts
from nginxtls.fleet.overview import overview
from nginxtls.fleet.report import html
from nginxtls.fleet.sources import find_items
from nginxtls.linting.settings import Settings

SAMPLE = 500
"""Items of the loop; the rest are like them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--select", nargs="+", default=[], help="run these rules only, to see the growth of the rest")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--report", type=Path, help="also write the report of the last run to this file")
    options = parser.parse_args()
    rows = []
    for hosts in options.hosts:
        with tempfile.TemporaryDirectory() as folder:
            rows += measured(Path(folder), hosts, options)
    for workers in options.workers:
        mine = [row for row in rows if row["workers"] == workers]
        if len(mine) > 1:
            first, last = mine[0], mine[-1]
            growth = math.log(last["cpu"] / first["cpu"]) / math.log(last["hosts"] / first["hosts"])
            print(f"growth exponent with {workers} workers, {first['hosts']:,} to {last['hosts']:,}: {growth:.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def measured(folder: Path, hosts: int, options: argparse.Namespace) -> list[dict[str, float]]:
    planted = make_fleet(folder, hosts)
    alone = loop(sorted(planted.root.iterdir())[:SAMPLE], options.select)
    print(f"{hosts:,} hosts: a loop of checks needs {alone * 1000:.1f} ms of CPU an item", flush=True)
    rows = []
    for number in options.workers:
        out = folder / f"out{number}"
        with Memory() as memory:
            start, before = time.monotonic(), _cpu()
            items = find_items(str(planted.root))
            settings = Settings(select=tuple(options.select), trust=("none", str(planted.trust)))
            scan(items, read_hosts(str(planted.inventory)), out, settings, at=AT, workers=number)
            seconds, cpu = time.monotonic() - start, [now - then for now, then in zip(_cpu(), before, strict=True)]
        start = time.process_time()
        page = html(overview(out))
        reported = time.process_time() - start
        if options.report:
            options.report.write_text(page)
        size = sum(file.stat().st_size for file in out.rglob("*.parquet"))
        each = sum(cpu) / hosts
        rows.append(
            {
                "hosts": hosts,
                "workers": number,
                "seconds": seconds,
                "rate": hosts / seconds,
                "cpu": sum(cpu),
                "client_cpu": cpu[0],
                "ratio": each / alone,
                "worker_mb": memory.most,
                "client_mb": memory.own,
                "report_cpu": reported,
            }
        )
        print(
            f"  {number} workers: {seconds:.1f} s, {hosts / seconds:.0f} items a second;"
            f" {each * 1000:.1f} ms of CPU an item ({each / alone:.2f} x the loop), of which"
            f" {cpu[0] / hosts * 1000:.2f} in the client and scheduler; at most {memory.most:.0f} MB a worker,"
            f" {memory.own:.0f} MB the client; tables {size / hosts:.0f} bytes an item; report {reported:.1f} s of CPU",
            flush=True,
        )
        shutil.rmtree(out)
    return rows


def loop(items: list[Path], select: list[str]) -> float:
    """Seconds of CPU an item in a plain loop over dumps and folders; archives would have to be unpacked first."""
    plain = [item for item in items if item.suffix != ".gz"]
    start = time.process_time()
    for item in plain:
        nginx, openssl = VERSIONS[int(item.stem[4:]) % len(VERSIONS)]
        nginxtls.check(item, at=AT, select=select, nginx_version=nginx, openssl_version=openssl)
    return (time.process_time() - start) / len(plain)


def _cpu() -> tuple[float, float]:
    """Seconds of CPU of this process, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time(), children.ru_utime + children.ru_stime


class Memory:
    """The largest resident sets of a child process and of this one, in MB, looked at ten times a second."""

    def __enter__(self) -> Memory:
        self.most = self.own = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            children = [c for file in Path("/proc/self/task").glob("*/children") for c in file.read_text().split()]
            self.own = max(self.own, _resident("self"))
            self.most = max(self.most, *map(_resident, children), 0.0)


def _resident(process: str) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
