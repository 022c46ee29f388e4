"""Fixes counted over trees of real configurations, and what comes of them: ``python -m tests.fix.trees FOLDER ...``.

Each folder is linted with every rule, as a whole, for an unknown version and for those of the generations. Prints how
many fixes of which kind are applied, how many fail their proof, and how many change a handshake that must not change,
leave something for a second run, or make nginx refuse what it accepted: all three should be 0. Writes nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from nginxtls import api
from nginxtls.cli.fixing import fixed
from nginxtls.fix import file_key
from nginxtls.fix.proof import State, handshakes
from nginxtls.linting.report import Report
from nginxtls.linting.settings import Settings
from nginxtls.model.nginx_test import refusals
from tests.rules.conftest import AT

VERSIONS = ((None, None), ("1.18.0", "1.1.1w"), ("1.22.1", "3.0.20"), ("1.26.3", "3.5.9"), ("1.30.6", "3.6.5"))


def count(folder: str, versions: tuple[str | None, str | None], *, unsafe: bool) -> Counter[str]:
    """What fixing a folder leads to."""
    nginx, openssl = versions
    settings = Settings(pedantic=True, nginx_version=nginx, openssl_version=openssl)

    def read_and_lint(text: str | None, instead: Mapping[str, str]) -> tuple[api.Reading, Report]:
        return api.read_and_lint([folder], settings, at=AT, instead=instead)

    def state(texts: Mapping[str, str]) -> State:
        reading, report = read_and_lint(None, texts)
        return State(report, [each for s in reading.subjects if s.enabled for each in s.configurations])

    outcome = fixed([folder], read_and_lint, None, unsafe=unsafe)
    found = Counter("safe fixes" if f.fix and f.fix.safe else "unsafe fixes" for f in outcome.fixed)
    found.update(f"fixed {finding.rule}" for finding in outcome.fixed)
    found.update(f"failed its proof: {finding.rule}: {why}" for finding, why in outcome.disproven)
    found["files changed"] += len(outcome.texts)
    if not outcome.texts:
        return found
    texts = {file_key(file): text for file, text in outcome.texts.items()}
    before, after = state({}), state(texts)
    found["CHANGED HANDSHAKES"] += not unsafe and handshakes(before.configurations) != handshakes(after.configurations)
    found["NEW REFUSALS"] += _emergencies(after) > _emergencies(before)
    again = fixed([folder], lambda text, more: read_and_lint(text, texts | dict(more)), None, unsafe=unsafe)
    found["SECOND RUN CHANGES"] += any(texts.get(file_key(f), f.raw) != text for f, text in again.texts.items())
    return found


def _emergencies(state: State) -> int:
    return sum(refusal.level == "emerg" for each in state.configurations for refusal in refusals(each))


def main(folders: Sequence[str]) -> None:
    for unsafe in (False, True):
        total: Counter[str] = Counter()
        for number, folder in enumerate(folders):
            for versions in VERSIONS:
                total += count(folder, versions, unsafe=unsafe)
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {len(folders)}", end="", file=sys.stderr)
        print(f"{'safe and unsafe' if unsafe else 'safe'} fixes over {len(folders)} folders, {len(VERSIONS)} versions")
        for name in ("CHANGED HANDSHAKES", "NEW REFUSALS", "SECOND RUN CHANGES"):
            print(f"{total.pop(name, 0):6} {name}")
        for name, number in sorted(total.items(), key=lambda item: (-item[1], item[0])):
            print(f"{number:6} {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
