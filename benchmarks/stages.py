"""The stages of a run on one tree, in seconds, as JSON: ``python benchmarks/stages.py TREE``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def main() -> None:
    taken: dict[str, float] = {}

    def stage(name: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        taken[name] = taken.get(name, 0) + time.perf_counter() - start
        return result

    os.chdir(sys.argv[1])
    texts = stage("read", lambda: [path.read_bytes() for path in Path().rglob("*.conf")])
    from nginxtls.linter import lint
    from nginxtls.model import Configuration
    from nginxtls.registry import installed_rules
    from nginxtls.report import renderer
    from nginxtls.report.options import Options
    from nginxtls.settings import Settings
    from nginxtls.syntax import Files, parse_text, read_tree

    stage("parse", lambda: [parse_text(text.decode()) for text in texts])
    files = Files(["."])
    tree = stage("tree", lambda: read_tree("nginx.conf", files))
    configuration = stage("model", lambda: Configuration(tree, files=files, base=os.getcwd()))
    stage("model", lambda: configuration.endpoints)
    stage("certificates", lambda: [bundle.leaf for bundle in configuration.bundles])
    stage("chains", lambda: [bundle.chain for bundle in configuration.bundles])
    rules = stage("load rules", installed_rules)
    from nginxtls.linter import Subject

    report = stage("rules", lambda: lint([Subject(configuration, set(tree.files))], rules, Settings()))
    stage("report", lambda: renderer("sarif")(report, Options()))
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
