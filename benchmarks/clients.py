"""How long the answers for all known clients take beside ``handshake --all``, on a tree of ``sites.py``, as JSON.

    python benchmarks/clients.py TREE [--clients 60]

Both answer for every name of every TLS socket, in one process each time with a configuration loaded anew.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import nginxtls
from nginxtls.model.clients import every_handshake, tables
from nginxtls.tls.clients import clients


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--clients", type=int, default=60)
    options = parser.parse_args()
    chosen = clients()[: options.clients]
    trust = [options.tree / "certificates/root.pem"]
    seconds = {}
    configuration = nginxtls.load(options.tree, trust=trust)
    start = time.perf_counter()
    endpoints = sum(1 for _, answer in every_handshake(configuration) if answer.to_dict())
    seconds["all handshakes"] = time.perf_counter() - start
    configuration = nginxtls.load(options.tree, trust=trust)
    start = time.perf_counter()
    found = tables(configuration, chosen)
    seconds["all clients"] = time.perf_counter() - start
    assert sum(len(table.names) for table in found) == endpoints
    seconds["ratio"] = seconds["all clients"] / seconds["all handshakes"]
    print(json.dumps({"endpoints": endpoints, "clients": len(chosen), "tables": len(found), **seconds}))


if __name__ == "__main__":
    main()
