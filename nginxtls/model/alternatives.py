"""A configuration in each of the builds in question, and the part of them in which something is so."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, TypeVar

from nginxtls.base.lazy import NamedTuple, cached_property
from nginxtls.model.builds import Build, InQuestion, in_question, table
from nginxtls.model.configuration import Configuration
from nginxtls.model.directive_table import by_module_and_name, by_name
from nginxtls.model.listens import PARAMETERS_SINCE
from nginxtls.model.samples import Sample, sample_of
from nginxtls.model.versions import NginxVersion
from nginxtls.tls.openssl import GENERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from nginxtls.model.endpoints import Endpoint

T = TypeVar("T")
_SHOWN = 3
"""So many releases are named as examples."""


class Needed(NamedTuple):
    """The first nginx that has a directive or a parameter."""

    nginx: NginxVersion
    name: str


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
    def needed(self) -> Needed | None:
        """What of the configuration the newest nginx has brought, and that nginx: older ones refuse it.

        A configuration in use is taken as one that its nginx accepts.
        """
        return max((*self._directives_needed(), *self._parameters_needed()), key=lambda each: each.nginx, default=None)

    def _directives_needed(self) -> Iterator[Needed]:
        """The directives that not every nginx has: those in stream servers by their module's table, others by name."""
        for name, lines in self.configuration.by_name.items():
            entries = by_name().get(name)
            versions = [entry.since for entry in entries or () if entry.since is not None]
            if entries and len(versions) == len(entries) and any(not line.branch for line in lines):
                yield Needed(min(versions), name)
        for server in self.configuration.servers:
            for name, own in server.scope.own.items() if server.module == "stream" else ():
                entry = by_module_and_name().get(("stream", name))
                if entry is not None and entry.since is not None and any(not line.branch for line in own):
                    yield Needed(entry.since, name)

    def _parameters_needed(self) -> Iterator[Needed]:
        """The parameters of ``listen`` that not every nginx has."""
        for server in self.configuration.servers:
            for listen in server.listens:
                for parameter in listen.parameters:
                    since = PARAMETERS_SINCE.get((server.module, parameter))
                    if since is not None and listen.directive is not None and not listen.directive.branch:
                        yield Needed(NginxVersion(since), parameter)

    @cached_property
    def in_question(self) -> InQuestion:
        """The builds that the configuration may be for."""
        facts = self.configuration.facts
        needed = self.needed.nginx if self.needed and facts.nginx is None else None
        return in_question(facts.nginx, facts.openssl if facts.openssl_known else None, needed)

    @cached_property
    def builds(self) -> tuple[Build, ...]:
        """All builds in question: first those that find what differs, then the others."""
        return (*self.in_question.first, *self.in_question.others)

    @property
    def narrowed(self) -> bool:
        """Whether the directives of the configuration rule out some of the supported builds."""
        needed = self.needed
        return self.configuration.facts.nginx is None and needed is not None and table()[0].nginx < needed.nginx

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
        inside = [self.builds[number] for number in numbers]
        outside = [self.builds[number] for number in among if number not in numbers]
        own, others = _by_kind(inside)
        own_outside, others_outside = _by_kind(outside)
        if (text := _bounds(inside, outside)) is not None and (others or own_outside or " with " not in text):
            return text
        # The OpenSSL of RHEL 8 has ciphers that others lack: it is named by itself.
        text = _bounds(others, others_outside) if others else None
        if own and not own_outside and (text or not others):
            return f"{text}, or OpenSSL 1.1.1 on RHEL 8" if text else "OpenSSL 1.1.1 on RHEL 8"
        if not own and text:
            return f"{text} except on RHEL 8"
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


def _by_kind(builds: Sequence[Build]) -> tuple[list[Build], list[Build]]:
    """Those with the OpenSSL of RHEL 8, and the others."""
    own = [build for build in builds if build.openssl.distribution == "redhat"]
    return own, [build for build in builds if build not in own]


def _bounds(inside: Sequence[Build], outside: Sequence[Build]) -> str | None:
    """The bounds on one or both of the versions that these builds meet, and those outside do not; None if none do."""
    if not outside:
        return f"OpenSSL {_to(*(GENERATIONS[end(map(_rank, inside))] for end in (min, max)))}"
    limits = _limits(inside, (*inside, *outside))
    for one in limits:
        if not any(one.met(build) for build in outside):
            return one.text
    for first, second in combinations(limits, 2):
        if not any(first.met(build) and second.met(build) for build in outside):
            return _both(first.text, second.text)
    return None


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
