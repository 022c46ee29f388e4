"""The builds of nginx in question: one if the versions are known, else those of the table that differ in behaviour.

``builds.tsv`` lists the pairs of nginx and OpenSSL that supported distributions, official images and nginx.org's
packages have. Where the versions are not known, all of them are in question.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from nginxtls.base.data import read_data
from nginxtls.base.lazy import NamedTuple
from nginxtls.model.versions import NginxVersion
from nginxtls.tls import OpenSSL
from nginxtls.tls.openssl import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BOUNDARIES = ((1, 23, 4), (1, 25, 1), (1, 27, 3), (1, 29, 2))
"""The first version of each group after the oldest. Within a group the same lines serve the same TLS: the default of
ssl_protocols changed in 1.23.4 and 1.27.3, http2 became a directive and ssl ceased to be one in 1.25.1 (and stream got
server names in 1.25.5), and since 1.29.2 SNI decides before the protocol version is chosen."""


class Build(NamedTuple):
    """An nginx with the OpenSSL that it runs with; ``where`` names a release that has it."""

    nginx: NginxVersion
    openssl: OpenSSL
    where: str = ""
    since: str = ""
    until: str = ""
    source: str = ""
    checked: str = ""

    def __str__(self) -> str:
        return f"nginx {self.nginx} with OpenSSL {self.openssl}"


@cache
def table() -> tuple[Build, ...]:
    """All supported builds, oldest first."""
    lines = [line for line in read_data("nginxtls.model", "builds.tsv").splitlines() if line and line[0] != "#"]
    rows = (line.split("\t") for line in lines[1:])
    found = (Build(NginxVersion.parse(nginx), OpenSSL.parse(openssl), *rest) for nginx, openssl, *rest in rows)
    return tuple(sorted(found, key=lambda build: (build.nginx, build.openssl.version)))


def group(nginx: NginxVersion) -> int:
    """The number of the group of versions that nginx belongs to, oldest first."""
    return sum(nginx.at_least(*boundary) for boundary in BOUNDARIES)


class InQuestion(NamedTuple):
    """The builds that an unknown version may be, one of each that behaves differently; none if the version is known.

    ``first`` are enough to find what differs; ``others`` show exactly where.
    """

    first: tuple[Build, ...] = ()
    others: tuple[Build, ...] = ()


@lru_cache(256)
def in_question(nginx: NginxVersion | None, openssl: OpenSSL | None, needed: NginxVersion | None = None) -> InQuestion:
    """The builds in question, oldest first, where one of the versions or both are None.

    The first are, for each group of nginx versions, its commonest OpenSSL, and the oldest OpenSSL with the oldest and
    with the newest nginx: so what nginx decides differs from what OpenSSL decides. Builds older than ``needed`` are
    left out, as they refuse the configuration.
    """
    if nginx is not None and openssl is not None:
        return InQuestion()
    builds = [build for build in table() if needed is None or build.nginx >= needed] or [table()[-1]]
    if nginx is not None:
        same = (Build(nginx, build.openssl) for build in _one_of_each(table(), lambda build: build.openssl.builds))
        return InQuestion(tuple(_order(same)))
    if openssl is not None:
        near = [build for build in builds if build.openssl.generation == openssl.generation] or builds
        same = (Build(build.nginx, openssl) for build in _one_of_each(near, lambda build: group(build.nginx)))
        return InQuestion(tuple(_order(same)))
    cells = _order(_one_of_each(builds, lambda build: (group(build.nginx), build.openssl.builds)))
    groups = [
        [cell for cell in cells if group(cell.nginx) == number] for number in sorted({group(c.nginx) for c in cells})
    ]
    first = [max(cells, key=lambda cell: _weight(cell, builds)) for cells in groups[:-1]] + [cells[-1]]
    oldest = [cell for cell in cells if _rank(cell) == min(map(_rank, cells))]
    first = _order({*first, oldest[0], oldest[-1]})
    return InQuestion(tuple(first), tuple(cell for cell in cells if cell not in first))


def _rank(build: Build) -> int:
    return GENERATIONS.index(build.openssl.generation)


def _grouped(builds: Iterable[Build], key: Callable[[Build], object]) -> list[list[Build]]:
    groups: dict[object, list[Build]] = {}
    for build in builds:
        groups.setdefault(key(build), []).append(build)
    return list(groups.values())


def _one_of_each(builds: Iterable[Build], key: Callable[[Build], object]) -> list[Build]:
    return [members[-1] for members in _grouped(builds, key)]


def _order(builds: Iterable[Build]) -> list[Build]:
    return sorted(builds, key=lambda build: (build.nginx, build.openssl.version))


def _weight(cell: Build, builds: Iterable[Build]) -> tuple[object, ...]:
    """How many releases behave like a build; of equal ones the one with the newest nginx counts."""
    alike = sum(group(b.nginx) == group(cell.nginx) and b.openssl.builds == cell.openssl.builds for b in builds)
    return alike, cell.nginx, cell.openssl.version
