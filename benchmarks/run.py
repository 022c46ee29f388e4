"""Times nginxtls beside what people use, as whole processes side by side, and each of its own stages.

    python benchmarks/run.py --sites 10 100 1000 [--gixy-ng CMD] [--gixy-next CMD] [--nginx CMD] [--json FILE] …

A figure is the CPU time, user and system, that a process took: the least of several runs, as other load only adds to
it. Ratios are to crossplane.parse of the same tree. One tree is made so that nginxtls finds nothing: if it does, the
run ends. In the other every site has a fault.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PYTHON = sys.executable
NGINXTLS = str(Path(sysconfig.get_path("scripts")) / "nginxtls")
CHECK = (NGINXTLS, "check", ".", "--no-config", "--trust", "certificates/root.pem", "--format", "sarif")
CROSSPLANE = (PYTHON, "-c", "import crossplane; crossplane.parse('nginx.conf')")
FRAGMENT = (NGINXTLS, "check", "--no-config", "snippets/tls.conf")
CHECK_FAULTY = (*CHECK, "--exit-zero")
LOOSE_FILES = (NGINXTLS, "check", "sites-enabled", "--no-config", "--exit-zero", "--format", "sarif")
HOOK = (NGINXTLS, "check", "--only-nginx", "--exit-zero")
STAGED = (
    "services/web0000/nginx/nginx.conf",
    "services/web0000/nginx/sites-enabled/site00001.example.com.conf",
    "services/web0000/nginx/snippets/tls.conf",
)
DUMPED = (NGINXTLS, "check", "../dump", "--no-config", "--format", "sarif")

PARSE, IMPORTS = "crossplane.parse", "import typer, crossplane"
CHECKED, DUMP = "nginxtls", "nginxtls, as a dump"
PARSE_FAULTY, FAULTY = "crossplane.parse, with findings", "nginxtls, with findings"
LOOSE, STAGED_FILES = "nginxtls, loose sites", "nginxtls, three staged files"
ONE_FRAGMENT, HANDSHAKES, STAGE = "nginxtls, one fragment", "nginxtls, all handshakes", "stage: "

PATIENCE = 60
"""What takes longer, in seconds, is run once."""
SHORT = 5
"""What takes a moment only is run so many times each time."""
NOISE = 0.05
"""Rows of fewer seconds are not compared: they say more about the machine."""


class Row(NamedTuple):
    """What was measured: the least CPU time, the median of elapsed time and of peak memory, and of how many runs.

    Stages are parts of a process, which have no memory and whose time is elapsed time.
    """

    seconds: float
    elapsed: float
    megabytes: float
    runs: int


Rows = dict[str, Row]
Figures = dict[int, Rows]
"""Rows by the number of sites."""


class Bench:
    """One tree and what is run on it, with the figures so far."""

    def __init__(self, folder: Path, count: int) -> None:
        self.count, self.certificates = count, max(1, count // 10)
        self.tree, self.prefix = folder / "nginx", folder / "prefix"
        self.prefix.mkdir(parents=True)
        self.faulty, self.loose, self.services = (folder / name for name in ("faulty", "loose", "services"))
        self.taken: dict[str, list[tuple[float, float, float]]] = {PARSE: []}
        self.output = folder / "output"
        numbers = ("--sites", str(count), "--certificates", str(self.certificates))
        # In a process of its own: a child's peak memory is told as no less than what its parent has.
        make: list[str | Path] = [PYTHON, HERE / "sites.py"]
        subprocess.run([*make, self.tree, *numbers, "--dump", folder / "dump"], check=True)
        subprocess.run([*make, self.faulty, *numbers, "--findings", "1"], check=True)
        subprocess.run([*make, self.loose, *numbers, "--findings", "0.3", "--layout", "loose"], check=True)
        subprocess.run([*make, self.services, *numbers, "--findings", "0.3", "--layout", "docker"], check=True)
        subprocess.run(["git", "init", "-q", self.services], check=True)

    def measure(self, name: str, *command: str, statuses: tuple[int, ...] = (0,), tree: Path | None = None) -> None:
        """Run a command in a tree, with its output in a file, and note the time and peak memory it takes."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        with self.output.open("wb") as output:
            start = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=tree or self.tree, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            reported = self.output.read_text(errors="replace")
            if process.returncode not in statuses or "Traceback (most recent call last)" in reported:
                raise SystemExit(f"{name} ended with status {process.returncode}:\n{reported[-2000:]}")
        cpu = usage.ru_utime + usage.ru_stime
        self.taken.setdefault(name, []).append((cpu, seconds, usage.ru_maxrss / 1024))

    def others(self, options: argparse.Namespace) -> dict[str, tuple[str, ...]]:
        """The other tools, by name; says which are left out."""
        found: dict[str, tuple[str, ...]] = {}
        main = str(self.tree / "nginx.conf")
        if options.nginx:
            test = (options.nginx, "-t", "-e", "error.log", "-p", str(self.prefix), "-c", main)
            done = subprocess.run(test, capture_output=True, text=True, errors="replace", check=False)
            if done.returncode == 0:
                found["nginx -t"] = test
            else:
                print(f"nginx -t is left out: {(done.stderr.splitlines() or ['it says nothing'])[0]}")
        for name, command in (("gixy-ng", options.gixy_ng), ("Gixy-Next", options.gixy_next)):
            if command and self.count <= options.slow_sites:
                found[name] = (command, main)
            elif command:
                print(f"{name} is left out above {options.slow_sites:,} sites")
        return found

    def round(self, others: dict[str, tuple[str, ...]]) -> None:
        """Everything once, one after the other, so that a busy moment of the machine hits all; the measure twice."""
        for name, command in others.items():
            if not any(seconds > PATIENCE for _, seconds, _ in self.taken.get(name, ())):
                self.measure(name, *command, statuses=(0, 1) if "ixy" in name else (0,))
        self.measure(PARSE, *CROSSPLANE)
        self.measure(CHECKED, *CHECK)
        self.measure(DUMP, *DUMPED)
        self.measure(PARSE, *CROSSPLANE)
        self.measure(FAULTY, *CHECK_FAULTY, tree=self.faulty)
        self.measure(PARSE_FAULTY, *CROSSPLANE, tree=self.faulty)
        self.measure(LOOSE, *LOOSE_FILES, tree=self.loose)
        for _ in range(SHORT):
            self.measure(IMPORTS, PYTHON, "-c", "import typer, crossplane")
            self.measure(ONE_FRAGMENT, *FRAGMENT)
            self.measure(STAGED_FILES, *HOOK, *STAGED, tree=self.services)
        for script, prefix in (("handshakes.py", ""), ("stages.py", STAGE)):
            self.measure(script, PYTHON, str(HERE / script), str(self.tree))
            _, _, megabytes = self.taken.pop(script)[0]
            for name, seconds in json.loads(self.output.read_text()).items():
                self.taken.setdefault(prefix + name, []).append((seconds, seconds, 0 if prefix else megabytes))

    def rows(self) -> Rows:
        """The figures by row."""
        rows = {}
        for name, runs in self.taken.items():
            seconds, elapsed, megabytes = zip(*runs, strict=True)
            rows[name] = Row(min(seconds), statistics.median(elapsed), statistics.median(megabytes), len(runs))
        return rows


# -- what is told ------------------------------------------------------------------------------------------------------


def ratio(rows: Rows, name: str, base: str = PARSE) -> float:
    return rows[name].seconds / rows[base].seconds


def growth(figures: Figures, name: str, small: int, large: int) -> float:
    """The exponent with which the time grows from one size to another."""
    return math.log(figures[large][name].seconds / figures[small][name].seconds) / math.log(large / small)


def milliseconds(figures: Figures, count: int) -> float:
    """Of one handshake; a site has two names."""
    return figures[count][HANDSHAKES].seconds / (2 * count) * 1000


def print_size(figures: Figures, count: int) -> None:
    """The table of one size, with ratios to crossplane.parse and the growth since the size before it."""
    rows, before = figures[count], max((other for other in figures if other < count), default=0)
    since = f"growth since {before:,}" if before else ""
    print(f"\n{f'{count:,} sites':<32}{'runs':>4}{'CPU s':>10}{'ratio':>8}{'s':>8}{'MB':>7}{'ratio':>7}  {since}")
    for name, row in rows.items():
        memory = f"{row.megabytes:7.0f}{row.megabytes / rows[PARSE].megabytes:7.2f}" if row.megabytes else " " * 14
        grown = f"{growth(figures, name, before, count):6.2f}" if name in figures.get(before, ()) else ""
        print(f"{name:<32}{row.runs:4}{row.seconds:10.3f}{ratio(rows, name):8.2f}{row.elapsed:8.2f}{memory}{grown}")
    print(f"one handshake: {milliseconds(figures, count):.3f} ms", flush=True)


AIMS: tuple[tuple[str, float, Callable[[Figures], float]], ...] = (
    (
        "1,000 sites with findings, to crossplane.parse",
        1.0,
        lambda figures: ratio(figures[1000], FAULTY, PARSE_FAULTY),
    ),
    (
        "5,000 sites with findings, to crossplane.parse",
        0.8,
        lambda figures: ratio(figures[5000], FAULTY, PARSE_FAULTY),
    ),
    ("5,000 clean sites, to crossplane.parse", 0.7, lambda figures: ratio(figures[5000], CHECKED)),
    ("one fragment, to importing typer, crossplane", 1.3, lambda figures: ratio(figures[5000], ONE_FRAGMENT, IMPORTS)),
    (
        "three staged files of 500 configurations, to one fragment",
        3,
        lambda figures: ratio(figures[5000], STAGED_FILES, ONE_FRAGMENT),
    ),
    ("growth from 1,000 to 20,000 sites", 1.0, lambda figures: growth(figures, CHECKED, 1000, 20000)),
    ("100,000 loose sites, seconds", 25, lambda figures: figures[100000][LOOSE].seconds),
    ("100,000 loose sites, MB", 500, lambda figures: figures[100000][LOOSE].megabytes),
    (
        "peak memory at 5,000 sites, to crossplane.parse",
        2,
        lambda figures: figures[5000][CHECKED].megabytes / figures[5000][PARSE].megabytes,
    ),
    ("5,000 sites, milliseconds of a handshake", 1, lambda figures: milliseconds(figures, 5000)),
)


def print_aims(figures: Figures) -> None:
    print(f"\n{'aim':<58}{'at most':>8}{'is':>8}")
    for work, limit, measured in AIMS:
        try:
            value = measured(figures)
        except KeyError:
            print(f"{work:<58}{limit:8.2f}{'':8}  not measured")
        else:
            print(f"{work:<58}{limit:8.2f}{value:8.2f}  {'reached' if value <= limit else 'MISSED'}")


def compare(old: Figures, new: Figures) -> float:
    """Print how each row changed, in seconds and beside crossplane.parse, and give back the worst change.

    A row is as much slower as the lesser of the two says: the other may be the machine's doing.
    """
    worst = 0.0
    print(f"\n{'against the stored run':<32}{'sites':>7}{'was':>10}{'is':>10}{'seconds':>10}{'ratio':>8}")
    for count in sorted(new.keys() & old.keys()):
        was, now = old[count], new[count]
        for name in now:
            if name not in was or max(was[name].seconds, now[name].seconds) < NOISE:
                continue
            slower = now[name].seconds / was[name].seconds, ratio(now, name) / ratio(was, name)
            worst = max(worst, min(slower))
            figures = f"{was[name].seconds:10.3f}{now[name].seconds:10.3f}{slower[0]:10.2f}{slower[1]:8.2f}"
            print(f"{name:<32}{count:7,}{figures}")
    return worst


def stored(file: Path) -> Figures:
    sizes = json.loads(file.read_text())["sites"]
    return {int(count): {name: Row(**row) for name, row in rows.items()} for count, rows in sizes.items()}


def store(figures: Figures, file: Path) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    sizes = {count: {name: row._asdict() for name, row in rows.items()} for count, rows in figures.items()}
    file.write_text(json.dumps({"machine": machine, "at": time.strftime("%F"), "sites": sizes}, indent=1) + "\n")


def program(name: str) -> str:
    """Where a command is: it is run in another folder."""
    found = shutil.which(name)
    if found is None and name:
        raise argparse.ArgumentTypeError(f"there is no command {name}")
    return os.path.abspath(found) if found else ""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[100, 1000], metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of which the median is taken (default: 3)")
    parser.add_argument("--gixy-ng", type=program, metavar="COMMAND", help="gixy of an environment that has gixy-ng")
    parser.add_argument("--gixy-next", type=program, metavar="COMMAND", help="gixy of one that has Gixy-Next")
    parser.add_argument("--slow-sites", type=int, default=1000, metavar="N", help="the most that these two are given")
    parser.add_argument("--nginx", type=program, metavar="COMMAND", default=shutil.which("nginx"), help="for nginx -t")
    parser.add_argument("--json", type=Path, metavar="FILE", help="store the figures")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="print the change against stored figures")
    parser.add_argument("--factor", type=float, metavar="X", help="end with status 1 if a row became slower than that")
    parser.add_argument("--aims", action="store_true", help="print what is to be reached, and whether it is")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    before = stored(options.compare) if options.compare else {}
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="nginxtls-benchmark-") as folder:
        for count in sorted(options.sites):
            bench = Bench(Path(folder) / str(count), count)
            others = bench.others(options)
            for _ in range(options.runs):
                bench.round(others)
            figures[count] = bench.rows()
            print_size(figures, count)
            shutil.rmtree(Path(folder) / str(count))
    if options.aims:
        print_aims(figures)
    worst = compare(before, figures) if options.compare else 0
    if options.json:
        store(figures, options.json)
    return int(options.factor is not None and worst > options.factor)


if __name__ == "__main__":
    sys.exit(main())
