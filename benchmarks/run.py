"""Times nginxtls beside what people use, as whole processes in one run, and each of its own stages.

    python benchmarks/run.py --sites 100 1000 5000 [--tools crossplane nginxtls warm …] [--json FILE] [--compare FILE]

Tools that are not installed are left out: gixy-ng and Gixy-Next each want an environment of its own (their command is
given with --gixy-ng / --gixy-next), ``nginx -t`` wants an nginx that accepts the tree. Ratios are of medians, to
crossplane.parse of the tree.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import sites

CROSSPLANE = "import crossplane, sys; crossplane.parse(sys.argv[1])"
CHECK = ["-m", "nginxtls", "check", ".", "--no-config", "--exit-zero", "--format", "sarif", "--output"]


def commands(tree: Path, options: argparse.Namespace) -> dict[str, list[str]]:
    """What is timed, by name."""
    python, sarif = sys.executable, str(tree.parent / "out.sarif")
    found = {
        "crossplane.parse": [python, "-c", CROSSPLANE, str(tree / "nginx.conf")],
        "nginxtls": [python, *CHECK, f"sarif:{sarif}"],
        "import typer, crossplane": [python, "-c", "import typer, crossplane"],
        "nginxtls, one fragment": [
            python,
            "-m",
            "nginxtls",
            "check",
            "--no-config",
            "--exit-zero",
            "snippets/tls.conf",
        ],
    }
    if nginx := shutil.which("nginx"):
        test = [nginx, "-t", "-p", str(tree), "-c", str(tree / "nginx.conf")]
        # An nginx that refuses the tree (http2 is a directive since 1.25.1) stops at once, which is no figure.
        if subprocess.run(test, capture_output=True, check=False).returncode == 0:
            found["nginx -t"] = test
    if options.gixy_ng:
        found["gixy-ng"] = [options.gixy_ng, str(tree / "nginx.conf")]
    if options.gixy_next:
        found["Gixy-Next"] = [options.gixy_next, str(tree / "nginx.conf")]
    return {name: command for name, command in found.items() if not options.tools or name in options.tools}


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of wall time and megabytes of peak memory of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def stages(tree: Path) -> dict[str, float]:
    """Seconds of each stage, in one process of its own."""
    script = Path(__file__).with_name("stages.py")
    done = subprocess.run([sys.executable, script, tree], capture_output=True, text=True, check=True)
    return {str(name): float(seconds) for name, seconds in json.loads(done.stdout).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tools", nargs="*", default=[])
    parser.add_argument("--gixy-ng", help="the gixy command of an environment with gixy-ng")
    parser.add_argument("--gixy-next", help="the same of one with Gixy-Next")
    parser.add_argument("--json", type=Path, help="store the figures")
    parser.add_argument("--compare", type=Path, help="print the change against stored figures")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    figures: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="nginxtls-benchmark-") as folder:
        for count in options.sites:
            tree = Path(folder) / f"sites-{count}" / "nginx"
            sites.make(tree, count, max(1, count // 10))
            figures[str(count)] = row = {}
            timed: dict[str, list[tuple[float, float]]] = {}
            for _ in range(options.runs):  # side by side, so that a busy moment hits all
                for name, command in commands(tree, options).items():
                    timed.setdefault(name, []).append(measure(command, tree))
            for name, runs in timed.items():
                seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
                row[name] = {"seconds": round(seconds, 3), "megabytes": round(megabytes, 1)}
            row["stages"] = {name: round(seconds, 3) for name, seconds in stages(tree).items()}
            _print(count, row)
    _growth(figures)
    if options.compare:
        _compare(json.loads(options.compare.read_text()), figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def _print(count: int, row: dict[str, dict[str, float]]) -> None:
    base = row.get("crossplane.parse", {}).get("seconds")
    print(f"\n{count} sites")
    for name, figure in row.items():
        if name == "stages":
            print("  stages: " + ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in figure.items()))
            continue
        ratio = f"{figure['seconds'] / base:8.2f} x" if base else ""
        print(f"  {name:<28}{figure['seconds']:8.2f} s {figure['megabytes']:8.0f} MB {ratio}", flush=True)


def _growth(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    counts = sorted(map(int, figures))
    if len(counts) < 2:
        return
    small, large = counts[-2], counts[-1]
    print(f"\ngrowth exponent from {small} to {large} sites")
    for name in figures[str(large)]:
        if name != "stages" and name in figures[str(small)]:
            ratio = figures[str(large)][name]["seconds"] / figures[str(small)][name]["seconds"]
            print(f"  {name:<28}{math.log(ratio) / math.log(large / small):8.2f}")


def _compare(old: dict[str, dict[str, dict[str, float]]], new: dict[str, dict[str, dict[str, float]]]) -> None:
    print("\nagainst the stored run")
    for count in new:
        for name, figure in new[count].items():
            before = old.get(count, {}).get(name)
            for key in figure if before and name == "stages" else ("seconds",) if before else ():
                was = before.get(key, 0) if before else 0
                if was:
                    print(f"  {count:>6} {name:<28}{key if name == 'stages' else '':<14}{figure[key] / was:6.2f} x")


if __name__ == "__main__":
    main()
