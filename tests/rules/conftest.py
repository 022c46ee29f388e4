"""The harness of the rules: it lints fixtures and examples as the commands do and hands each of them to the tests.

A test that has an argument ``fixture``, ``example`` or ``rule`` is run for each fixture of
``fixtures/rules/<topic>/<rule>/``, each example of a rule's documentation, each rule. ``lint`` lints a text as a file
of the folder ``fixtures/``.
"""

from __future__ import annotations

import pkgutil
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

import nginxtls.rules
import pytest

from nginxtls import api, detection
from nginxtls.linting.registry import GROUP, rules_of
from nginxtls.linting.report import Report
from nginxtls.linting.run import lint as run_linter
from nginxtls.linting.settings import Settings
from nginxtls.linting.subjects import Subject
from nginxtls.model import Configuration, Facts, Store
from nginxtls.pki import TrustStore
from nginxtls.rule import Example, Rule
from nginxtls.syntax.files import Files
from nginxtls.syntax.fragments import classify
from nginxtls.syntax.reading import Reader, source
from nginxtls.testing import expectations, whole

FIXTURES = Path(__file__).parents[2] / "fixtures"
AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
TRUST = "certificates/root.pem"


@dataclass(frozen=True)
class Options:
    """How a text is linted: what the options of the command line are called, and defaults that fit the certificates."""

    nginx: str | None = None
    openssl: str | None = None
    at: datetime = AT
    trust: tuple[str, ...] = (TRUST,)
    policy: str | None = None
    pedantic: bool = False
    kind: str | None = None


@dataclass(frozen=True)
class Fixture:
    """A configuration ``bad*.conf`` or ``good*.conf`` in the folder of a rule."""

    rule: str
    path: Path

    @property
    def good(self) -> bool:
        return self.path.name.startswith("good")

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def options(self) -> Options:
        found = re.search(r"^# lint: (.*)$", self.text, re.MULTILINE)
        return options_of(found[1] if found else "")

    @property
    def expected(self) -> list[tuple[int, str, int | None]]:
        """Line, rule, and column where one is given: what the comments ``# expect: rule, rule@column`` say."""
        return expectations(self.text)


@dataclass(frozen=True)
class Sample:
    """An example of a rule's documentation."""

    rule: Rule
    example: Example

    @property
    def text(self) -> str:
        """A complete configuration around the example; if it names no certificate, its TLS servers get one."""
        code = self.example.code
        return code if self.example.options.get("kind") else whole(code, self.certificate)

    @property
    def certificate(self) -> str:
        """The directives for the options ``certificate`` and ``key``; empty for ``certificate: none``."""
        certificate = self.example.options.get("certificate", "good.pem")
        if certificate == "none":
            return ""
        certificate = certificate if "." in certificate else f"{certificate}.pem"
        own = FIXTURES / "certificates" / f"{certificate.rpartition('.')[0]}.key"
        key = self.example.options.get("key") or (own.name if own.exists() else "good.key")
        return f"ssl_certificate certificates/{certificate}; ssl_certificate_key certificates/{key};"

    @property
    def options(self) -> Options:
        given = self.example.options
        words = {key: value for key, value in given.items() if key in ("nginx", "openssl", "at", "trust", "policy")}
        found = options_of(" ".join(f"--{key} {value}" for key, value in words.items()))
        return replace(found, kind=given.get("kind"), pedantic=self.rule.pedantic)


def options_of(line: str) -> Options:
    """The options of a ``# lint:`` line, called as those of the command (and ``--kind``)."""
    words = iter(shlex.split(line))
    options = Options()
    trust: tuple[str, ...] = ()
    for word in words:
        match word:
            case "--nginx-version" | "--nginx":
                options = replace(options, nginx=next(words))
            case "--openssl-version" | "--openssl":
                options = replace(options, openssl=next(words))
            case "--at":
                moment = datetime.fromisoformat(next(words))
                options = replace(options, at=moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))
            case "--trust":
                trust = (*trust, next(words))
            case "--policy":
                options = replace(options, policy=next(words))
            case "--pedantic":
                options = replace(options, pedantic=True)
            case "--kind":
                options = replace(options, kind=next(words))
            case _:
                raise ValueError(f"unknown option in a fixture: {word}")
    return replace(options, trust=trust) if trust else options


@cache
def all_rules() -> dict[str, Rule]:
    """The rules of all modules of rules/, whether or not an entry point leads there yet."""
    modules = [module.name for module in pkgutil.iter_modules(nginxtls.rules.__path__) if module.name != "common"]
    rules = rules_of(EntryPoint(name, f"nginxtls.rules.{name}", GROUP) for name in modules)
    return {name: rule for name, rule in rules.items() if not type(rule).__subclasses__()}


@cache
def _files() -> Files:
    return Files([FIXTURES])


@cache
def trust_store(paths: tuple[str, ...]) -> TrustStore | None:
    return api.trust_store(tuple(path if path == "none" else str(FIXTURES / path) for path in paths))


def configure(name: str, text: str, options: Options) -> Subject:
    """The configuration that a text is, its relative paths starting from ``fixtures/``."""
    file = source(name, text)
    kind, context = classify(file)
    tree = Reader(_files()).tree([file], str(FIXTURES))
    policy = None
    if options.policy:
        from nginxtls.tls import policy as policy_named

        policy = policy_named(options.policy)
    facts = Facts(
        completeness=options.kind or kind,
        nginx=detection.nginx_version(options.nginx),
        openssl=detection.openssl_version(options.openssl),
        at=options.at,
        trust=trust_store(options.trust),
        policies=(policy,) if policy else (),
    )
    configuration = Configuration(tree, facts, Store(_files(), str(FIXTURES)), context=context)
    return Subject(configuration, set(tree.files))


def lint_text(name: str, text: str, options: Options = Options(), select: Sequence[str] = ()) -> Report:
    settings = Settings(select=tuple(select), pedantic=options.pedantic)
    report = run_linter([configure(name, text, options)], all_rules(), settings)
    assert not report.failures, [f"{f.subject}: {f.reason}" for f in report.failures]
    return report


@pytest.fixture
def lint() -> Callable[..., Report]:
    """``lint(name, text, options, select)``: the report on a text."""
    return lint_text


@pytest.fixture
def rules() -> dict[str, Rule]:
    return all_rules()


def fixtures() -> list[Fixture]:
    return [
        Fixture(folder.name, path)
        for folder in sorted(FIXTURES.glob("rules/*/*"))
        for path in sorted([*folder.glob("bad*.conf"), *folder.glob("good*.conf")])
    ]


def samples() -> list[Sample]:
    return [Sample(rule, example) for rule in all_rules().values() for example in rule.examples]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fixture" in metafunc.fixturenames:
        found = fixtures()
        metafunc.parametrize("fixture", found, ids=[f"{f.rule}/{f.path.stem}" for f in found])
    if "sample" in metafunc.fixturenames:
        cases = samples()
        ids = [f"{s.rule.name}-{'good' if s.example.good else 'bad'}" for s in cases]
        metafunc.parametrize("sample", cases, ids=ids)
    if "rule" in metafunc.fixturenames:
        metafunc.parametrize("rule", all_rules().values(), ids=list(all_rules()))


@pytest.fixture
def configured() -> Callable[[Fixture], Subject]:
    """The configuration of a fixture."""
    return lambda fixture: configure(fixture.path.name, fixture.text, fixture.options)
