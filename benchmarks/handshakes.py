"""How long ``handshake`` takes for every name of a tree of ``sites.py``, in seconds, as JSON.

    python benchmarks/handshakes.py TREE

Each answer is told in full, so that nothing of it is left undone; certificates are first read when an answer has them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import sites

import nginxtls
from nginxtls.model import handshake


def main() -> None:
    tree = Path(sys.argv[1])
    names = sites.names_of(range(len(list((tree / "sites-enabled").iterdir()))))
    start = time.perf_counter()
    configuration = nginxtls.load(tree, trust=[tree / "certificates/root.pem"])
    loaded = time.perf_counter()
    for name in names:
        answer = handshake(configuration, "127.0.0.1", 443, name).to_dict()
        assert answer["accepts"], answer
        assert name in answer["server"]["names"], answer
    print(json.dumps({"nginxtls.load": loaded - start, "nginxtls, all handshakes": time.perf_counter() - loaded}))


if __name__ == "__main__":
    main()
