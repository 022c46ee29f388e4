"""nginx versions, and the version assumed if none is given."""

from __future__ import annotations

from nginxtls.base.lazy import NamedTuple, pattern

_VERSION = pattern(r"(?:nginx/)?(?:\d{1,3}:)?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?P<revision>[-+~][\w.+~:-]{1,100})?")
_OF_NGINX_ORG = pattern(r"-\d+~[a-z]+$|\.ngx$")
"""How the revisions of nginx.org's own packages end: ``-1~bookworm``, ``-1.el9.ngx``."""


def distribution_package(text: str) -> str:
    """The text, if it is the version of a distribution's package (``1.22.1-9+deb12u11``, ``2:1.20.1-16.el9_4.1``,
    ``1.28.3-r0``), whose maintainers fix flaws without changing nginx's number; else an empty text."""
    found = _VERSION.fullmatch(text.strip())
    revision = found["revision"] if found else None
    return text.strip() if revision and not _OF_NGINX_ORG.search(revision) else ""


class NginxVersion(NamedTuple):
    """A version such as 1.26.3, ordered as numbers."""

    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> NginxVersion:
        """Read ``"1.26.3"``, ``"nginx/1.26.3"``, ``"1.26"``, which is 1.26.0, or the version of a package.

        Raises:
            ValueError: the text holds no version.
        """
        found = _VERSION.fullmatch(text.strip())
        if not found:
            raise ValueError(f"{text!r} is not an nginx version; use a version such as 1.26.3 or 1.22.1-9+deb12u11")
        return cls(tuple(int(number or 0) for number in found.groups()[:3]))

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers))

    def at_least(self, *numbers: int) -> bool:
        """Whether the version is this one or newer: ``at_least(1, 29, 2)``."""
        return self.numbers >= numbers


ASSUMED = NginxVersion((1, 31, 5))
"""The version assumed if none is given: the newest measured mainline."""


NEWEST = (1, 31)
"""The newest branch that is modelled."""


def default_protocols(nginx: NginxVersion) -> tuple[str, ...]:
    """nginx's own default of ssl_protocols (CHANGES 1.9.1, 1.23.4, 1.27.3)."""
    if nginx.at_least(1, 27, 3):
        return ("TLSv1.2", "TLSv1.3")
    if nginx.at_least(1, 23, 4):
        return ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    if nginx.at_least(1, 9, 1):
        return ("TLSv1", "TLSv1.1", "TLSv1.2")
    return ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2")
