"""The nginx image that a Dockerfile, a compose file, a manifest or Helm's values name, by its tag."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 1_000_000
FOLDERS = 6
"""So many folders above a configuration are looked at."""

_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--platform=\S+[ \t]+)?(?P<image>\S+)", re.MULTILINE | re.IGNORECASE)
_IMAGE = re.compile(r"""^[ \t]*(?:-[ \t]+)?image:[ \t]*["']?(?P<image>[^\s"'#]+)""", re.MULTILINE)
# Repository and tag of Helm's values, with other members of the same level between them, in either order.
_HELM = re.compile(
    r"""^(?P<indent>[ \t]*)repository:[ \t]*["']?(?P<name>[^\s"'#]+)[^\n]*\n(?:(?P=indent)[\w#][^\n]*\n|\s*\n){0,4}?
        (?P=indent)tag:[ \t]*["']?(?P<tag>[^\s"'#]+)
      | ^(?P<other>[ \t]*)tag:[ \t]*["']?(?P<first>[^\s"'#]+)[^\n]*\n(?:(?P=other)[\w#][^\n]*\n|\s*\n){0,4}?
        (?P=other)repository:[ \t]*["']?(?P<last>[^\s"'#]+)""",
    re.MULTILINE | re.VERBOSE,
)
_NGINX = re.compile(
    r"(?:[\w.-]+(?::\d+)?/)*(?:nginx|nginx-unprivileged):(?P<version>1\.[1-9]\d(?:\.\d+)?)(?:-[\w.-]+)?(?:@sha256:\w+)?"
)
_ARG = re.compile(r"""^[ \t]*ARG[ \t]+(?P<name>\w+)=["']?(?P<value>[^\s"']*)""", re.MULTILINE | re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::?-(?P<default>[^${}]*))?\})")


def images(name: str, text: str) -> set[tuple[str, str]]:
    """The official nginx images that a file names: image with tag, and the version in the tag."""
    if re.search(r"dockerfile|containerfile", name, re.IGNORECASE):
        values = {match["name"]: match["value"] for match in _ARG.finditer(text)}
        found = [_filled(match["image"], values) for match in _FROM.finditer(text)]
    elif name.endswith((".yml", ".yaml")):
        found = [_filled(match["image"], {}) for match in _IMAGE.finditer(text)]
        helm = ((m["name"] or m["last"], m["tag"] or m["first"]) for m in _HELM.finditer(text))
        found += [f"{name}:{tag}" for name, tag in helm]
    else:
        return set()
    return {(image, match["version"]) for image in found if (match := _NGINX.fullmatch(image))}


def _filled(image: str, values: Mapping[str, str]) -> str:
    """The image with the values of build arguments and the defaults of variables; one that has none stays."""
    return _VARIABLE.sub(
        lambda found: values.get(found["plain"] or found["name"]) or found["default"] or found[0], image
    )


Named = dict[tuple[str, str], str]
"""Images and their versions, and the file that names each."""


def image_for(path: str, top: str, seen: dict[str, Named]) -> tuple[str, str, str] | None:
    """The one image that is named nearest to a configuration: image, version and the file that names it.

    The folders from that of the configuration up to ``top`` are looked at; the first that names an image decides. None
    if it names several versions. ``seen`` keeps what folders name, for the other configurations of a run.
    """
    folder = os.path.dirname(os.path.abspath(path))
    for _ in range(FOLDERS):
        if os.path.commonpath((folder, top)) != top:
            return None
        found = seen.get(folder)
        if found is None:
            found = seen[folder] = {
                named: file for file in _files(folder) for named in sorted(images(file, _text(folder, file)))
            }
        if found:
            versions = {version for _, version in found}
            (image, version), file = next(iter(found.items()))
            return (image, version, file) if len(versions) == 1 else None
        if folder == top:
            return None
        folder = os.path.dirname(folder)
    return None


def _files(folder: str) -> list[str]:
    try:
        return sorted(
            name for name in os.listdir(folder) if re.search(r"dockerfile|containerfile|\.ya?ml$", name, re.IGNORECASE)
        )
    except OSError:
        return []


def _text(folder: str, name: str) -> str:
    path = os.path.join(folder, name)
    if os.path.islink(path) or not os.path.isfile(path):
        return ""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(LIMIT)
    except OSError:
        return ""
