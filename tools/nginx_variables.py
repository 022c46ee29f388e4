#!/usr/bin/env python3
"""Re-make nginxtls/model/variables.tsv from the source of nginx: the variables of its TLS modules, and since when.

    python tools/nginx_variables.py NGINX_GIT > nginxtls/model/variables.tsv

NGINX_GIT is a clone of nginx with its tags. ``tools/facts.py --nginx`` compares the file with what this prints.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from nginx_directives import git, releases

TABLE = Path(__file__).parents[1] / "nginxtls/model/variables.tsv"
FILES = {
    "http_ssl": "src/http/modules/ngx_http_ssl_module.c",
    "stream_ssl": "src/stream/ngx_stream_ssl_module.c",
    "stream_ssl_preread": "src/stream/ngx_stream_ssl_preread_module.c",
}
VARIABLE = re.compile(r'\{\s*ngx_string\("(ssl_\w+)"\),\s*NULL,\s*ngx_\w+')


def rows(repository: Path) -> Iterator[str]:
    """The rows of the table: a variable, the module that has it, and the first release with it."""
    found: dict[tuple[str, str], str] = {}
    for tag in releases(repository):
        present = git(repository, "ls-tree", "--name-only", "-r", tag, *FILES.values()).split()
        for module, path in FILES.items():
            if path in present:
                for name in VARIABLE.findall(git(repository, "show", f"{tag}:{path}")):
                    found.setdefault((name, module), tag.removeprefix("release-"))
    yield from (f"{name}\t{module}\t{since}" for (name, module), since in sorted(found.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", metavar="NGINX_GIT", type=Path)
    repository = parser.parse_args().repository
    print("# source: nginx (src/, by tag)")
    print(f"# checked: {date.today()} ({releases(repository)[-1]})")
    print("# command: python tools/nginx_variables.py NGINX_GIT")
    print("variable\tmodule\tsince")
    print("\n".join(rows(repository)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
