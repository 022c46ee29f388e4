"""Fuzz a target with atheris, guided by coverage: ``python fuzz/guided.py TARGET [whole] [options of libFuzzer]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

import atheris

NAME, HERE = sys.argv.pop(1), os.getcwd()
WHOLE = "whole" in sys.argv[1:2] and bool(sys.argv.pop(1))
with atheris.instrument_imports(include=["nginxtls"]):
    from fuzz.targets import TARGETS, folder

    TARGET = TARGETS[NAME]
    RUN = TARGET.run if WHOLE or TARGET.quick is None else TARGET.quick
    folder()
    for number in range(20):  # what is imported on first use is instrumented, too
        RUN(TARGET.make(Random(number)))


def main() -> None:
    """Fuzz until a fault; atheris writes its input to the working directory."""
    corpus = Path(HERE, "corpus")
    corpus.mkdir(exist_ok=True)
    for number in range(200):
        (corpus / f"seed-{number}").write_bytes(TARGET.make(Random(number)))
    atheris.Setup([*sys.argv, str(corpus), f"-artifact_prefix={HERE}/"], RUN)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
