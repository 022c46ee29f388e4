"""What is linted: configurations, of many of which one at a time is in memory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence

    from nginxtls.model import Configuration
    from nginxtls.model.alternatives import Alternatives
    from nginxtls.syntax import LoadedTree
    from nginxtls.syntax.tree import SourceFile

KEPT = 100
"""Of more configurations than these, one at a time is in memory; one that is needed again is made again.

Kept, 100,000 sites took 4 GB, and as much again for what their rules share.
"""


class Interpretation(NamedTuple):
    """How nginx interprets a tree.

    ``configurations``: the configuration, and the others that a template may become, which are linted but not counted.
    ``alternatives``: the builds of nginx in question, where the versions are not known.
    """

    configurations: tuple[Configuration, ...]
    alternatives: Alternatives | None = None

    def forget(self) -> None:
        """Free it, as it is not used any more: it refers to itself, and the command collects no circles."""
        if self.alternatives is not None:
            self.alternatives.forget()
        for configuration in self.configurations:
            configuration.forget()


class Subject:
    """A configuration to lint, and its requested files in the order of its tree: only findings in those are reported.

    ``main`` is its first file. ``enabled``: false for a file that no configuration includes, such as a site in
    ``sites-available/`` without its link.
    """

    __slots__ = ("_interpret", "_interpretation", "_loaded", "enabled", "main", "requested")

    def __init__(
        self,
        configuration: Configuration,
        requested: Collection[SourceFile],
        variants: tuple[Configuration, ...] = (),
        enabled: bool = True,
        alternatives: Alternatives | None = None,
    ) -> None:
        self.main, self.requested, self.enabled = configuration.tree.roots[0], requested, enabled
        self._interpretation: Interpretation | None = Interpretation((configuration, *variants), alternatives)
        self._loaded: LoadedTree | None = None
        self._interpret: Callable[[LoadedTree], Interpretation] | None = None

    @classmethod
    def of(
        cls, loaded: LoadedTree, requested: Collection[SourceFile], interpret: Callable[[LoadedTree], Interpretation]
    ) -> Subject:
        """A subject that is interpreted when it is needed."""
        subject = cls.__new__(cls)
        subject.main, subject.requested, subject.enabled = loaded.main, requested, loaded.enabled
        subject._loaded, subject._interpret, subject._interpretation = loaded, interpret, None
        return subject

    @property
    def is_made(self) -> bool:
        """Whether its configuration is in memory."""
        return self._interpretation is not None

    @property
    def interpretation(self) -> Interpretation:
        """How nginx interprets it; made when it is needed."""
        if self._interpretation is None:
            assert self._interpret is not None
            assert self._loaded is not None
            self._interpretation = self._interpret(self._loaded)
        return self._interpretation

    @property
    def configuration(self) -> Configuration:
        """How nginx interprets it."""
        return self.interpretation.configurations[0]

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """The configuration, and the others that a template may become."""
        return self.interpretation.configurations

    @property
    def variants(self) -> tuple[Configuration, ...]:
        """The others that a template may become."""
        return self.interpretation.configurations[1:]

    @property
    def alternatives(self) -> Alternatives | None:
        """The builds of nginx in question, where the versions are not known."""
        return self.interpretation.alternatives

    def forget(self) -> None:
        """Drop the configuration if it can be made again. What has a part of it must not be used any more."""
        if self._interpretation is not None and self._loaded is not None:
            self._interpretation.forget()
            self._interpretation = None
            self._loaded.forget()


def in_turn(subjects: Sequence[Subject], first: int = 0) -> Generator[Subject, None, None]:
    """Each subject. Of many, the configuration of one is dropped before the next, if nobody had it before."""
    for subject in islice(subjects, first, None):
        was_made = subject.is_made
        try:
            yield subject
        finally:
            if len(subjects) > KEPT and not was_made:
                subject.forget()
