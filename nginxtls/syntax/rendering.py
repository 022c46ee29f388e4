"""How the official image of nginx renders templates when a container starts.

Its entrypoint fills the environment into each ``*.template`` of a folder and writes it, without that ending, into
``/etc/nginx/conf.d`` (``20-envsubst-on-templates.sh`` of github.com/nginx/docker-nginx).
"""

from __future__ import annotations

import fnmatch
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = "/etc/nginx/templates"
OUTPUT = "/etc/nginx/conf.d"
SUFFIX = ".template"
SCRIPT = "/docker-entrypoint.d/20-envsubst-on-templates.sh"
"""What does it in the image."""
MOST = 1000
"""So many templates of one mount are looked at."""

_PLAIN = re.compile(r"[^;{}\"'$#\\\r\n]+")
"""A value of one or several words, which changes nothing of what is around it in a configuration."""


class Rendering:
    """The templates that containers mount, what is written where, and likely values of their variables."""

    def __init__(self) -> None:
        self._mounts: list[tuple[str, str, str, dict[str, str]]] = []
        self._values: dict[str, set[str]] = {}
        self._outputs: dict[str, list[tuple[str, str]]] = {}

    def note(self, environment: Iterable[tuple[str, str]]) -> None:
        """Values that some container of the tree has for variables."""
        for name, value in environment:
            self._values.setdefault(name, set()).add(value)

    def mount(self, there: str, real: str, origin: str, environment: dict[str, str]) -> None:
        """Note what a container has at a path; ``origin`` names the file that says so."""
        if _inside(there, environment.get("NGINX_ENVSUBST_TEMPLATE_DIR", FOLDER)):
            self._mounts.append((there, real, origin, environment))

    def variables_of(self, path: str) -> dict[str, str]:
        """Likely values for the variables of a file, by its real path; empty if no container renders it.

        The containers that mount it decide, else all of the tree. A value on which they differ is not likely.
        """
        mounts = [environment for _, real, _, environment in self._mounts if _inside(path, real)]
        if not mounts:
            return {}
        own: dict[str, set[str]] = {}
        for environment in mounts:
            for name, value in environment.items():
                own.setdefault(name, set()).add(value)
        values = {name: next(iter(known)) for name, known in (self._values | own).items() if len(known) == 1}
        return {name: value for name, value in values.items() if _PLAIN.fullmatch(value)}

    def outputs(self, pattern: str, base: str | None) -> Iterator[tuple[str, str]]:
        """The written files that an include names: the path in the container, and the template's real path.

        Of several files that mount templates, such as a Compose file for each purpose, the nearest to the base counts.
        """
        if not self._mounts:
            return
        pattern = os.path.normpath(os.path.join("/etc/nginx", pattern))
        wanted = re.compile(fnmatch.translate(pattern.replace("[^", "[!"))).match
        nearest = max(self._mounts, key=lambda mount: len(os.path.commonpath([mount[1], base or "/"])))[2]
        for there, real, origin, environment in self._mounts:
            if origin == nearest:
                for path, template in self._written(there, real, environment):
                    if wanted(path) and path.count("/") == pattern.count("/"):
                        yield path, template

    def _written(self, there: str, real: str, environment: dict[str, str]) -> list[tuple[str, str]]:
        """What is written of the templates of a mount."""
        found = self._outputs.get(real)
        if found is None:
            folder = environment.get("NGINX_ENVSUBST_TEMPLATE_DIR", FOLDER)
            suffix = environment.get("NGINX_ENVSUBST_TEMPLATE_SUFFIX", SUFFIX)
            output = environment.get("NGINX_ENVSUBST_OUTPUT_DIR", OUTPUT)
            below = there[len(folder) :]
            found = self._outputs[real] = [
                (os.path.normpath(f"{output}/{below}{path[len(real) :]}".removesuffix(suffix)), path)
                for path in _files_of(real)
                if path.endswith(suffix)
            ]
        return found


def _files_of(path: str) -> list[str]:
    """The file itself, or all files of a folder."""
    if not os.path.isdir(path):
        return [path]
    found: list[str] = []
    for folder, _, names in os.walk(path):
        found += (f"{folder}/{name}" for name in names)
        if len(found) > MOST:
            break
    return sorted(found)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
