"""Groups of the key exchange: which curves, finite fields and hybrids a list such as ``X25519:prime256v1`` selects.

The lists are read as SSL_CTX_set1_groups_list(3) of each generation does (ssl/t1_lib.c), up to 3.4 plain names, from
3.5 with ``?``, ``*``, ``-``, ``/`` and DEFAULT; tests/conformance/test_negotiation_groups.py compares them.
"""

from __future__ import annotations

from functools import cache

from nginxtls.base.bounded import bounded
from nginxtls.base.data import read_data
from nginxtls.base.lazy import NamedTuple, pattern

from .ciphers import MOST_SUGGESTIONS, UnknownWord, nearest
from .openssl import GENERATIONS, OpenSSL
from .suites import read_table

_ELEMENT = pattern(r"[^:]*")
_ELEMENT_35 = pattern(r"[^:/]*")
_PREFIXES = pattern(r"[?*-]*")
_SPACE = " \t\n\v\f\r"
# OpenSSL sends at most so many key shares, and reads names up to this length.
_MOST_SHARES, _LONGEST = 4, 63


@cache
def _defaults() -> dict[str, str]:
    """The library's own list by generation."""
    lines = (line for line in read_data("nginxtls.tls", "default_groups.tsv").splitlines() if line[:1] not in ("", "#"))
    return dict(line.split("\t") for line in lines)


class Group(NamedTuple):
    """A group: IANA's ``number`` and name (X25519 and X448 in capitals), other spellings, and the versions that use it.

    ``bits`` is its strength in bits; ``post_quantum`` means that it withstands a quantum computer, ``hybrid`` that it
    does so along with a curve.
    """

    number: int
    name: str
    aliases: tuple[str, ...]
    bits: int
    tls12: bool
    tls13: bool
    post_quantum: bool
    hybrid: bool

    @property
    def finite_field(self) -> bool:
        """Whether it is a finite field (RFC 7919) rather than a curve."""
        return self.name.startswith("ffdhe")

    def __str__(self) -> str:
        return self.name


class GroupList(NamedTuple):
    """The groups of a list in its order; ``error`` says why OpenSSL refuses the list, else None.

    ``default``: no list was given and these are the library's own. ``error_at`` is the span of what is refused.
    """

    text: str | None
    groups: tuple[Group, ...]
    unknown: tuple[UnknownWord, ...]
    error: str | None
    error_at: tuple[int, int] | None
    default: bool
    tuples: tuple[tuple[Group, ...], ...] = ()
    """The groups as ``/`` divides them, from 3.5 on: TLS 1.3 tries one tuple after the other."""

    def bare(self) -> GroupList:
        """The groups without the text that they come from, for results that outlive it."""
        return GroupList(None, self.groups, (), None, None, self.default, self.tuples)

    @property
    def tls12(self) -> tuple[Group, ...]:
        """Those that TLS 1.2 and before can use."""
        return tuple(g for g in self.groups if g.tls12)

    @property
    def tls13(self) -> tuple[Group, ...]:
        """Those that TLS 1.3 can use."""
        return tuple(g for g in self.groups if g.tls13)


@cache
def _table(generation: str) -> tuple[dict[str, Group], tuple[str, ...]]:
    """The groups of a generation by each spelling that it knows (lower case from 3.5, where case does not matter)."""
    column = {"1.0.2": 3, "1.1.1": 3, "3.0": 5, "3.2": 5, "3.5": 7, "3.6": 9, "4.0": 11}[generation]
    out: dict[str, Group] = {}
    spellings: list[str] = []
    for row in read_table("groups.tsv"):
        at = 7 if generation == "3.2" and row[1].endswith("tls13") else column
        if row[at] == "-" or (generation == "1.0.2" and row[1].startswith("X")):
            continue
        number, name, bits = int(row[0]), row[1], int(row[2])
        names = tuple(row[at].split(","))
        quantum = "MLKEM" in name
        protocols = row[at + 1]
        aliases = tuple(
            dict.fromkeys(n for r in (row[3], row[9], row[11]) for n in r.split(",") if n not in (name, "-"))
        )
        group = Group(
            number, name, aliases, bits, "1.2" in protocols, "1.3" in protocols and generation != "1.0.2",
            quantum, quantum and not name.startswith("MLKEM"),
        )  # fmt: skip
        for spelling in names:
            out[spelling.lower() if _folds(generation) else spelling] = group
        spellings += names
    return out, tuple(spellings)


def group_names(openssl: OpenSSL) -> tuple[str, ...]:
    """A name of each group that this OpenSSL knows, the weak ones of less than 112 bits last."""
    table, spellings = _table(openssl.generation)
    folds = _folds(openssl.generation)
    first: dict[Group, str] = {}
    for name in spellings:
        first.setdefault(table[name.lower() if folds else name], name)
    return tuple(first[group] for group in sorted(first, key=lambda group: group.bits < 112))


def _folds(generation: str) -> bool:
    return GENERATIONS.index(generation) >= GENERATIONS.index("3.5")


def known_group(name: str, openssl: OpenSSL) -> Group | None:
    """The group of a name, in a spelling that this OpenSSL knows; else None."""
    if len(name) > _LONGEST:
        return None
    return _table(openssl.generation)[0].get(name.lower() if _folds(openssl.generation) else name)


def group(name: str) -> Group | None:
    """The group of this name, in any OpenSSL's spelling, as the newest generation that has it; else None."""
    tables = (_table(generation)[0] for generation in reversed(GENERATIONS[GENERATIONS.index("3.5") :]))
    return next((table[name.lower()] for table in tables if name.lower() in table), None)


@cache
def by_number(number: int) -> Group | None:
    """The group of a number of IANA's, as the newest generation that has it; else None."""
    for generation in reversed(GENERATIONS):
        for found in _table(generation)[0].values():
            if found.number == number:
                return found
    return None


@cache
def _since(number: int) -> int:
    """The oldest generation that has a group, as its place among the generations."""
    return next(
        i for i, generation in enumerate(GENERATIONS) if any(g.number == number for g in _table(generation)[0].values())
    )


@bounded(1024, 1_000_000)
def evaluate_groups(text: str | None, openssl: OpenSSL) -> GroupList:
    """What a list gives on this OpenSSL; None and ``"auto"``, nginx's word, are the library's default. Never raises."""
    if text is None or text == "auto":
        default = _Reader(_defaults()[openssl.generation], openssl)
        default.read()
        return GroupList(text, tuple(default.groups), (), None, None, True, default.divided())
    reader = _Reader(text.partition("\0")[0], openssl)
    reader.read()
    groups = () if reader.error else tuple(reader.groups)
    divided = reader.divided() if groups else ()
    return GroupList(text, groups, tuple(reader.unknown), reader.error, reader.error_at, False, divided)


class _Reader:
    """Reads a list of groups, element by element, up to what OpenSSL refuses."""

    def __init__(self, text: str, openssl: OpenSSL) -> None:
        self.text, self.openssl = text, openssl
        self.tuples = _folds(openssl.generation)
        self.groups: list[Group] = []
        self.unknown: list[UnknownWord] = []
        self.error: str | None = None
        self.error_at: tuple[int, int] | None = None
        self._shares = 0
        self._tuple_of: dict[int, int] = {}
        self._tuple = 0

    def divided(self) -> tuple[tuple[Group, ...], ...]:
        """The groups by tuple."""
        found: dict[int, list[Group]] = {}
        for g in self.groups:
            found.setdefault(self._tuple_of[g.number], []).append(g)
        return tuple(tuple(together) for _, together in sorted(found.items()))

    def read(self) -> None:
        pattern = _ELEMENT_35 if self.tuples else _ELEMENT
        if not self.text:
            if not self.tuples:
                self._refuse("the list is empty", 0, 0)
            return
        at = 0
        while True:
            found = pattern.match(self.text, at)
            end = found.end() if found else len(self.text)
            element = self.text[at:end]
            word = element.strip(_SPACE)
            start = at + element.index(word)
            if word:
                self._element(word, start)
            else:
                self._refuse("an element is empty", at, end)
            if end == len(self.text):
                break
            self._tuple += self.text[end] == "/"
            at = end + 1
        if not self.tuples and not self.groups and not self.error:  # "?name" alone on 3.3 and 3.4
            self._refuse("no group is left", 0, len(self.text))

    def _element(self, word: str, start: int) -> None:
        prefixes, end = "", start + len(word)
        if self.openssl.version >= (3, 3):
            found = _PREFIXES.match(word)
            prefixes = found.group() if found and self.tuples else "?" if word.startswith("?") else ""
        name = word[len(prefixes) :]
        if self.tuples and name.upper() == "DEFAULT":
            if prefixes:
                self._refuse("DEFAULT takes no prefix", start, end)
            for number, together in enumerate(evaluate_groups(None, self.openssl).tuples):
                self._tuple += number > 0
                for g in together:
                    self._add(g)
            return
        if len(set(prefixes)) < len(prefixes):
            self._refuse("a prefix is repeated", start, end)
            return
        spellings = _table(self.openssl.generation)[1]
        found_group = known_group(name, self.openssl)
        if found_group is None:
            self._unknown(name, start + len(prefixes), prefixes, spellings)
        elif "-" in prefixes:
            if found_group in self.groups:
                self.groups.remove(found_group)
        elif found_group in self.groups and not self.tuples:
            self._refuse(f"{name} is repeated", start, end)
        else:
            if "*" in prefixes:
                self._shares += 1
                if self._shares > _MOST_SHARES:
                    self._refuse(f"more than {_MOST_SHARES} key shares are requested", start, end)
            self._add(found_group)

    def _add(self, g: Group) -> None:
        if g not in self.groups:
            self.groups.append(g)
            self._tuple_of[g.number] = self._tuple

    def _unknown(self, name: str, start: int, prefixes: str, spellings: tuple[str, ...]) -> None:
        end = start + len(name)
        elsewhere = group(name)
        if elsewhere is None:
            suggests = len(self.unknown) < MOST_SUGGESTIONS
            reason, suggestion = "misspelt", nearest(name, spellings) if suggests else None
        else:
            here = [s for s in (elsewhere.name, *elsewhere.aliases) if s in spellings]
            other = "newer" if _since(elsewhere.number) > GENERATIONS.index(self.openssl.generation) else "removed"
            reason, suggestion = ("spelling", here[0]) if here else (other, None)
        if not name:
            self._refuse("a prefix has no name", start - len(prefixes), end)
            return
        self.unknown.append(UnknownWord(name, start, end, prefixes, reason, suggestion))
        if "?" not in prefixes or len(name) > _LONGEST:
            self._refuse(f"unknown group {name}", start, end)

    def _refuse(self, why: str, start: int, end: int) -> None:
        if self.error is None:
            self.error, self.error_at = why, (start, end)
