"""Rules about the words of `ssl_protocols`: unknown, repeated, added up over several lines, or with a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import written
from nginxtls.rules.common.grouping import listed, spoken, titles
from nginxtls.rules.protocols.common import SSL_PROTOCOLS, without

from nginxtls.finding import Edit, Severity
from nginxtls.model.effective import VERSIONS, protocol_names
from nginxtls.rule import Fix, Rule, delete, label, locate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive

_WORDS = {name.lower(): name for name in ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")}


class UnknownProtocol(Rule):
    """`ssl_protocols` has a word that nginx does not know, and nginx does not start.

    The words are `SSLv2`, `SSLv3`, `TLSv1`, `TLSv1.1`, `TLSv1.2` and `TLSv1.3`, in any case. `TLSv1.0`, `TLS1.2` and
    `TLSv1.4` are invalid (measured: `[emerg] invalid value`).

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: write the version as nginx does.

    ```nginx bad
    ssl_protocols TLS1.2 TLSv1.3;
    ```

    ```nginx good
    ssl_protocols tlsv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    references = (SSL_PROTOCOLS,)
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not directive.known:
            return
        for index, arg in enumerate(directive.args):
            if "$" in arg or arg.lower() in _WORDS:
                continue
            meant = _meant(arg)
            yield self.at(
                directive,
                f"nginx does not start: `ssl_protocols` has no value `{arg}`",
                arg=index,
                label="invalid value",
                help=f"replace it with `{meant}`"
                if meant
                else f"use one of {listed([f'`{word}`' for word in _WORDS.values()], 6)}",
                fix=Fix(f"replace it with `{meant}`", (Edit(locate(directive, index), meant),)) if meant else None,
            )


class RepeatedProtocol(Rule):
    """`ssl_protocols` lists a protocol twice.

    nginx logs a warning at each start (`duplicate value`) and continues.

    Clients: no difference.

    Fix: remove the duplicate. Clients are not affected.

    ```nginx bad
    ssl_protocols TLSv1.2 TLSv1.3 TLSv1.2;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    references = (SSL_PROTOCOLS,)
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        seen: set[str] = set()
        for index, arg in enumerate(directive.args):
            word = arg.lower()
            if word in seen and word in _WORDS:
                yield self.at(
                    directive,
                    f"`{arg}` is listed twice",
                    arg=index,
                    help="remove the duplicate",
                    fix=without(directive, [index], safe=True),
                )
                return
            seen.add(word)


class RepeatedSslProtocols(Rule):
    """One block has two `ssl_protocols` directives, and nginx adds them up.

    nginx rejects other repeated directives as duplicates or uses only one of them; this one is a bit mask, and each
    line enables more of its bits. `ssl_protocols TLSv1.2; ssl_protocols TLSv1.3;` enables both, and a strict second
    line disables nothing of what the first one enables (measured on nginx 1.18.0, 1.22.1, 1.26.3 and 1.30.6;
    `nginx -t` reports nothing).

    Clients: all versions of both lines are accepted, old ones included.

    Fix: keep one line.

    Limitation: lines in different branches of a template are not compared.

    ```nginx bad
    ssl_protocols TLSv1.1 TLSv1.2;
    ssl_protocols TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (1188,)
    references = (SSL_PROTOCOLS,)
    needs = ("ssl_protocols",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        scopes = [*configuration.blocks.values(), *(server.scope for server in configuration.servers)]
        seen: set[Directive] = set()
        for scope in scopes:
            lines = [line for line in scope.all("ssl_protocols") if not scope.is_conditional(line)]
            if len(lines) < 2 or lines[-1] in seen or not all(line.known for line in lines):
                continue
            seen.add(lines[-1])
            sums = protocol_names(value for line in lines for value in line.args)
            if sums == protocol_names(lines[-1].args):
                continue
            times = "twice" if len(lines) == 2 else f"{len(lines)} times"
            yield self.at(
                lines[-1],
                f"`ssl_protocols` is set {times} in this block, which adds up to {spoken(sums)}",
                label="adds to the line above",
                labels=[label(line, "remains effective") for line in lines[:-1]],
                help="keep one line",
                fix=_as_one(lines, [name for name in _WORDS.values() if name in sums]),
            )


class ProtocolGap(Rule):
    """There is a gap between the protocol versions.

    OpenSSL treats the list as a set, so `TLSv1 TLSv1.2` refuses TLS 1.1 clients although older ones can connect; and
    when it prepares a handshake it considers only the lowest versions up to the gap. If the cipher string has no suite
    for these, every handshake fails (see `dead-default-server`).

    Clients: clients whose newest version is the one left out are refused; others connect, unless `dead-default-server`
    is reported.

    Fix: fill the gap or, better, remove the versions below it.

    ```nginx bad
    ssl_protocols TLSv1 TLSv1.2;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = ("https://docs.openssl.org/3.5/man3/SSL_CTX_set_options/", SSL_PROTOCOLS)
    decides = ("ssl_protocols",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        gaps = {e: gap for e in endpoints if (gap := _gap(e.tls.enabled)) and e.tls.protocols.known}
        if gaps:
            missing = next(iter(gaps.values()))
            yield self.at(
                directive,
                f"there is a gap between the protocol versions: {spoken(missing)}"
                f" {'is' if len(missing) == 1 else 'are'} missing",
                help="remove the versions below the gap",
                fix=_above(directive, missing),
                endpoints=titles(gaps),
            )


def _meant(word: str) -> str | None:
    digits = [c for c in word if c.isdigit()]
    lower = word.lower()
    if lower.startswith("tls") and digits in (["1"], ["1", "0"]):
        return "TLSv1"
    if lower.startswith("tls") and len(digits) == 2 and digits[0] == "1" and digits[1] in "123":
        return f"TLSv1.{digits[1]}"
    return None


def _gap(versions: frozenset[str]) -> list[str]:
    """The versions that are missing between the lowest and the highest of these."""
    places = sorted(VERSIONS.index(version) for version in versions)
    return [VERSIONS[i] for i in range(places[0], places[-1]) if i not in places] if places else []


def _as_one(lines: Sequence[Directive], names: list[str]) -> Fix | None:
    """The fix that writes what lines add up to on the first of them and removes the others."""
    if any(line.file is not lines[0].file for line in lines):
        return None
    fix = written(lines[0], *names, safe=True)
    return Fix(fix.title, (*fix.edits, *map(delete, lines[1:])), safe=True)


def _above(directive: Directive, missing: list[str]) -> Fix | None:
    """The fix that removes the versions below the last one that is missing."""
    below = VERSIONS[: VERSIONS.index(missing[-1])]
    return without(directive, [i for i, word in enumerate(directive.args) if protocol_names([word]) & {*below}])
