"""Rules about the value of Strict-Transport-Security."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import quoted
from nginxtls.rules.common.grouping import listed
from nginxtls.rules.hsts.helpers import ADD_HEADER, HSTS, RFC_6797, is_hsts

from nginxtls.finding import Edit, Severity
from nginxtls.rule import Fix, Rule, label, locate, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive

PRELOAD = "https://hstspreload.org/"
HALF_A_YEAR, YEAR = 15_768_000, 31_536_000
"""In seconds."""


class HstsWithoutAlways(Rule):
    """Strict-Transport-Security is sent with some response codes only.

    Without `always` nginx adds headers only to responses with the codes 200, 201, 204, 206, 301, 302, 303, 304, 307 and
    308: a browser whose first response is an error page does not get the policy.

    Clients: no error. A visitor whose first response is a 404 or a 502 does not get the policy, and the next `http://`
    link is followed in plain text.

    Fix: append `always` (nginx 1.7.5).

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000";
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    references = (ADD_HEADER,)
    directives = ("add_header",)
    since = "nginx 1.7.5"

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if (
            is_hsts(directive)
            and "always" not in directive.args[2:]
            and configuration.facts.assumed_nginx.at_least(1, 7, 5)
        ):
            text = " ".join(["add_header", *(directive.arg_text(i) for i in range(len(directive.args))), "always"])
            yield self.at(
                directive,
                f"{HSTS} is not sent with error responses",
                help="append `always`",
                fix=Fix("append always", (Edit(locate(directive), text),)),
            )


class MalformedHsts(Rule):
    """The value of Strict-Transport-Security is invalid, and browsers ignore the header.

    The value is a list of directives separated by semicolons. `max-age` with a number of seconds is required, and no
    directive may appear twice. Names are case-insensitive, and the number may be quoted.

    Clients: no error; browsers act as without the header.

    Fix: `add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;`

    Values with variables are not checked.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000, includeSubDomains" always;
    ```

    ```nginx bad
    add_header Strict-Transport-Security includeSubDomains always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.3
    references = (f"{RFC_6797}#section-6.1",)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if is_hsts(directive) and (problem := _problem(directive.args[1])):
            yield self.at(
                directive,
                f"browsers ignore this {HSTS} header: {problem}",
                arg=1,
                help='set the value to `"max-age=63072000; includeSubDomains"`',
                fix=_with_value(directive, "max-age=63072000; includeSubDomains"),
            )


class UnquotedHsts(Rule):
    """The value of Strict-Transport-Security is not quoted, so nginx reads what follows its `;` as a directive.

    Clients: connection refused once nginx is restarted (`unknown directive "includeSubDomains"`); after a failed reload
    they still get the previous configuration.

    Fix: quote the value: `add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;`

    ```nginx bad
    add_header Strict-Transport-Security max-age=63072000; includeSubDomains;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains";
    ```
    """

    severity = Severity.ERROR
    references = (ADD_HEADER, f"{RFC_6797}#section-6.1")
    needs = ("add_header",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        words = [name for name in configuration.by_name if name.lower() in ("includesubdomains", "preload")]
        headers = [line for line in configuration.directives("add_header") if is_hsts(line)] if words else []
        reported: set[Directive] = set()
        for line in (line for name in words for line in configuration.directives(name)):
            before = [each for each in headers if each.file is line.file and each.start < line.start]
            if not before or before[-1].line + 1 < line.line or before[-1] in reported:
                continue
            reported.add(before[-1])
            yield self.at(
                before[-1],
                f"nginx does not start: the value ends at its `;`, and `{line.name}` is read as a directive",
                arg=1,
                labels=[label(line, "nginx does not know it")],
                help=f'quote the value: `"{before[-1].args[1]}; {line.name}"`',
            )


class DisabledHsts(Rule):
    """Strict-Transport-Security has `max-age=0`, which makes browsers forget the policy.

    This is how a site withdraws the policy. If it is left in place, it removes the protection of every visitor who
    returns.

    Clients: no error. Each visit deletes the policy from the browser, which then follows `http://` links in plain text.

    Fix: set a `max-age` of a year or more, or remove the header.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=0" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    cwe = (319,)
    references = (f"{RFC_6797}#section-6.1.1",)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if _age(directive) == 0:
            yield self.at(
                directive,
                f"`max-age=0` makes browsers forget {HSTS}",
                arg=1,
                help="set `max-age=63072000`",
                fix=_with_age(directive, 63072000),
            )


class ShortHsts(Rule):
    """Strict-Transport-Security is valid for less than half a year.

    Visitors who do not return within that time are unprotected on their next visit. Mozilla recommends two years, and
    the preload list requires one.

    Clients: no error. A visitor who returns after that time follows the next `http://` link in plain text.

    Fix: set `max-age=63072000`. A short `max-age` is appropriate for the first weeks, until it is clear that nothing
    breaks.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=86400" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=15768000" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    cwe = (319,)
    references = (f"{RFC_6797}#section-6.1.1", "https://wiki.mozilla.org/Security/Server_Side_TLS")
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        age = _age(directive)
        if age and age < HALF_A_YEAR:
            yield self.at(
                directive,
                f"{HSTS} is valid for {_days(age)}, less than half a year",
                arg=1,
                help="set `max-age=63072000`",
                fix=_with_age(directive, 63072000),
            )


class IncompletePreload(Rule):
    """Strict-Transport-Security contains `preload`, but does not meet the requirements of the preload list.

    The list accepts a domain only with `includeSubDomains` and a `max-age` of at least a year (31536000).

    Clients: no difference for browsers; the preload list rejects the domain, so the first visit is as unprotected as
    without `preload`.

    Fix: complete the value, or remove `preload`: removal from the list takes months.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000; preload" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains; preload" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (PRELOAD,)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        age = _age(directive)
        words = _parts(directive.args[1]) if age else {}
        if not age or "preload" not in words:
            return
        lacking = [] if "includesubdomains" in words else ["includeSubDomains"]
        lacking += [] if age >= YEAR else [f"max-age={YEAR}"]
        if lacking:
            required = listed([f"`{word}`" for word in lacking])
            yield self.at(
                directive,
                f"the preload list rejects this header: it requires {required}",
                arg=1,
                help=f"set {required}, or remove `preload`",
                fix=_without(directive, "preload"),
            )


class HstsWithoutSubdomains(Rule):
    """Strict-Transport-Security does not include subdomains.

    A subdomain without TLS can set cookies for the whole domain, and an attacker on the network can impersonate any
    subdomain.

    Clients: no difference. `http://` links to a subdomain are followed in plain text, where an attacker can answer and
    set cookies for the whole domain.

    Fix: add `includeSubDomains` if all subdomains support TLS.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = (f"{RFC_6797}#section-6.1.2", f"{RFC_6797}#section-14.4")
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if _age(directive) and "includesubdomains" not in _parts(directive.args[1]):
            value = f"{directive.args[1].rstrip('; ')}; includeSubDomains"
            yield self.at(
                directive,
                f"{HSTS} does not include subdomains",
                arg=1,
                help="add `includeSubDomains`",
                fix=_with_value(directive, value),
            )


def _parts(value: str) -> dict[str, str]:
    """The directives of a value, names in lower case, without quotes."""
    parts = (part.strip().partition("=") for part in value.split(";") if part.strip())
    return {name.strip().lower(): text.strip().strip('"') for name, _, text in parts}


def _age(directive: Directive) -> int | None:
    """The max-age in seconds; None if it is another header, malformed or not a literal."""
    if not is_hsts(directive) or _problem(directive.args[1]):
        return None
    return int(_parts(directive.args[1])["max-age"])


def _days(seconds: int) -> str:
    days = round(seconds / 86400)
    return f"{days} day{'s' if days > 1 else ''}" if days else f"{seconds} seconds"


def _problem(value: str) -> str | None:
    """Why a value is invalid (RFC 6797, section 6.1), or None."""
    names = [part.partition("=")[0].strip().lower() for part in value.split(";") if part.strip()]
    times = Counter(names)
    if repeated := [name for name in names if times[name] > 1]:
        return f"`{repeated[0]}` appears twice"
    if "max-age" not in names:
        return "`max-age` is missing"
    age = _parts(value)["max-age"]
    if not re.fullmatch(r"[0-9]{1,19}", age):
        return (
            "directives are separated by semicolons, not commas" if "," in age else f'max-age is not a number: "{age}"'
        )
    odd = next((name for name in names if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9a-z-]+", name)), None)
    return f'"{odd}" is not a directive' if odd else None


def _with_value(directive: Directive, value: str) -> Fix:
    return Fix(f"set the value to `{value}`", (replace_argument(directive, 1, quoted(value)),))


def _with_age(directive: Directive, age: int) -> Fix:
    return _with_value(directive, re.sub(r'(?i)max-age\s*=\s*"?\d+"?', f"max-age={age}", directive.args[1]))


def _without(directive: Directive, word: str) -> Fix:
    parts = (part.strip() for part in directive.args[1].split(";"))
    return _with_value(directive, "; ".join(part for part in parts if part and part.lower() != word))
