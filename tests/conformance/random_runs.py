"""Random configurations of several kinds, each run by real nginx and predicted by the model, compared field by field.

    python tests/conformance/random_runs.py --kind mail --seeds 0-999 [--generation trixie]

A difference prints the seed, the field, both answers and the configuration, minimised line by line.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from generations import Generation, installed
from hello import CONNECTIONS
from lab import Bench, make_certificates, scratch


def _reserve() -> tuple[int, socket.socket]:
    """The first of 20 ports that no other run uses, as it holds the last of them."""
    for attempt in range(500):
        first = 18000 + (os.getpid() + attempt) % 500 * 20
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", first + 19))
        except OSError:
            holder.close()
        else:
            return first, holder
    raise RuntimeError("no port is free")


PORT, _HOLDER = _reserve()
KINDS = {"servers": "handshakes", "mail": "mail_servers", "quic": "quic_servers", "upstreams": "upstreams"}
"""Each kind and its module, which has ``draw`` and ``differences``."""


@dataclass
class Case:
    """A configuration and what was drawn for it."""

    files: dict[str, str]
    ports: list[int] = field(default_factory=list)
    kind: str = "http"


def minimise(case: Case, bench: Bench, field_name: str, kind: Any) -> Case:
    """Drop lines as long as a difference in the same field stays."""
    lines = "\n".join(
        line if not line.startswith("include site") else case.files[line.split()[1].rstrip(";")]
        for line in case.files["nginx.conf"].split("\n")
    ).split("\n")
    wanted = field_name.split()[-1]
    changed = True
    while changed:
        changed = False
        for index in range(len(lines) - 1, -1, -1):
            if lines[index].endswith("{"):
                depth, end = 0, index
                for end in range(index, len(lines)):
                    depth += lines[end].count("{") - lines[end].count("}")
                    if depth == 0:
                        break
                shorter = lines[:index] + lines[end + 1 :]
            elif lines[index].strip() in ("}", "") or lines[index].startswith(
                ("load_module", "daemon", "events", "access_log")
            ):
                continue
            else:
                shorter = lines[:index] + lines[index + 1 :]
            smaller = Case({"nginx.conf": "\n".join(shorter)}, case.ports, case.kind)
            try:
                still = any(what.split()[-1] == wanted for what, _, _ in kind.differences(smaller, bench))
            except Exception:
                still = False
            if still:
                lines, changed = shorter, True
                break
    return Case({"nginx.conf": "\n".join(lines)}, case.ports, case.kind)


@cache
def _certificates() -> Path:
    """The folder of the certificates of all runs of this process."""
    folder = Path(tempfile.mkdtemp(prefix="nginxtls-certificates-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_certificates(folder)
    return folder


@dataclass
class Figures:
    """How many configurations were drawn, how many of these nginx served, with how many connections."""

    drawn: int = 0
    served: int = 0
    connections: int = 0
    told: list[str] = field(default_factory=list)
    """The differences of each differing seed, as text."""


def run(
    generation: Generation,
    seeds: Iterator[int],
    kind: str = "servers",
    *,
    minimal: bool = True,
    stop: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> Figures:
    """Compare seeds on a generation; ``tell`` gets the differences of each seed at once."""
    module = import_module(KINDS[kind])
    figures = Figures()
    certificates = _certificates()
    with scratch() as folder:
        bench = Bench(generation, folder / "run")
        for seed in seeds:
            case = module.draw(seed, bench, certificates)
            started, connections = bench.started, CONNECTIONS[0]
            try:
                found = module.differences(case, bench)
            except RuntimeError as error:
                found = [("start", str(error), "")]
            figures.drawn += 1
            if figures.drawn % 100 == 0:
                print(f"{generation.name}, {kind}: {figures.drawn} configurations", file=sys.stderr, flush=True)
            figures.served += bench.started - started
            figures.connections += CONNECTIONS[0] - connections
            if not found:
                continue
            text = f"seed {seed} on {generation.name}:\n" + "\n".join(
                f"  {w}: seen {a}, predicted {b}" for w, a, b in found[:4]
            )
            if minimal:
                small = minimise(case, bench, found[0][0], module)
                text += "\n" + small.files["nginx.conf"]
            else:
                text += "\n" + "\n".join(f"--- {name}\n{content}" for name, content in case.files.items())
            figures.told.append(text)
            tell(text)
            if stop and len(figures.told) >= stop:
                break
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, default="servers")
    parser.add_argument("--seeds", default="0-49", help="first-last")
    parser.add_argument(
        "--generation", action="append", help="bullseye, bookworm, trixie, sid, experimental (default: all installed)"
    )
    parser.add_argument("--stop", type=int, default=0, help="stop a generation after so many differing seeds")
    parser.add_argument("--whole", action="store_true", help="print the whole configuration instead of minimising it")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    status = 0
    for generation in installed():
        if options.generation and generation.name not in options.generation:
            continue
        seeds = iter(range(int(first), int(last or first) + 1))
        start = time.monotonic()
        tell = partial(print, end="\n\n", flush=True)
        figures = run(generation, seeds, options.kind, minimal=not options.whole, stop=options.stop, tell=tell)
        print(
            f"{generation.name}: {figures.drawn} configurations of {options.kind}, {figures.served} served, "
            f"{figures.connections} connections, {len(figures.told)} with differences, "
            f"{time.monotonic() - start:.0f} s",
            flush=True,
        )
        status |= bool(figures.told)
    return status


if __name__ == "__main__":
    sys.modules.setdefault("random_runs", sys.modules["__main__"])
    sys.exit(main())
