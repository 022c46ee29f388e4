"""Rules are left out only where they would find nothing.

``python -m tests.test_needs`` writes the table of topics anew; ``python tests/test_docs.py --write`` runs that, too.
"""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import nginxtls
from nginxtls import api
from nginxtls.linting import registry
from nginxtls.linting.registry import GROUP, Point, installed_rules, mentioned, rules_about
from nginxtls.linting.run import lint
from nginxtls.linting.settings import Settings
from nginxtls.rule import Rule
from tests.rules.conftest import all_rules

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "nginxtls" / "linting" / "needs.tsv"
OF_HOOKS = {
    "check_bundle": {"ssl_certificate", "ssl_conf_command"},
    "check_upstream": {"*_pass"},
}
"""Without any of these directives there is nothing to call the hook with."""
HOOKS = ("configuration", "server", "endpoint", "bundle", "upstream", "setting", "directive")


@pytest.fixture(autouse=True)
def _no_other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the sources, with metadata of its own, may be on the path."""
    points = {Point(each.name, each.value) for each in entry_points(group=GROUP)}
    monkeypatch.setattr(registry, "_own_points", lambda: sorted(points))


def needs(rule: Rule) -> set[str] | None:
    """The directives without any of which a rule finds nothing; None: that is not known."""
    found: set[str] = set()
    overridden = [f"check_{each}" for each in HOOKS if f"check_{each}" in vars_of(rule)]
    for hook in overridden:
        if hook == "check_directive":
            found.update(rule.directives)
        elif rule.needs:
            found.update(rule.needs)
        elif hook == "check_setting":
            found.update(rule.decides, {"ssl_conf_command"})
        elif hook in OF_HOOKS:
            found.update(OF_HOOKS[hook])
        else:
            return None
    return found or None


def vars_of(rule: Rule) -> set[str]:
    return {name for kind in type(rule).__mro__ if kind not in (Rule, object) for name in vars(kind)}


def table() -> str:
    """A line for each topic all of whose rules need a directive: the topic, and these directives."""
    topics: dict[str, list[set[str] | None]] = {}
    for rule in all_rules().values():
        topics.setdefault(rule.topic, []).append(needs(rule))
    lines = []
    for topic, found in sorted(topics.items()):
        known = [each for each in found if each is not None]
        if len(known) == len(found):
            lines.append(f"{topic}\t{' '.join(sorted(set().union(*known)))}\n")
    return "".join(lines)


def test_the_table_is_what_the_rules_need() -> None:
    assert TABLE.read_text(encoding="utf-8") == table()


def configurations() -> list[Path]:
    return sorted(path for path in (ROOT / "fixtures").rglob("*") if path.suffix in (".conf", ".j2", ".template"))


def found(paths: list[str], **options: Any) -> list[tuple[str, str, int, str]]:
    report = nginxtls.check(*paths, pedantic=True, **options)
    return sorted((f.rule, f.location.name, f.location.span.line, f.message) for f in report.findings)


def test_what_is_left_out_finds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every eighth file of the fixtures, and its lines as a fragment: no rule of a topic that is not loaded fires, and
    none of a rule without the directives that it needs."""
    read = api.read
    left_out: set[str] = set()

    def reading(*args: Any, **options: Any) -> api.Reading:
        made = read(*args, **options)
        names = {name for subject in made.subjects for each in subject.configurations for name in each.mentions}
        left_out.clear()
        left_out.update(installed_rules().keys() - rules_about(names).keys())
        return made

    monkeypatch.setattr(api, "read", reading)
    monkeypatch.setattr(api, "rules_about", lambda names: installed_rules())
    seen: set[str] = set()
    for kind in {type(rule) for rule in installed_rules().values()}:
        if kind.needs:
            monkeypatch.setattr(kind, "needs", ())
    for number, path in enumerate(configurations()[::8]):
        text = path.read_text(encoding="utf-8", errors="replace").replace("nginxtls", "")
        lines = text.replace("{", "{\n").replace("}", "\n}\n").splitlines()
        inner = [line for line in lines if line.strip().endswith(";") and "include" not in line]
        part = tmp_path / f"{number}.conf"
        part.write_text("\n".join(inner) + "\n", encoding="utf-8")
        for file in (path, part):
            fired = {rule for rule, *_ in found([str(file)])}
            assert not fired & left_out, file
            seen |= left_out
    assert len(seen) > 150


@pytest.mark.parametrize("names", [{"ssl_protocols"}, {"ssl_certificate", "listen"}, {"http", "proxy_pass"}, set()])
def test_a_topic_is_loaded_where_one_of_its_directives_is(names: set[str]) -> None:
    lines = dict(line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    topics = {rule.topic for rule in rules_about(names).values()}
    assert topics == {
        rule.topic
        for rule in all_rules().values()
        if rule.topic not in lines or mentioned(lines[rule.topic].split(), names)
    }


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The topics of each run."""
    topics: list[set[str]] = []

    def linted(subjects: Any, rules: Any, *rest: Any, **options: Any) -> Any:
        topics.append({rule.topic for rule in rules.values()})
        return lint(subjects, rules, *rest, **options)

    monkeypatch.setattr("nginxtls.api.lint", linted)
    return topics


def test_a_fragment_needs_few_topics(tmp_path: Path, loaded: list[set[str]]) -> None:
    (tmp_path / "tls.conf").write_text("ssl_protocols TLSv1;\n")
    assert [rule for rule, *_ in found([str(tmp_path / "tls.conf")])]
    assert {"protocols", "suppression"} <= loaded[0]
    assert not loaded[0] & {"backends", "chain", "mtls", "stapling"}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("ssl_protocols TLSv1;  # nginxtls: ignore[missing-intermediate] none\n", {}),
        ("ssl_protocols TLSv1;\n", {"select": ["missing-intermediate", "legacy-protocol"]}),
        ("ssl_protocols TLSv1;\n", {"ignore": ["missing-intermediate"]}),
        ("ssl_protocols TLSv1;\n", {"settings": Settings(severity=(("missing-intermediate", "note"),))}),
        ("ssl_protocols TLSv1;\n", {"settings": Settings(per_path_ignores=(("*", ("chain",)),))}),
    ],
    ids=["comment", "select", "ignore", "severity", "path"],
)
def test_all_rules_are_loaded_where_one_is_named(
    text: str, options: dict[str, Any], tmp_path: Path, loaded: list[set[str]]
) -> None:
    (tmp_path / "tls.conf").write_text(text)
    found([str(tmp_path / "tls.conf")], **options)
    assert loaded == [{rule.topic for rule in installed_rules().values()}]


def test_a_baseline_knows_all_rules(tmp_path: Path, loaded: list[set[str]]) -> None:
    (tmp_path / "tls.conf").write_text("ssl_protocols TLSv1;\n")
    (tmp_path / "baseline.json").write_text(json.dumps({"version": 1, "findings": []}))
    found([str(tmp_path / "tls.conf")], settings=Settings(baseline=str(tmp_path / "baseline.json")))
    assert loaded == [{rule.topic for rule in installed_rules().values()}]


def test_with_rules_of_other_packages_all_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_own_points", list)
    assert rules_about(()) == installed_rules()


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
