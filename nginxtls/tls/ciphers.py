"""OpenSSL cipher strings: which suites a string such as ``HIGH:!aNULL`` selects, in which order, on a given OpenSSL.

The rules are those of ``ssl_create_cipher_list`` and ``ssl_cipher_process_rulestr`` (ssl/ssl_ciph.c) of each generation
and of ciphers(1); tests/conformance/test_ciphers.py compares them. A list of suites is kept as two: those switched
on, in order, and those that are off but may still come.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import count

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import NamedTuple, pattern

from .levels import suite_allowed
from .openssl import GENERATIONS, OpenSSL
from .suites import Suite, compiled, draft_tls13_suite, read_table, suite

_SEPARATORS = ": ;,"
_REST = pattern(r"[^: ;,]*")
_LETTERS = pattern(r"[A-Za-z0-9.=_-]*")
_LETTERS_BEFORE_IANA = pattern(r"[A-Za-z0-9.=-]*")
# A search for similar words takes milliseconds.
MOST_SUGGESTIONS = 8
"""So many unknown words of a list get the word that was probably meant: finding it takes long."""
_FIELDS = ("key_exchange", "authentication", "encryption", "mac", "protocol", "strength", "default")


class Word(NamedTuple):
    """One rule of a cipher string.

    ``word`` may be a combination (``ECDHE+AESGCM``); ``start`` and ``end`` are its span in the string, without the
    ``operator``, which is ``""``, ``"+"``, ``"-"``, ``"!"`` or ``"@"``. ``suites`` is what it did: without operator the
    suites that are in the result because of it, with ``-`` and ``!`` those it took out, with ``+`` those it moved to
    the end.
    """

    word: str
    start: int
    end: int
    operator: str
    suites: tuple[Suite, ...]


class UnknownWord(NamedTuple):
    """A word that this OpenSSL skips silently.

    ``reason``: ``removed`` (other OpenSSLs have it), ``tls13`` (a suite of TLS 1.3, which cipher strings do not
    govern), ``iana`` (a suite's IANA name, known from 3.2 on), ``profile`` (``PROFILE=SYSTEM``, which only Red Hat's
    builds know), ``position`` (DEFAULT counts only at the beginning) or ``misspelt``. In lists of groups also ``newer``
    (than this OpenSSL) and ``spelling``, of TLS 1.3 suites ``tls12``. ``suggestion`` is the nearest word that is
    known, or None.
    """

    word: str
    start: int
    end: int
    operator: str
    reason: str
    suggestion: str | None


class Evaluation(NamedTuple):
    """What a cipher string gives: ``suites`` of TLS 1.2 and before, in OpenSSL's order, as ``openssl ciphers`` lists
    them.

    ``security_level`` is that of an explicit ``@SECLEVEL``, else None. ``error`` is OpenSSL's reason for refusing the
    string (``"no cipher match"``, ``"invalid command"``), ``error_at`` where it meets the first thing it cannot read.
    """

    text: str
    openssl: OpenSSL
    suites: tuple[Suite, ...]
    security_level: int | None
    words: tuple[Word, ...]
    unknown: tuple[UnknownWord, ...]
    error: str | None
    error_at: int | None = None

    def usable(self, level: int | None = None) -> tuple[Suite, ...]:
        """The suites left at a security level (default: the string's own, else the build's), as ``openssl ciphers -s``
        lists them.

        Those of PSK and SRP, which need a server that nginx is not, are left out.
        """
        if level is None:
            level = self.security_level if self.security_level is not None else self.openssl.default_security_level
        return tuple(s for s in self.suites if servable(s) and suite_allowed(s, level))


def servable(suite: Suite) -> bool:
    """Whether a server without pre-shared keys and SRP users, as nginx is, can ever use the suite."""
    return "PSK" not in suite.key_exchange and suite.key_exchange != "SRP"


class CipherString(NamedTuple):
    """An OpenSSL cipher string."""

    text: str

    def evaluate(self, openssl: OpenSSL) -> Evaluation:
        """What the string gives on this OpenSSL. Never raises; the same string is evaluated once."""
        return _evaluate(self.text, openssl)


class _Pattern(NamedTuple):
    """What a word selects: a set of values per field, as bits, 0 for any; the suite that it names, or -1."""

    masks: tuple[int, ...]
    named: int = -1

    def __add__(self, other: _Pattern) -> _Pattern | None:  # type: ignore[override]
        """Both at once; None if a field has no value in common, which OpenSSL treats like an unknown word."""
        mine = self.masks
        if other.masks[5] and not mine[5]:  # a strength class overwrites what was said of DEFAULT before it
            mine = (*mine[:6], 0)
        masks = []
        for a, b in zip(mine, other.masks, strict=True):
            both = a & b if a and b else a or b
            if a and b and not both:
                return None
            masks.append(both)
        return _Pattern(tuple(masks), other.named)


_numbers = {name: count() for name in _FIELDS}


@cache
def _mask(field_name: str, values: str) -> int:
    """A set of values as bits: ``a,b``, all but some (``~a``), or ``-``, which is any and 0."""
    if values == "-":
        return 0
    if values.startswith("~"):
        return ~_mask(field_name, values[1:])
    if "," not in values:
        return 1 << next(_numbers[field_name])
    mask = 0
    for value in values.split(","):
        mask |= _mask(field_name, value)
    return mask


@cache
def _masks_of(s: Suite) -> tuple[int, ...]:
    default = "NOT_DEFAULT" if "NOT_DEFAULT" in s.flags else "-"
    strength = ",".join(sorted(s.flags - {"NOT_DEFAULT"})) or "NONE"
    values = (s.key_exchange, s.authentication, f"{s.encryption}({s.bits})", s.mac, s.protocol, strength, default)
    return tuple(map(_mask, _FIELDS, values))


@cache
def _words() -> tuple[tuple[str, list[str], _Pattern], ...]:
    """The words of all builds: each with the builds that have it and what it selects there."""
    found = []
    for word, builds, *sets, flags in read_table("words.tsv"):
        default = flags if flags == "NOT_DEFAULT" else "-"
        values = (*sets, "-" if flags == default else flags, default)
        found.append((word, builds.split(), _Pattern(tuple(map(_mask, _FIELDS, values)))))
    return tuple(found)


def cipher_words(openssl: OpenSSL) -> tuple[str, ...]:
    """The words of cipher strings that this OpenSSL knows, beside the names of suites."""
    return tuple(dict.fromkeys(word for word, builds, _ in _words() if not openssl.builds.isdisjoint(builds)))


class _Build:
    """The suites and words of one build, and their order before a cipher string is applied."""

    def __init__(self, generation: str, builds: frozenset[str]) -> None:
        self.generation = generation
        # OpenSSL 4.0 ignores case.
        self.folds = GENERATIONS.index(generation) >= GENERATIONS.index("4.0")
        self.names_iana = GENERATIONS.index(generation) >= GENERATIONS.index("3.2")
        self.suites = tuple(s for s in compiled(builds) if s.protocol != "TLSv1.3")
        self._masks = [_masks_of(s) for s in self.suites]
        self.words = {word: pattern for word, having, pattern in _words() if not builds.isdisjoint(having)}
        for index, s in enumerate(self.suites):
            masks = self._masks[index]
            # A suite's protocol version is not part of the pattern that its name makes.
            named = _Pattern((*masks[:4], 0, *masks[5:]), index)
            self.words[s.name] = named
            if self.names_iana:
                self.words[s.iana] = named
        self.known = tuple(self.words)
        if self.folds:
            self.words.update({word.upper(): pattern for word, pattern in self.words.items()})
        self._selected: dict[_Pattern, frozenset[int]] = {}
        self.everything = _Pattern((0,) * len(_FIELDS))
        self.order = self._arrange()
        # IANA names have underscores.
        self.letters = _LETTERS if self.names_iana else _LETTERS_BEFORE_IANA

    def word(self, text: str) -> _Pattern | None:
        """What a word selects; None if it is unknown."""
        return self.words.get(text.upper() if self.folds else text)

    def select(self, pattern: _Pattern) -> frozenset[int]:
        """The suites, as indices, that a pattern selects."""
        found = self._selected.get(pattern)
        if found is None:
            left: Iterable[int] = range(len(self.suites)) if pattern.named < 0 else (pattern.named,)
            for at, mask in enumerate(pattern.masks):
                if mask:
                    left = [i for i in left if self._masks[i][at] & mask]
            found = self._selected[pattern] = frozenset(left)
        return found

    def _where(self, **values: str) -> frozenset[int]:
        return self.select(_Pattern(tuple(_mask(name, values.get(name, "-")) for name in _FIELDS)))

    def _arrange(self) -> _Indices:
        """All suites in the order of preference that OpenSSL brings them into before it reads the string."""
        listing = _List(range(len(self.suites) - 1, -1, -1))
        where, everything = self._where, self.select(self.everything)
        old = self.generation == "1.0.2"
        if not old:
            listing.add(where(key_exchange="ECDHE", authentication="ECDSA"))
        listing.add(where(key_exchange="ECDHE"))
        listing.delete(where(key_exchange="ECDHE"))
        if not old:
            listing.add(where(encryption="AESGCM(128),AESGCM(256)"))
            listing.add(where(encryption="CHACHA20/POLY1305(256)"))
        listing.add(self.select(self.words["AES"]))
        listing.add(everything)
        listing.order(where(mac="MD5"))
        listing.order(where(authentication="None"))
        if old:
            listing.order(where(authentication="ECDH"))
        listing.order(where(key_exchange="RSA"))
        listing.order(where(key_exchange="PSK"))
        listing.order(where(encryption="RC4(128)"))
        listing.sort(self.suites)
        if not old:
            listing.bump(where(protocol="TLSv1.2"))
            listing.bump(where(mac="AEAD"))
            listing.bump(where(key_exchange="DHE,ECDHE"))
            listing.bump(where(key_exchange="DHE,ECDHE", mac="AEAD"))
        listing.delete(everything)
        return listing.off


_Indices = tuple[int, ...]


class _List:
    """The list under work: suites that are off and suites that are on, as indices."""

    def __init__(self, off: Iterable[int]) -> None:
        self.off: _Indices = tuple(off)
        self.on: _Indices = ()

    def add(self, which: frozenset[int]) -> _Indices:
        moved, self.off = _split(self.off, which)
        self.on += moved
        return moved

    def delete(self, which: frozenset[int]) -> _Indices:
        moved, self.on = _split(self.on, which)
        self.off = moved + self.off
        return moved

    def kill(self, which: frozenset[int]) -> _Indices:
        moved = self.delete(which)
        self.off = _split(self.off, which)[1]
        return moved

    def order(self, which: frozenset[int]) -> _Indices:
        moved, kept = _split(self.on, which)
        self.on = kept + moved
        return moved

    def bump(self, which: frozenset[int]) -> None:
        moved, kept = _split(self.on, which)
        self.on = moved + kept

    def sort(self, suites: tuple[Suite, ...]) -> None:
        self.on = tuple(sorted(self.on, key=lambda i: -suites[i].strength_bits))


def _split(indices: _Indices, which: frozenset[int]) -> tuple[_Indices, _Indices]:
    return tuple([i for i in indices if i in which]), tuple([i for i in indices if i not in which])


_OPERATIONS = {"": _List.add, "-": _List.delete, "!": _List.kill, "+": _List.order}


@cache
def _build(generation: str, builds: frozenset[str]) -> _Build:
    return _Build(generation, builds)


_SUITE_B = (
    ("SUITEB128ONLY", ("ECDHE-ECDSA-AES128-GCM-SHA256",)),
    ("SUITEB128C2", ("ECDHE-ECDSA-AES256-GCM-SHA384",)),
    ("SUITEB128", ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384")),
    ("SUITEB192", ("ECDHE-ECDSA-AES256-GCM-SHA384",)),
)
_DEFAULT = "ALL:!COMPLEMENTOFDEFAULT:!eNULL"
_DEFAULT_102 = "ALL:!EXPORT:!LOW:!aNULL:!eNULL:!SSLv2"


@bounded(1024, 1_000_000)
def _evaluate(text: str, openssl: OpenSSL) -> Evaluation:
    build = _build(openssl.generation, openssl.builds)
    text = text.partition("\0")[0]
    start_of_text = text[:14].upper() if build.folds else text[:14]
    for word, names in _SUITE_B:
        if start_of_text.startswith(word):
            suites = tuple(s for s in map(suite, names) if s)
            return Evaluation(text, openssl, suites, None, (Word(word, 0, len(word), "", suites),), (), None)
    reader = _Reader(build, text)
    start = 0
    if start_of_text.startswith("DEFAULT"):
        rules = _Reader(build, _DEFAULT_102 if build.generation == "1.0.2" else _DEFAULT, reader.listing)
        rules.read(0)
        reader.note("DEFAULT", 0, "", rules.listing.on)
        start = 8 if text[7:8] == ":" else 7
    reader.read(start)
    suites = () if reader.error_at is not None else tuple(build.suites[i] for i in reader.listing.on)
    error = "invalid command" if reader.error_at is not None else None if suites else "no cipher match"
    level = reader.level
    return Evaluation(text, openssl, suites, level, reader.rules(), tuple(reader.unknown), error, reader.error_at)


class _Reader:
    """Reads a cipher string and applies it, rule by rule, to a list of suites."""

    def __init__(self, build: _Build, text: str, listing: _List | None = None) -> None:
        self.build, self.text = build, text
        self.listing = listing or _List(build.order)
        self.level: int | None = None
        self.error_at: int | None = None
        self.unknown: list[UnknownWord] = []
        self._words: list[tuple[str, int, str, _Indices]] = []
        self._brought: dict[int, int] = {}
        self._steps: dict[object, tuple[_Indices, _Indices, _Indices]] = {}

    def read(self, at: int) -> None:
        text, build = self.text, self.build
        letters = build.letters
        while at < len(text):
            if text[at] in _SEPARATORS:
                at += 1
                continue
            operator = text[at] if text[at] in "-+!@" else ""
            at += len(operator)
            start = at
            pattern: _Pattern | None = None
            while True:
                found = letters.match(text, at)
                word = found.group() if found else ""
                end = at + len(word)
                if not word:  # neither word, separator nor operator
                    if self.error_at is None:
                        self.error_at = at
                    pattern = None
                    at += 1
                    break
                if operator == "@":
                    self._command(word, at)
                    break
                known = build.word(word)
                if known is None:
                    self._unknown(word, at, operator)
                pattern = known if pattern is None or known is None else pattern + known
                at = end
                if text[at : at + 1] != "+":
                    break
                at += 1
                if pattern is None:
                    break
            if operator == "@" or pattern is None:
                rest = _REST.match(text, at)
                at = rest.end() if rest else len(text)
                if operator == "@":
                    self.note(text[start:at], start, operator, ())
            else:
                self.note(text[start:at], start, operator, self._apply(operator, build.select(pattern)))

    def _command(self, word: str, at: int) -> None:
        """``@STRENGTH`` and ``@SECLEVEL=n``, which 1.0.2 does not have."""
        if self.build.folds:
            word = word.upper()
        if word == "STRENGTH":
            self.listing.sort(self.build.suites)
        elif (
            len(word) == 10
            and word.startswith("SECLEVEL=")
            and word[9] in "012345"
            and self.build.generation != "1.0.2"
        ):
            self.level = int(word[9])
        elif self.error_at is None:
            self.error_at = at

    def note(self, word: str, start: int, operator: str, moved: _Indices) -> None:
        """Keep what a rule did."""
        if not operator and moved:
            self._brought.update(dict.fromkeys(moved, len(self._words)))
        self._words.append((word, start, operator, moved))

    def _apply(self, operator: str, which: frozenset[int]) -> _Indices:
        """Apply an operator to the list; what it moved. In a long string the same step comes again and again."""
        before = self.listing.on, self.listing.off, operator, which
        done = self._steps.get(before)
        if done is None:
            moved = _OPERATIONS[operator](self.listing, which)
            done = self._steps[before] = self.listing.on, self.listing.off, moved
        self.listing.on, self.listing.off, moved = done
        return moved

    def rules(self) -> tuple[Word, ...]:
        """The rules and what each did to the result."""
        suites = self.build.suites
        on = {index: number for index, number in self._brought.items() if index in self.listing.on}
        effective = set(on.values())
        moves = {moved: tuple(suites[i] for i in moved) for moved in {word[3] for word in self._words if word[2]}}
        out = []
        for number, (word, start, operator, moved) in enumerate(self._words):
            if operator:
                did = moves[moved]
            else:
                did = tuple(suites[i] for i in moved if on.get(i) == number) if number in effective else ()
            out.append(Word(word, start, start + len(word), operator, did))
        return tuple(out)

    def _unknown(self, word: str, at: int, operator: str) -> None:
        # Before 3.2 an underscore ends a word, but what follows is skipped along with it.
        whole = _LETTERS.match(self.text, at)
        word = whole.group() if whole else word
        reason, suggestion = _explain(word, self.build, len(self.unknown) < MOST_SUGGESTIONS)
        self.unknown.append(UnknownWord(word, at, at + len(word), operator, reason, suggestion))


def _explain(word: str, build: _Build, suggest: bool) -> tuple[str, str | None]:
    """Why a word is unknown to a build, and the nearest one that it knows."""
    named = suite(word)
    if (named and named.protocol == "TLSv1.3") or word in ("TLSv1.3", "TLS13") or draft_tls13_suite(word):
        return "tls13", None
    if word.startswith("PROFILE="):
        return "profile", None
    if word == "DEFAULT":
        return "position", None
    if named and word == named.iana and named.name in build.words:
        return "iana", named.name
    if named or word in _all_words():
        return "removed", None
    return "misspelt", nearest(word, _as_strong(word, build.known)) if suggest else None


def _as_strong(word: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The known words that a word may be a slip of: one with other digits is of another strength."""
    digits = sorted(filter(str.isdigit, word))
    return tuple(candidate for candidate in known if sorted(filter(str.isdigit, candidate)) == digits)


@cache
def _all_words() -> frozenset[str]:
    return frozenset(row[0] for row in read_table("words.tsv"))


@bounded(1024, 1_000_000)
def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that was probably meant, or None: one that differs in case only, else a very similar one."""
    for candidate in known:
        if candidate.lower() == word.lower():
            return candidate
    import difflib

    found = difflib.get_close_matches(word[:80], known, 1, 0.8 if len(word) > 4 else 0.6)
    return found[0] if found else None
