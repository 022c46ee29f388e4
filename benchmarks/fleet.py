"""Items per second of ``nginxtls fleet`` on 1 and 2 workers, beside a plain loop of checks, with memory and growth.

    python benchmarks/fleet.py --hosts 1000 5000 --workers 1 2

The loop is ``nginxtls.check`` on each item in one process, without tables. Ratios are to it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from fleet_hosts import AT, make_fleet

import nginxtls
from nginxtls.fleet.engine import scan
from nginxtls.fleet.hosts import read_hosts
from nginxtls.fleet.sources import find_items
from nginxtls.linting.settings import Settings

SAMPLE = 500
"""Items of the loop; the rest are like them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    rows = []
    for hosts in options.hosts:
        with tempfile.TemporaryDirectory() as folder:
            rows += measured(Path(folder), hosts, options.workers)
    for workers in options.workers:
        mine = [row for row in rows if row["workers"] == workers]
        if len(mine) > 1:
            growth = math.log(mine[-1]["seconds"] / mine[0]["seconds"]) / math.log(mine[-1]["hosts"] / mine[0]["hosts"])
            print(
                f"growth exponent with {workers} workers, {mine[0]['hosts']:,} to {mine[-1]['hosts']:,}: {growth:.2f}"
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def measured(folder: Path, hosts: int, workers: list[int]) -> list[dict[str, float]]:
    planted = make_fleet(folder, hosts)
    alone = loop(sorted(planted.root.iterdir())[:SAMPLE])
    print(f"{hosts:,} hosts: a loop of checks does {alone:.0f} items a second")
    rows = []
    for number in workers:
        with Memory() as memory:
            start = time.monotonic()
            scan(
                find_items(str(planted.root)),
                read_hosts(str(planted.inventory)),
                folder / f"out{number}",
                Settings(trust=("none", str(planted.trust))),
                at=AT,
                workers=number,
            )
            seconds = time.monotonic() - start
        rate = hosts / seconds
        size = sum(file.stat().st_size for file in (folder / f"out{number}").rglob("*.parquet"))
        rows.append(
            {
                "hosts": hosts,
                "workers": number,
                "seconds": seconds,
                "rate": rate,
                "ratio": rate / alone,
                "mb": memory.most,
            }
        )
        print(
            f"  {number} workers: {seconds:.1f} s, {rate:.0f} items a second, {rate / alone:.2f} x the loop,"
            f" at most {memory.most:.0f} MB a worker, tables {size / hosts:.0f} bytes an item"
        )
        shutil.rmtree(folder / f"out{number}")
    return rows


def loop(items: list[Path]) -> float:
    """Items a second of a plain loop over archives as they would be unpacked, dumps and folders."""
    start = time.monotonic()
    count = 0
    for item in items:
        if item.suffix != ".gz":
            nginxtls.check(item, at=AT)
            count += 1
    return count / (time.monotonic() - start)


class Memory:
    """The largest resident set of a child process, in MB, looked at ten times a second."""

    def __enter__(self) -> Memory:
        self.most = 0.0
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
            for child in children:
                try:
                    pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
                except (OSError, IndexError):
                    continue
                self.most = max(self.most, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


if __name__ == "__main__":
    main()
