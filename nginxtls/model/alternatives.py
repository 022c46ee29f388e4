"""A configuration in each of the builds in question, and the part of them in which something is so."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, TypeVar

from nginxtls.base.lazy import NamedTuple, cached_property
from nginxtls.model.builds import Build, InQuestion, in_question, table
from nginxtls.model.configuration import Configuration
from nginxtls.model.directive_table import by_name
from nginxtls.model.samples import Sample, sample_of
from nginxtls.tls.openssl import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from nginxtls.model.endpoints import Endpoint
    from nginxtls.model.versions import NginxVersion
    from nginxtls.syntax.tree import Directive

T = TypeVar("T")
_SHOWN = 3
"""So many releases are named as examples."""


class Alternatives:
    """How nginx interprets a configuration whose versions are not both known, in each build in question.

    Builds go by their number in ``builds``.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._in_builds: dict[int, Configuration] = {}
        self._parts: list[Alternatives] = []

    @cached_property
    def sample(self) -> Sample | None:
        """A sample of a large configuration."""
        return sample_of(self.configuration)

    def within(self, configuration: Configuration) -> Alternatives:
        """A part of the configuration, in the same builds."""
        part = Alternatives(configuration)
        part.in_question = self.in_question
        self._parts.append(part)
        return part

    @cached_property
    def needed(self) -> tuple[NginxVersion, Directive] | None:
        """The oldest nginx that has all directives of the configuration, and the directive that needs it.

        A configuration in use is taken as one that its nginx accepts.
        """
        found: tuple[NginxVersion, Directive] | None = None
        for name, lines in self.configuration.by_name.items():
            entries = by_name().get(name)
            line = next((line for line in lines if not line.branch), None)
            versions = [entry.since for entry in entries or () if entry.since is not None]
            if line is None or not entries or len(versions) < len(entries):
                continue
            if found is None or min(versions) > found[0]:
                found = min(versions), line
        return found

    @cached_property
    def in_question(self) -> InQuestion:
        """The builds that the configuration may be for."""
        facts = self.configuration.facts
        needed = self.needed[0] if self.needed and facts.nginx is None else None
        return in_question(facts.nginx, facts.openssl if facts.openssl_known else None, needed)

    @cached_property
    def builds(self) -> tuple[Build, ...]:
        """All builds in question: first those that find what differs, then the others."""
        return (*self.in_question.first, *self.in_question.others)

    @property
    def narrowed(self) -> bool:
        """Whether the directives of the configuration rule out some of the supported builds."""
        needed = self.needed
        return self.configuration.facts.nginx is None and needed is not None and table()[0].nginx < needed[0]

    @property
    def matter(self) -> bool:
        """Whether the configuration has anything whose behaviour the version may change."""
        return bool(self.builds and self.configuration.servers)

    @cached_property
    def oldest(self) -> NginxVersion:
        """The oldest nginx in question."""
        return min(build.nginx for build in self.builds)

    def configuration_in(self, number: int) -> Configuration:
        """The configuration in the build with this number."""
        found = self._in_builds.get(number)
        if found is None:
            build = self.builds[number]
            found = self._in_builds[number] = self.configuration.with_build(build.nginx, build.openssl)
        return found

    def forget(self) -> None:
        """Drop the configurations in each build, which are not used any more; they are made again where needed."""
        for configuration in self._in_builds.values():
            configuration.forget()
        self._in_builds.clear()
        for part in self._parts:
            part.forget()
            part.configuration.forget()
        self._parts.clear()
        self.__dict__.pop("sample", None)

    def part(self, numbers: Collection[int], among: Collection[int]) -> str:
        """The builds with these numbers in words, where these are looked at: ``nginx 1.24.0 and older``."""
        everything = [self.builds[number] for number in among]
        inside = [self.builds[number] for number in numbers]
        outside = [self.builds[number] for number in among if number not in numbers]
        limits = _limits(inside, everything)
        for one in limits:
            if not any(one.met(build) for build in outside):
                return one.text
        for first, second in combinations(limits, 2):
            if not any(first.met(build) and second.met(build) for build in outside):
                return _both(first.text, second.text)
        return ", or ".join(_pair(build) for build in inside)

    def examples(self, numbers: Iterable[int]) -> str:
        """Releases that have these builds: ``Debian 12, Ubuntu 24.04``."""
        found = dict.fromkeys(build.where for number in sorted(numbers) if (build := self.builds[number]).where)
        return ", ".join([*found][:_SHOWN])

    def newest(self, numbers: Iterable[int]) -> int:
        """The number of the newest of these builds."""
        return max(numbers, key=lambda number: (self.builds[number].nginx, self.builds[number].openssl.version))

    def protocols(self, endpoint: Endpoint) -> dict[tuple[str, ...], str]:
        """The protocol versions that clients of an endpoint get, by the builds in words; one entry if all agree."""
        return self.by_build(endpoint, lambda _, other: tuple(other.tls.versions) if other else ())

    def by_build(self, endpoint: Endpoint, answer: Callable[[Configuration, Endpoint | None], T]) -> dict[T, str]:
        """The answers about an endpoint, with the builds in words; one entry with an empty text if all agree.

        ``answer`` gets the configuration of a build and the endpoint in it, None where that build does not have it.
        """
        found: dict[T, list[int]] = {}
        for number in range(len(self.builds)):
            configuration = self.configuration_in(number)
            found.setdefault(answer(configuration, _same(configuration, endpoint)), []).append(number)
        if len(found) == 1:
            return {next(iter(found)): ""}
        among = range(len(self.builds))
        return {each: self.part(numbers, among) for each, numbers in found.items()}

    @cached_property
    def span(self) -> tuple[str, str]:
        """All builds in question: ``nginx 1.18.0 to 1.31.6``, ``OpenSSL 1.1.1 to 3.6``."""
        nginx = sorted({build.nginx for build in self.builds})
        ranks = sorted({_rank(build) for build in self.builds})
        return f"nginx {_to(nginx[0], nginx[-1])}", f"OpenSSL {_to(GENERATIONS[ranks[0]], GENERATIONS[ranks[-1]])}"


def _to(first: object, last: object) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _rank(build: Build) -> int:
    return GENERATIONS.index(build.openssl.generation)


class _Limit(NamedTuple):
    """A bound on one of the versions, in words."""

    text: str
    met: Callable[[Build], bool]


def _limits(inside: Sequence[Build], everything: Sequence[Build]) -> list[_Limit]:
    """The narrowest bounds that all these builds meet."""
    low, high = min(b.nginx for b in inside), max(b.nginx for b in inside)
    first, last = min(map(_rank, inside)), max(map(_rank, inside))
    older = "" if last == min(map(_rank, everything)) else " and older"
    return [
        _Limit(f"nginx {high} and older", lambda build: build.nginx <= high),
        _Limit(f"nginx {low} and newer", lambda build: build.nginx >= low),
        _Limit(f"OpenSSL {GENERATIONS[last]}{older}", lambda build: _rank(build) <= last),
        _Limit(f"OpenSSL {GENERATIONS[first]} and newer", lambda build: _rank(build) >= first),
    ]


def _both(first: str, second: str) -> str:
    """Two bounds in words: ``nginx 1.24.0 and older with OpenSSL 3.0 and newer``, or ``OpenSSL 3.0 to 3.2``."""
    (product, high, *_), (other, low, *_) = first.split(), second.split()
    return f"{product} {_to(low, high)}" if product == other else f"{first} with {second}"


def _pair(build: Build) -> str:
    return f"nginx {build.nginx} with OpenSSL {build.openssl.generation}"


def _same(configuration: Configuration, endpoint: Endpoint) -> Endpoint | None:
    """The endpoint of another build's configuration that has the same server block on the same socket."""
    key = ("endpoints by place",)
    places = configuration.memo(
        key, lambda: {(each.socket.label, each.server.directive): each for each in configuration.endpoints}
    )
    return places.get((endpoint.socket.label, endpoint.server.directive))
