"""The nginx image that a Dockerfile, a compose file, a manifest or Helm's values name, by its tag."""

from __future__ import annotations

import os
import re

LIMIT = 1_000_000
FOLDERS = 6
"""So many folders above a configuration are looked at."""

_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--platform=\S+[ \t]+)?(?P<image>\S+)", re.MULTILINE | re.IGNORECASE)
_IMAGE = re.compile(r"""^[ \t]*(?:-[ \t]+)?image:[ \t]*["']?(?P<image>[^\s"'#]+)""", re.MULTILINE)
_HELM = re.compile(
    r"""^[ \t]*repository:[ \t]*["']?(?P<name>[^\s"'#]+)["']?[ \t]*\n[ \t]*tag:[ \t]*["']?(?P<tag>[^\s"'#]+)""",
    re.MULTILINE,
)
_NGINX = re.compile(
    r"(?:[\w.-]+(?::\d+)?/)*(?:nginx|nginx-unprivileged):(?P<version>\d+\.\d+(?:\.\d+)?)(?:-[\w.-]+)?(?:@sha256:\w+)?"
)


def images(name: str, text: str) -> set[tuple[str, str]]:
    """The official nginx images that a file names: image with tag, and the version in the tag."""
    if re.search(r"dockerfile|containerfile", name, re.IGNORECASE):
        found = [match["image"] for match in _FROM.finditer(text)]
    elif name.endswith((".yml", ".yaml")):
        found = [match["image"] for match in _IMAGE.finditer(text)]
        found += [f"{match['name']}:{match['tag']}" for match in _HELM.finditer(text)]
    else:
        return set()
    return {(image, match["version"]) for image in found if (match := _NGINX.fullmatch(image))}


def image_for(path: str, top: str) -> tuple[str, str, str] | None:
    """The one image that is named nearest to a configuration: image, version and the file that names it.

    The folders from that of the configuration up to ``top`` are looked at; the first that names an image decides. None
    if it names several versions.
    """
    folder = os.path.dirname(os.path.abspath(path))
    for _ in range(FOLDERS):
        if os.path.commonpath((folder, top)) != top:
            return None
        found = {
            (image, version): file for file in _files(folder) for image, version in images(file, _text(folder, file))
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
