"""Which OpenSSL is meant: a version, whose build it is, and the generation whose behaviour it has."""

from __future__ import annotations

from nginxtls.base.lazy import NamedTuple, pattern

#: The generations that differ in suites, words, levels or groups, oldest first.
GENERATIONS = ("1.0.2", "1.1.1", "3.0", "3.2", "3.5", "3.6", "4.0")
#: The newest version that is modelled, as (major, minor).
NEWEST = (4, 0)

# First version of each generation after the oldest.
_FROM = (
    (NEWEST, "4.0"), ((3, 6), "3.6"), ((3, 5), "3.5"), ((3, 2), "3.2"), ((3, 0), "3.0"), ((1, 1, 0), "1.1.1"),
)  # fmt: skip
_VERSION = pattern(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3})([a-z]{0,2}))?")


class OpenSSL(NamedTuple):
    """An OpenSSL that nginx runs with.

    ``version`` is (major, minor, patch, letter), the letter of 1.x as a number (``1.1.1w`` is (1, 1, 1, 23)).
    ``distribution`` is ``"debian"``, ``"upstream"``, ``"redhat"`` (that of RHEL 8, whose 1.1.1 is built with
    ``enable-weak-ssl-ciphers``) or None, which is unknown and taken as Debian's: the builds of Debian, Ubuntu and of
    nginx's own packages and images for them have security level 2 built in.
    """

    version: tuple[int, int, int, int]
    distribution: str | None = None

    @classmethod
    def parse(cls, text: str, distribution: str | None = None) -> OpenSSL:
        """Read ``3.0.20``, ``1.1.1w``, ``3.5`` or what ``openssl version`` prints; ValueError if it is none.

        That of RHEL 8 names FIPS: ``OpenSSL 1.1.1k  FIPS 25 Mar 2021``, or ``1.1.1k-fips``.
        """
        found = _VERSION.search(text)
        if not found:
            raise ValueError(f"not a version of OpenSSL: {text[:40]!r}; write it as 3.0.20 or 1.1.1w")
        major, minor, patch, letters = found.groups()
        letter = sum(ord(c) - 96 for c in letters or "")
        version = (int(major), int(minor), int(patch or 0), letter)
        if distribution is None and version[:2] == (1, 1) and text[found.end() :].lstrip(" -")[:4].upper() == "FIPS":
            distribution = "redhat"
        return cls(version, distribution)

    @classmethod
    def assumed(cls, distribution: str | None = None) -> OpenSSL:
        """What is assumed when the version is unknown: the newest that a distribution's nginx runs with."""
        return cls((3, 6, 5, 0), distribution)

    @property
    def generation(self) -> str:
        """The generation whose behaviour this version has; newer ones than known count as the newest known."""
        for start, name in _FROM:
            if self.version >= start:
                return name
        return GENERATIONS[0]

    @property
    def newer_than_modelled(self) -> bool:
        """Whether this version is newer than the newest one that is modelled, and so counted as that one."""
        return self.version[:2] > NEWEST

    @property
    def upstream(self) -> bool:
        """Whether this is OpenSSL's own build rather than Debian's or an unknown one."""
        return self.distribution == "upstream"

    @property
    def builds(self) -> frozenset[str]:
        """The names under which tables list what it has: ``1.1.1``, and ``1.1.1:redhat`` for what others lack."""
        return frozenset((self.generation, f"{self.generation}:{self.distribution}"))

    @property
    def default_security_level(self) -> int:
        """The effective level if no ``@SECLEVEL`` is given; 1.0.2 has no levels, which equals 0.

        It counts the openssl.cnf that comes with the build: those of Debian's and of Red Hat's 1.1.1 raise it to 2.
        """
        return 2 if self.version >= (1, 1) and not self.upstream else self.built_in_security_level

    @property
    def built_in_security_level(self) -> int:
        """The level without any openssl.cnf (1.1.1 of Debian: measured)."""
        if self.version < (1, 1):
            return 0
        debian = not self.upstream and self.version >= (3, 0)
        return 2 if debian or self.version >= (3, 2) else 1

    def __str__(self) -> str:
        major, minor, patch, letter = self.version
        return f"{major}.{minor}.{patch}" + (chr(96 + letter) if 0 < letter < 27 else "")
