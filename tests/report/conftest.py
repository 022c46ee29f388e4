"""Reports to render: an ordinary one, one full of hostile names and texts, and a large one."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from nginxtls.finding import Edit, Finding, Fix, Label, Location, Severity
from nginxtls.linting.report import EndpointRow, Report
from nginxtls.rule import Rule, delete
from nginxtls.syntax import parse_text
from nginxtls.syntax.places import Failure, NotChecked
from nginxtls.syntax.tree import SourceFile

DATA = Path(__file__).with_name("data")
AT = datetime(2026, 11, 24, 9, 0, tzinfo=timezone.utc)
ROOT = "/srv/repository"
NASTY = "a::error file=x::b]]><script>alert(1)</script>&amp;|`@user #1\r\n::warning::c\x1b[31m\u202e\u200f\x00\udcff%0A[x](http://evil)"


class LegacyProtocol(Rule):
    """TLS 1.0 is accepted.

    It was retired in 2021.

    ```nginx bad
    ssl_protocols TLSv1;
    ```

    ```nginx good
    ssl_protocols TLSv1.2;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc8996",)


def at(file: SourceFile, words: str, number: int = 0) -> Location:
    """Where words stand in a file."""
    start = -1
    for _ in range(number + 1):
        start = file.text.index(words, start + 1)
    return Location(file, file.span(start, start + len(words)))


def source(name: str, text: str) -> SourceFile:
    return parse_text(text, name, f"{ROOT}/{name}")


def report(*findings: Finding, **more: Any) -> Report:
    rules = {"legacy-protocol": LegacyProtocol()}
    return Report(findings, more.pop("rules", rules), at=AT, root=more.pop("root", ROOT), **more)


@pytest.fixture(name="ordinary")
def _ordinary() -> Report:
    main = source("nginx.conf", "events {}\n" + "\n" * 7 + "    ssl_protocols TLSv1 TLSv1.2;\n")
    default = source("sites-enabled/default.conf", "server {\n    listen 443 ssl default_server;\n}\n")
    shop = source("sites-enabled/shop.conf", "server {\n\n\n\n    ssl_protocols TLSv1.2 TLSv1.3;\n}\n")
    place = at(main, "TLSv1")
    fix = Fix("remove `TLSv1`", (Edit(at(main, "TLSv1 "), ""),))
    finding = Finding(
        "legacy-protocol",
        Severity.ERROR,
        "TLS 1.0 is accepted for shop.example.com",
        place,
        label="enables TLS 1.0",
        labels=(
            Label(at(default, "default_server"), "this server decides the protocols of every name on *:443"),
            Label(at(shop, "ssl_protocols TLSv1.2 TLSv1.3"), "not used for this name by nginx 1.26"),
        ),
        notes=("clients of before 2010 need it",),
        help="TLS 1.0 clients will be refused",
        fix=fix,
        endpoints=tuple(f"{name}.example.com on *:443" for name in ("shop", "www", "a", "b", "c")),
        security_severity=7.5,
        fingerprint="ab" * 16,
    )
    repeated = Finding(
        "repeated-directive",
        Severity.NOTE,
        "the line stands there twice",
        at(shop, "ssl_protocols TLSv1.2 TLSv1.3"),
        fix=Fix("remove it", (delete(shop.directives[0].block[0]),), safe=True),  # type: ignore[index]
        fingerprint="cd" * 16,
    )
    certificate = source("tls.conf", "ssl_certificate_key a.key;\nssl_certificate_key b.key;\n")
    return report(
        finding,
        repeated,
        suppressed=(
            finding.replace(suppressed="baseline", fingerprint="1"),
            finding.replace(suppressed="ignored: old phones [sic]", fingerprint="2"),
        ),
        not_checked=tuple(
            NotChecked(name, "no permission", at(certificate, f"ssl_certificate_key {name}"))
            for name in ("a.key", "b.key")
        ),
        endpoints=(
            EndpointRow("*:443", "shop.example.com", ("TLSv1", "TLSv1.2"), "CN=shop", AT + timedelta(11), place),
            EndpointRow("*:443", "_", ("TLSv1.2",), "", None, place),
        ),
        files=4,
        servers=3,
        certificates=1,
        seconds=0.123,
    )  # fmt: skip


@pytest.fixture(name="hostile")
def _hostile() -> Report:
    """Everything that comes from a tree or a rule says ``NASTY``."""
    name = f"sites/{NASTY}.conf".replace("\x00", "")
    file = SourceFile(name, f"server {{ # {NASTY}\n}}\n", f"{ROOT}/{name}")
    place = at(file, "server {")
    finding = Finding(
        "legacy-protocol", Severity.ERROR, NASTY, place, NASTY, (Label(place, NASTY),), (NASTY,), NASTY,
        Fix(NASTY, (Edit(place, NASTY),)), (NASTY,), fingerprint="ab" * 16,
    )  # fmt: skip
    return report(
        finding,
        finding.replace(fingerprint="cd" * 16, location=Location(file, file.span(0, len(file.text)))),
        suppressed=(finding.replace(suppressed=f"ignored: {NASTY}"),),
        not_checked=(NotChecked(NASTY, NASTY, place), NotChecked(NASTY, NASTY)),
        failures=(Failure(NASTY, NASTY, place, NASTY), Failure(NASTY, NASTY)),
        endpoints=(EndpointRow(NASTY, NASTY, (NASTY,), NASTY, AT, place),),
        gone=(NASTY,),
        hints=(NASTY,),
    )


@cache
def _many() -> Report:
    rows = [f"    ssl_protocols TLSv1 TLSv1.2; # {number}" for number in range(10_000)]
    file = SourceFile("sites/all.conf", "\n".join(rows) + "\n", f"{ROOT}/sites/all.conf")
    severities = [Severity.NOTE, Severity.WARNING, Severity.ERROR]
    findings = []
    for number in range(10_000):
        start = file.line_starts[number] + 18
        place = Location(file, file.span(start, start + 5))
        other = Location(file, file.span(start + 6, start + 13))
        findings.append(
            Finding(
                ("legacy-protocol", "other-rule")[number % 2],
                severities[number % 3],
                f"TLS 1.0 is accepted for site{number}.example.com",
                place,
                "enables it",
                (Label(other, "stays"),),
                help="remove it",
                endpoints=(f"site{number}.example.com on *:443",),
                fingerprint=f"{number:032x}",
            )
        )
    rows_of = tuple(EndpointRow("*:443", f"site{n}.example.com", ("TLSv1.2",), "CN=x", AT, place) for n in range(5000))
    return report(*findings, endpoints=rows_of, files=1)


@pytest.fixture(name="many")
def _large() -> Report:
    return _many()


@pytest.fixture
def schema() -> Any:
    return lambda name: json.loads((DATA / name).read_text(encoding="utf-8"))
