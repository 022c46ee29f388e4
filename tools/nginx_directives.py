#!/usr/bin/env python3
"""Compare nginxtls/model/directives.tsv with the source of nginx: contexts, on/off flags, and since when.

    python tools/nginx_directives.py NGINX_GIT [--tag release-1.31.4]

NGINX_GIT is a clone of nginx with its tags. Prints one line for each difference and exits with code 1 if there is any.
Contexts and flags are those of the newest tag, of a removed directive those of the last tag that has it. Rows of other
modules (column ``from``: Plus, acme, njs, lua) are not in that source; their ``since`` is not compared.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parents[1] / "nginxtls/model/directives.tsv"
COMMAND = re.compile(r'\{\s*ngx_string\("(\w+)"\),\s*((?:NGX_\w+\s*\|?\s*)+),', re.DOTALL)
CONTEXTS = {
    "NGX_MAIN_CONF": "main",
    "NGX_HTTP_MAIN_CONF": "http",
    "NGX_HTTP_SRV_CONF": "server",
    "NGX_HTTP_LOC_CONF": "location",
    "NGX_HTTP_LIF_CONF": "if in location",
    "NGX_STREAM_MAIN_CONF": "stream",
    "NGX_STREAM_SRV_CONF": "server",
    "NGX_MAIL_MAIN_CONF": "mail",
    "NGX_MAIL_SRV_CONF": "server",
    "NGX_HTTP_UPS_CONF": "upstream",
    "NGX_STREAM_UPS_CONF": "upstream",
}
#: Modules that the table has whole; of the others it has the directives that TLS hangs on.
WHOLE = ("http_ssl", "stream_ssl", "mail_ssl", "http_v2", "http_v3", "stream_ssl_preread")
RELATED = re.compile(r"ssl|tls|quic|http2|http3")


class Command(NamedTuple):
    """A directive as nginx's source declares it."""

    contexts: frozenset[str]
    flag: bool


class Row(NamedTuple):
    """A row of the table."""

    directive: str
    module: str
    contexts: frozenset[str]
    default: str
    since: str
    syntax: str
    source: str


def git(repository: Path, *arguments: str) -> str:
    """What git prints; grep's exit code 1 means no match."""
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False)
    if done.returncode > 1:
        sys.exit(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def module_of(path: str) -> str:
    """``http_ssl`` for src/http/modules/ngx_http_ssl_module.c; the core and its OpenSSL part are ``core``."""
    if path.startswith("src/event/quic/"):
        return "http_v3"
    found = re.search(r"ngx_((?:http|stream|mail)_\w+?)(?:_filter)?_module\.c$", path)
    return found[1] if found else "core"


def commands(repository: Path, tag: str) -> dict[tuple[str, str], Command]:
    """The directives of a tag by module and name."""
    out: dict[tuple[str, str], Command] = {}
    for path in git(repository, "grep", "-l", "ngx_command_t", tag, "--", "src").split():
        path = path.partition(":")[2]
        for name, words in COMMAND.findall(git(repository, "show", f"{tag}:{path}")):
            flags = set(re.findall(r"NGX_\w+", words))
            out[module_of(path), name] = Command(
                frozenset(CONTEXTS[word] for word in flags if word in CONTEXTS), "NGX_CONF_FLAG" in flags
            )
    return out


def version(tag: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", tag)))


def releases(repository: Path) -> list[str]:
    """The tags of releases, oldest first."""
    return sorted(git(repository, "tag", "--list", "release-*").split(), key=version)


def histories(repository: Path, tags: list[str], names: set[str]) -> dict[tuple[str, str], list[str]]:
    """The tags that have each directive of some names, by module and name, oldest first."""
    out: dict[tuple[str, str], list[str]] = {}
    pattern = "|".join(sorted(names))
    for tag in tags:
        text = git(repository, "grep", "-hoE", "--full-name", f'ngx_string\\("({pattern})"\\),', tag, "--", "src/*.c")
        if not text:
            continue
        lines = git(repository, "grep", "-oE", f'\\{{ *ngx_string\\("({pattern})"\\),$', tag, "--", "src/*.c")
        for line in lines.splitlines():
            _, path, match = line.split(":", 2)
            key = module_of(path), re.findall(r'"(\w+)"', match)[0]
            out.setdefault(key, []).append(tag)
    return out


def rows() -> list[Row]:
    out = []
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith(("#", "directive\t")):
            name, module, contexts, default, since, syntax, source = line.split("\t")
            out.append(Row(name, module, frozenset(contexts.split(",")), default, since, syntax, source))
    return out


def differences(repository: Path, newest: str) -> Iterator[str]:
    """Each difference between the table and the source, as a line."""
    table = [row for row in rows() if row.source == "nginx"]
    now = commands(repository, newest)
    tags = [tag for tag in releases(repository) if version(tag) <= version(newest)]
    known = {(row.module, row.directive) for row in table}
    for module, name in now:
        if (module in WHOLE or RELATED.search(name)) and (module, name) not in known:
            yield f"{name}: module {module} has it, the table does not"
    history = histories(repository, tags, {row.directive for row in table})
    old: dict[str, dict[tuple[str, str], Command]] = {}
    for row in table:
        key = (row.module, row.directive)
        had = history.get(key, [])
        command = now.get(key)
        if command is None:
            if not had:
                yield f"{row.directive}: no version of module {row.module} has it"
                continue
            if had[-1] not in old:
                old[had[-1]] = commands(repository, had[-1])
            command = old[had[-1]][key]
        if command.contexts != row.contexts:
            yield f"{row.directive} ({row.module}): contexts {','.join(sorted(row.contexts))}, source: " + ",".join(
                sorted(command.contexts)
            )
        if command.flag != (row.syntax == "on | off"):
            yield f"{row.directive} ({row.module}): {'is' if command.flag else 'is not'} on | off in the source"
        first = had[0].removeprefix("release-") if had else "-"
        if first != row.since:
            yield f"{row.directive} ({row.module}): since {row.since}, source: {first}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", metavar="NGINX_GIT", type=Path)
    parser.add_argument("--tag", help="the release to compare with (default: the newest)")
    options = parser.parse_args()
    tag = options.tag or releases(options.repository)[-1]
    found = list(differences(options.repository, tag))
    for line in found:
        print(line)
    print(f"{len(rows())} rows, {tag}: {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
