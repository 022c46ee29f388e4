"""Fuzzing: ``python -m fuzz --seconds 120``. See fuzz/README.md.

Each target runs in a process of its own, whose parent kills it where it hangs. What broke something is made small and
kept in ``found/``, of which every file runs first.
"""

from __future__ import annotations

import argparse
import mmap
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from hashlib import sha256
from itertools import count
from pathlib import Path
from random import Random

from fuzz.oracle import Fault
from fuzz.targets import BASE, JOINT, TARGETS, folder

FOUND = Path(__file__).parent / "found"
SECONDS = 2.0
"""No input may take longer, in seconds of this process."""
MEGABYTES = 300
"""No input may take more memory, in MB beside what the process had."""
WALL = 60.0
"""A process that does not answer for so long hangs in C."""
_SIZE = 200_000
SHARE = 16
"""Of the inputs of a target that has a quick check, one of so many gets the whole one."""
_Input = tuple[bytes, bool]
"""An input, and whether it gets the whole check."""


class TooLong(BaseException):
    """The time is over."""


def tried(target: str, data: bytes, whole: bool, seen: set[object] | None = None) -> str:
    """What is wrong on an input, in a line that is the same for the same fault; empty if nothing is.

    What the quick check sees that is not in ``seen`` is added.
    """
    chosen = TARGETS[target]
    check = chosen.run if whole or chosen.quick is None else chosen.quick
    measure = whole  # it takes as long as a quick check
    had, start = _peak(reset=True) if measure else 0.0, time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS * 4)
    try:
        shape = check(data)
        if seen is not None and shape is not None:
            seen.update(shape)
    except TooLong:
        return f"takes more than {SECONDS:g} s: {_place(sys.exc_info()[2])}"
    except Fault as fault:
        return f"{fault}"
    except MemoryError:
        return f"MemoryError: {_place(sys.exc_info()[2])}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {_place(error.__traceback__)}: {error}"[:300]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if time.process_time() - start > SECONDS:
        return f"takes more than {SECONDS:g} s"
    used = _peak() - had if measure else 0.0
    return f"takes more than {MEGABYTES} MB" if used > MEGABYTES else ""


def _peak(*, reset: bool = False) -> float:
    """The most memory that this process had since the last reset, in MB."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        return 0.0


def _place(trace: object) -> str:
    frames = [f for f in traceback.extract_tb(trace) if "fuzz/" not in f.filename]  # type: ignore[arg-type]
    ours = [f for f in frames if "nginxtls" in f.filename or "/rules/" in f.filename]
    if not frames:
        return "fuzz"
    at = (ours or frames)[-1]
    return f"{'/'.join(at.filename.split('/')[-2:])}:{at.lineno} {at.name}"


def work(target: str, inputs: Iterable[_Input], area: mmap.mmap, pipe: object) -> None:
    """Try inputs until there are no more; each is put into the shared area first, for a parent that finds us dead."""

    def late(number: int, frame: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, late)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder()
    done, reported = 0, 0.0
    seen: set[object] = set()
    for data, whole in inputs:
        area.seek(0)
        area.write(len(data).to_bytes(4, "big") + data[: _SIZE - 8])
        before = len(seen)
        wrong = tried(target, data, whole, seen)
        if not wrong and len(seen) > before and not whole:
            whole = True
            wrong = tried(target, data, whole)
        if wrong and "takes more" in wrong:
            wrong = tried(target, data, whole)  # the machine may have been busy
        done += data.count(JOINT) + 1
        if wrong or time.monotonic() - reported > 0.3:
            reported = time.monotonic()
            pipe.send((done, wrong, data if wrong else b"", whole))  # type: ignore[attr-defined]
    pipe.send((done, None, b"", True))  # type: ignore[attr-defined]


def _inputs(target: str, seed: str, most: int) -> Iterator[_Input]:
    """So many inputs by random numbers; one of ``SHARE`` gets the whole check."""
    made = 0
    for number in count():
        if made >= most:
            return
        data = TARGETS[target].make(Random(f"{seed} {number}"))
        made += data.count(JOINT) + 1
        yield data, number % SHARE == 0


class Runner:
    """Runs targets, and keeps what they found."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.counts: dict[str, int] = {}
        self.faults: dict[tuple[str, str], bytes] = {}

    def run(self, target: str, seed: int, seconds: float, most: int) -> None:
        """Random inputs of a target, for so long or so many."""
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end and number < most:
            number += self.drive(target, _inputs(target, f"{target} {seed} {number}", most - number), end)
        self.counts[target] = self.counts.get(target, 0) + number

    def drive(self, target: str, inputs: Iterable[_Input], end: float) -> int:
        """Run one process until its end, its death or the end of the time; how many inputs it tried."""
        area = mmap.mmap(-1, _SIZE)
        ours, theirs = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("fork")
        process = context.Process(target=work, args=(target, inputs, area, theirs), daemon=True)
        process.start()
        theirs.close()
        done, answered = 0, time.monotonic()
        try:
            while time.monotonic() < end:
                if not ours.poll(0.5):
                    if not process.is_alive() or time.monotonic() - answered > WALL:
                        wrong = f"dies with {process.exitcode}" if not process.is_alive() else "hangs in C"
                        data = area[4 : 4 + int.from_bytes(area[:4], "big")]
                        self.fault(target, wrong, data)
                        return done + 1
                    continue
                try:
                    done, wrong, data, whole = ours.recv()
                except EOFError:
                    process.join(5)
                    self.fault(target, f"dies with {process.exitcode}", area[4 : 4 + int.from_bytes(area[:4], "big")])
                    return done + 1
                answered = time.monotonic()
                if wrong is None:
                    break
                if wrong:
                    self.fault(target, wrong, data, whole)
        finally:
            if process.is_alive():
                process.terminate()
            process.join(5)
            if process.is_alive():
                process.kill()
        return done

    def fault(self, target: str, wrong: str, data: bytes, whole: bool = True) -> None:
        """Note a fault, each kind once."""
        if (target, _kind(wrong)) in self.faults:
            return
        self.faults[target, _kind(wrong)] = data
        print(f"{target}: {wrong}", flush=True)
        if self.keep:
            small = smaller(target, data, _kind(wrong), whole) if "dies" not in wrong and "hangs" not in wrong else data
            path = FOUND / target / sha256(small).hexdigest()[:12]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(small)
            print(f"  kept as {path.relative_to(FOUND.parent)} ({len(small)} bytes)", flush=True)


def _kind(wrong: str) -> str:
    return "".join(c for c in wrong if not c.isdigit())[:90]


def smaller(target: str, data: bytes, kind: str, whole: bool, seconds: float = 20.0) -> bytes:
    """The input without what its fault does not need, as far as some seconds get, in a process of its own."""
    ours, theirs = multiprocessing.Pipe(duplex=False)

    def shrink() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        signal.signal(signal.SIGPROF, lambda number, frame: (_ for _ in ()).throw(TooLong()))
        folder()
        best, end, size = data, time.monotonic() + seconds, max(len(data) // 2, 1)
        while size and time.monotonic() < end:
            at, before = 0, len(best)
            while at < len(best) and time.monotonic() < end:
                trial = best[:at] + best[at + size :]
                if _kind(tried(target, trial, whole)) == kind:
                    best = trial
                    theirs.send(best)
                else:
                    at += size
            size = size if len(best) < before and size < len(best) else size // 2

    process = multiprocessing.get_context("fork").Process(target=shrink, daemon=True)
    process.start()
    theirs.close()
    best = data
    end = time.monotonic() + seconds + 10
    while time.monotonic() < end:
        try:
            if ours.poll(0.5):
                best = ours.recv()
            elif not process.is_alive():
                break
        except EOFError:
            break
    if process.is_alive():
        process.kill()
    process.join()
    return best


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=120.0, help="the time for all targets together")
    parser.add_argument("--inputs", type=int, default=10**9, help="the most inputs of a target")
    parser.add_argument("--seed", type=int, default=int(date.today().strftime("%Y%m%d")), help="by default the date")
    parser.add_argument("--no-keep", action="store_true", help="write nothing to found/")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    runner = Runner(not options.no_keep)
    begin = time.monotonic()
    for name in names:
        kept = [(path.read_bytes(), whole) for path in sorted((FOUND / name).glob("*")) for whole in (False, True)]
        if kept:
            runner.drive(name, kept, time.monotonic() + 600)
    print(f"seed {options.seed}; finders kept earlier: {'broken again' if runner.faults else 'all hold'}", flush=True)
    left = max(options.seconds - (time.monotonic() - begin), len(names))
    for name in names:
        runner.run(name, options.seed, left / len(names), options.inputs)
        whole = "" if TARGETS[name].quick is None else f", the whole check for one of {SHARE}"
        print(f"{name:14} {runner.counts[name]:>9,} inputs{whole}", flush=True)
    families = Counter[str]()
    for name, number in runner.counts.items():
        families[TARGETS[name].family] += number
    print("by family:", ", ".join(f"{family} {number:,}" for family, number in families.items()))
    print(f"{families.total():,} inputs, {len(runner.faults)} kinds of faults")
    sys.stdout.flush()
    BASE.cleanup()
    os._exit(1 if runner.faults else 0)


if __name__ == "__main__":
    main()
