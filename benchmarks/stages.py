"""The stages of one run on a tree of ``sites.py``, in seconds, as JSON: ``python benchmarks/stages.py TREE``.

*discover* is *read*, *parse* and *tree* once more, as a run does them, with what tells configurations from other files.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

taken: dict[str, float] = {}


@contextmanager
def stage(name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    taken[name] = time.perf_counter() - start


def main() -> None:
    os.chdir(sys.argv[1])
    gc.disable()  # as the command does
    with stage("import"):
        from nginxtls.linting.registry import installed_rules
        from nginxtls.linting.run import lint
        from nginxtls.linting.settings import Settings
        from nginxtls.linting.subjects import Subject
        from nginxtls.model import Configuration, Facts, Store
        from nginxtls.pki import TrustStore
        from nginxtls.report import renderer
        from nginxtls.report.options import Options
        from nginxtls.syntax import discover
        from nginxtls.syntax.decoding import decode
        from nginxtls.syntax.files import Files
        from nginxtls.syntax.reading import Reader
        from nginxtls.syntax.tree import SourceFile
        from nginxtls.syntax.walking import walk

    files = Files(["."])
    reader = Reader(files)
    with stage("read"):
        paths = [found.path for found in walk(os.getcwd(), []) if found.name.endswith(".conf")]
        contents = [(path, files.read_real(path)) for path in paths]
        texts = [(path, decode(content)[0] or "") for path, content in contents if isinstance(content, bytes)]
    with stage("parse"):
        for path, text in texts:
            reader.parse(path, text)
    with stage("tree"):
        main_file = reader.load(os.path.abspath("nginx.conf"))
        assert isinstance(main_file, SourceFile), main_file
        tree = reader.tree([main_file], os.getcwd())
    read = len(tree.files)
    del contents, texts, reader, main_file, tree
    with stage("discover"):
        (loaded,) = discover(["."], files=files).trees
    assert len(loaded.tree.files) == read
    with stage("model"):
        trust = TrustStore.mozilla() | TrustStore.named("certificates/root.pem")
        configuration = Configuration(loaded.tree, Facts(trust=trust), Store(files, os.getcwd()))
        assert configuration.endpoints
    with stage("certificates"):
        assert all(bundle.leaf for bundle in configuration.bundles)
    with stage("chains"):
        assert all(bundle.chain for bundle in configuration.bundles)
    with stage("load rules"):
        rules = installed_rules()
    with stage("rules"):
        report = lint([Subject(configuration, loaded.requested)], rules, Settings())
    assert not report.findings, report.findings[0]
    with stage("report"):
        renderer("sarif")(report, Options())
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
