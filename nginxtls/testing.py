"""Tests of rules: the examples of their documentation and their fixtures, linted as ``check`` does it."""

from __future__ import annotations

import re
import shlex
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxtls import api
from nginxtls.base.errors import UsageError, nearest
from nginxtls.base.lazy import NamedTuple
from nginxtls.linting.registry import GROUP, rules_of
from nginxtls.linting.settings import Settings
from nginxtls.syntax.reading import source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nginxtls.linting.report import Report
    from nginxtls.rule import Example, Rule
    from nginxtls.syntax.tree import Directive

SERVER = """\
events {{}}
http {{
    server {{
        listen 443 ssl;
        server_name example.com;
{code}
    }}
}}
"""
CERTIFICATE = "ssl_certificate good.pem; ssl_certificate_key good.key;"


class Case(NamedTuple):
    """An example or a fixture: what it is called, and what is wrong with it (empty: it passed)."""

    rule: str
    title: str
    fault: str = ""


def rules_of_package(name: str) -> Mapping[str, Rule]:
    """The rules of an installed package, by the name of the package or of its entry point.

    Raises:
        UsageError: no installed package of that name has rules, it has none, or one of its classes is wrong.
    """
    from importlib.metadata import entry_points

    points = list(entry_points(group=GROUP))
    by_name: dict[str, list[Any]] = {}
    for point in points:
        for title in {point.name, point.value, *([point.dist.name] if point.dist else [])}:
            by_name.setdefault(title, []).append(point)
    if name not in by_name:
        install = "install it in this environment, with `pip install -e .` in its folder"
        raise UsageError(f'"{name}"', "is not an installed package with rules", nearest(name, by_name) or install)
    if not (rules := rules_of(by_name[name])):
        help = "derive a class from nginxtls.rule.Rule in the module of the entry point, or in one that it imports"
        raise UsageError(f'"{name}"', "has no rule", help)
    return rules


def run_cases(rules: Mapping[str, Rule], fixtures: Path | None = None) -> Iterator[Case]:
    """Lint each example of the rules' documentation, and ``RULE/bad*.conf`` and ``RULE/good*.conf`` in a folder."""
    with tempfile.TemporaryDirectory(prefix="nginxtls-") as name:
        folder = Path(name)
        _write_certificate(folder)
        for rule in rules.values():
            yield from _examples(rule, folder)
            if fixtures is not None:
                yield from _fixtures(rule, fixtures / rule.name, folder)


def whole(code: str, certificate: str = CERTIFICATE) -> str:
    """A complete configuration around an example; if it names no certificate, its TLS servers get these directives."""
    explicit = re.search(r"^\s*ssl_certificate\s", code, re.MULTILINE) is not None
    if not re.search(r"^\s*(events|http|stream|mail|server)\s*\{", code, re.MULTILINE):
        return SERVER.format(code=code if explicit else f"{certificate}\n{code}")
    if not re.search(r"^\s*(events|http|stream|mail)\s*\{", code, re.MULTILINE):
        code = f"http {{\n{code}\n}}\n"
    if not re.search(r"^\s*events\s*\{", code, re.MULTILINE):
        code = f"events {{}}\n{code}"
    return code if explicit or not certificate else with_certificate(code, certificate)


def with_certificate(text: str, lines: str) -> str:
    """A configuration with these directives at the end of each TLS server."""
    file = source("example.conf", text)
    ends = [directive.end - 1 for directive in file.walk() if directive.name == "server" and serves_tls(directive)]
    for end in sorted(ends, reverse=True):
        text = f"{text[:end]}{lines}\n{text[end:]}"
    return text


def serves_tls(server: Directive) -> bool:
    """Whether a server block needs a certificate: it listens with TLS and accepts handshakes."""
    own = server.block or []
    if any(line.name == "ssl_reject_handshake" and line.args == ("on",) for line in own):
        return False
    return any(
        {"ssl", "quic"} & set(line.args) if line.name == "listen" else line.args[:1] != ("off",)
        for line in own
        if line.name in ("listen", "ssl", "starttls")
    )


def expectations(text: str) -> list[tuple[int, str, int | None]]:
    """Line, rule, and column where one is given: what the comments ``# expect: rule, rule@column`` say."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if comment := re.search(r"# expect: ([a-z0-9@, -]+)$", line.rstrip()):
            for word in comment[1].split(","):
                name, _, column = word.strip().partition("@")
                found.append((number, name, int(column) if column else None))
    return found


def _examples(rule: Rule, folder: Path) -> Iterator[Case]:
    for number, example in enumerate(rule.examples, 1):
        title = f"{'good' if example.good else 'bad'} example {number}"
        text = example.code if example.options.get("kind") else whole(example.code, _certificate(example))
        found = [f"line {line}: {message}" for line, _, message in _found(rule, text, folder, example.options)]
        if example.good:
            yield Case(rule.name, title, f"reported: {'; '.join(found)}" if found else "")
        else:
            yield Case(rule.name, title, "" if found else "nothing is reported")
    for kind, good in (("good", True), ("bad", False)):
        if not any(example.good is good for example in rule.examples):
            yield Case(rule.name, f"{kind} example", f"there is none: write one in a fence ```nginx {kind}")


def _certificate(example: Example) -> str:
    return "" if example.options.get("certificate") == "none" else CERTIFICATE


def _fixtures(rule: Rule, cases: Path, folder: Path) -> Iterator[Case]:
    for path in sorted([*cases.glob("bad*.conf"), *cases.glob("good*.conf")]):
        text = path.read_text(encoding="utf-8")
        line = re.search(r"^# lint: (.*)$", text, re.MULTILINE)
        words = iter(shlex.split(line[1]) if line else [])
        options = {word.lstrip("-").removesuffix("-version"): next(words, "") for word in words}
        found = [(number, rule.name, column) for number, column, _ in _found(rule, text, folder, options)]
        wanted = [each for each in expectations(text) if each[1] == rule.name]
        columns = {number for number, _, column in wanted if column is not None}
        reported = sorted((number, column if number in columns else 0) for number, _, column in found)
        expected = sorted((number, column or 0) for number, _, column in wanted)
        title = f"{path.parent.name}/{path.name}"
        if path.name.startswith("bad") and not wanted:
            yield Case(rule.name, title, f"it expects nothing: write `# expect: {rule.name}` on the line of the fault")
        else:
            fault = "" if reported == expected else f"expected {_places(expected)}, reported {_places(reported)}"
            yield Case(rule.name, title, fault)


def _places(places: list[tuple[int, int]]) -> str:
    return ", ".join(f"line {line}" + (f" column {column}" if column else "") for line, column in places) or "nothing"


def _found(rule: Rule, text: str, folder: Path, options: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """Line, column and message of what the rule reports.

    Raises:
        UsageError: it stops with an exception, or the text is not a configuration.
    """
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    settings = Settings(
        select=(rule.name,),
        pedantic=rule.pedantic,
        nginx_version=options.get("nginx") or None,
        openssl_version=options.get("openssl") or None,
        policy=(options["policy"],) if options.get("policy") else (),
        trust=(str(folder / "good.pem"),),
    )
    at = datetime.fromisoformat(options["at"]).replace(tzinfo=timezone.utc) if options.get("at") else None
    report: Report = api.report([str(folder / "nginx.conf")], settings, root="/", at=at)
    for failure in report.failures:
        raise UsageError(f"{rule.name}: {failure.subject}", failure.reason, failure.help)
    return [(f.location.span.line, f.location.span.column, f.message) for f in report.findings if f.rule == rule.name]


def _write_certificate(folder: Path) -> None:
    """A certificate for example.com and all its subdomains, valid now."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.com")])
    now = datetime.now(timezone.utc)
    names = [x509.DNSName(each) for each in ("example.com", "*.example.com")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "good.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "good.key").write_bytes(private)
