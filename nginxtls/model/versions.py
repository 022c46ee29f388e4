"""nginx versions, and the version assumed if none is given."""

from __future__ import annotations

import re

from nginxtls.base.lazy import NamedTuple


class NginxVersion(NamedTuple):
    """A version such as 1.26.3, ordered as numbers."""

    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> NginxVersion:
        """Read ``"1.26.3"``, ``"nginx/1.26.3"`` or ``"1.26"``, which is 1.26.0.

        Raises:
            ValueError: the text holds no version.
        """
        found = re.fullmatch(r"(?:nginx/)?(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
        if not found:
            raise ValueError(f"{text!r} is not an nginx version; use a version such as 1.26.3")
        return cls(tuple(int(number or 0) for number in found.groups()))

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers))

    def at_least(self, *numbers: int) -> bool:
        """Whether the version is this one or newer: ``at_least(1, 29, 2)``."""
        return self.numbers >= numbers


ASSUMED = NginxVersion((1, 31, 5))
"""The version assumed if none is given: the newest measured mainline."""


def default_protocols(nginx: NginxVersion) -> tuple[str, ...]:
    """nginx's own default of ssl_protocols (CHANGES 1.9.1, 1.23.4, 1.27.3)."""
    if nginx.at_least(1, 27, 3):
        return ("TLSv1.2", "TLSv1.3")
    if nginx.at_least(1, 23, 4):
        return ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    if nginx.at_least(1, 9, 1):
        return ("TLSv1", "TLSv1.1", "TLSv1.2")
    return ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2")
