"""Cipher strings as rules see them: how OpenSSL interprets one, and which part of it enables a suite."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, ClassVar

from nginxtls.rules.common.edits import quoted
from nginxtls.rules.common.grouping import WORD, cipher_text, word_place

from nginxtls.base.lazy import NamedTuple
from nginxtls.rule import NGINX_SSL, Fix, Rule, replace_argument
from nginxtls.tls import CipherString

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from nginxtls.finding import Finding, Location
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import Evaluation, OpenSSL, Suite

SSL_CIPHERS = f"{NGINX_SSL}#ssl_ciphers"
CIPHERS_1 = "https://docs.openssl.org/3.5/man1/openssl-ciphers/"
SECURITY_LEVEL = "https://docs.openssl.org/3.5/man3/SSL_CTX_get_security_level/"
SSL_CONF = "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/"

WEAK_ENCRYPTION = ("None", "RC4", "3DES", "DES", "IDEA", "RC2")
"""The ciphers that have rules of their own (``weak``), so that no other rule repeats them."""


class CipherList(NamedTuple):
    """A cipher string, its directive and argument, how OpenSSL interprets it, and the endpoints that it applies to."""

    directive: Directive
    text: str
    arg: int
    evaluation: Evaluation
    endpoints: Sequence[Endpoint]
    openssl: OpenSSL

    def place(self, start: int, end: int) -> Location:
        """Where the part of the string from ``start`` to ``end`` is written."""
        return word_place(self.directive, self.arg, start, end)

    def appended(self, *words: str, safe: bool = False) -> Fix | None:
        """The fix that appends words; None if OpenSSL refuses the result."""
        added = f":{':'.join(words)}"
        return self.replaced(self.text + added, f"append `{added}` to the cipher string", safe=safe)

    def without(self, starts: Collection[int], *, safe: bool = False) -> Fix | None:
        """The fix that removes the words in which these offsets are, operators included; None if no suite remains."""
        order = sorted(starts)
        kept = []
        for word in WORD.finditer(self.text):
            after = bisect_left(order, word.start())
            if after == len(order) or order[after] >= word.end():
                kept.append(word.group())
        return self.replaced(":".join(kept), "remove it", safe=safe)

    def replaced(self, text: str, title: str = "", *, safe: bool = False) -> Fix | None:
        """The fix that writes another cipher string; None if OpenSSL refuses it, or it has no suite."""
        result = CipherString(text).evaluate(self.openssl)
        if result.error or not result.suites:
            return None
        edit = replace_argument(self.directive, self.arg, quoted(text))
        return Fix(title or f"set `{self.directive.name} {text};`", (edit,), safe)

    def place_of(self, suites: Iterable[Suite]) -> Location:
        """The word of the string that enables the first of these suites, or the whole string."""
        wanted = set(suites)
        for word in self.evaluation.words:
            if not word.operator and wanted & set(word.suites):
                return self.place(word.start, word.end)
        return self.place(0, len(self.text))


def cipher_list(directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration) -> CipherList | None:
    """The cipher string of a deciding directive; None if it is not fully known or not a single argument."""
    text, arg = cipher_text(directive)
    if not directive.known or not text or len(directive.args) > arg + 1 or "$" in text:
        return None
    # Brackets are BoringSSL's syntax and PROFILE= is Red Hat's: an unknown library may be either.
    if not configuration.facts.openssl_known and ("[" in text or "PROFILE=" in text):
        return None
    return CipherList(directive, text, arg, endpoints[0].tls.evaluation, endpoints, configuration.facts.openssl)


class _CipherRule(Rule):
    """Base of the rules about cipher strings: calls ``check_ciphers`` with each effective one."""

    decides = ("ssl_ciphers",)
    refused: ClassVar[bool] = False
    """Whether the rule also checks strings that OpenSSL refuses."""

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterable[Finding]:
        ciphers = cipher_list(directive, endpoints, configuration)
        if ciphers is None or (ciphers.evaluation.error and not self.refused):
            return ()
        return self.check_ciphers(ciphers, configuration)

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterable[Finding]:
        """Called once per cipher string that some endpoints use."""
        raise NotImplementedError


def is_unprotected(suite: Suite) -> bool:
    """Whether a suite lacks encryption or authentication."""
    return suite.anonymous or suite.encryption == "None"
