"""Fingerprints and the baseline: what is known stays known while lines move and files are renamed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxtls.base.errors import UsageError
from nginxtls.finding import Finding, Location, Severity
from nginxtls.linting.baseline import read_baseline, write_baseline
from nginxtls.linting.fingerprint import fingerprinted
from nginxtls.linting.run import lint
from nginxtls.linting.settings import Settings
from nginxtls.linting.subjects import Subject
from nginxtls.model import Configuration
from nginxtls.rule import Rule
from nginxtls.syntax import Tree, parse_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.syntax import Directive

SITE = """\
server {
    listen 443 ssl;
    server_name a.example.com;
    ssl_protocols TLSv1 TLSv1.2;
}
server {
    listen 443 ssl;
    server_name b.example.com;
    ssl_protocols TLSv1 TLSv1.2;
    location / { proxy_pass https://x; }
    location / { proxy_pass https://x; }
}
"""


def findings(text: str, name: str = "site.conf", rule: str = "legacy-protocol") -> list[Finding]:
    """A finding at every directive of a file."""
    file = parse_text(text, name)
    return fingerprinted(
        Finding(rule, Severity.ERROR, f"at {directive.name}", Location(file, directive.span))
        for directive in file.walk()
    )


def prints(text: str, **options: str) -> list[str]:
    return [finding.fingerprint for finding in findings(text, **options)]


def test_each_finding_has_its_own() -> None:
    assert len(set(prints(SITE))) == len(findings(SITE)) == 12


@given(st.lists(st.sampled_from(["", "# a comment", "   ", "\t"]), max_size=12))
def test_moved_lines_spaces_and_file_names_change_nothing(lines: list[str]) -> None:
    moved = "\n".join(lines) + "\n" + SITE.replace("    ", "\t").replace(";", " ;")
    assert prints(moved, name="renamed.conf") == prints(SITE)


def test_a_server_above_changes_nothing() -> None:
    assert prints("server { listen 80; server_name c; }\n" + SITE)[3:] == prints(SITE)


def test_another_rule_another_server_another_value_are_other_findings() -> None:
    assert not set(prints(SITE)) & set(prints(SITE, rule="other"))
    changed = set(prints(SITE)) - set(prints(SITE.replace("TLSv1 TLSv1.2;", "TLSv1.2;", 1)))
    assert len(changed) == 1


def test_two_words_of_one_directive_are_two() -> None:
    file = parse_text("ssl_protocols SSLv3 TLSv1;\n")
    directive = file.directives[0]
    both = [
        Finding("legacy-protocol", Severity.ERROR, "m", Location(file, directive.arg_span(index))) for index in (0, 1)
    ]
    first, second = fingerprinted(both)
    assert first.fingerprint != second.fingerprint
    assert fingerprinted(both[1:])[0].fingerprint == second.fingerprint


class Worded(Rule):
    """A rule with two findings at each listen directive; only the words of their messages differ between runs."""

    directives = ("listen",)
    words = ("first", "second")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        for word, endpoint in zip(self.words, ("a on *:443", "b on *:443"), strict=True):
            yield self.at(directive, f"the {word} name on {directive.args[0]}", endpoints=[endpoint])


class Reworded(Worded):
    """The same rule, with messages in the opposite alphabetical order."""

    name = "worded"
    words = ("zebra", "antelope")


def test_a_reworded_message_keeps_its_fingerprint(tmp_path: Path) -> None:
    def run(rule: Rule) -> dict[str, Finding]:
        file = parse_text(SITE, "site.conf")
        report = lint([Subject(Configuration(Tree([file], [file])), {file})], {rule.name: rule}, Settings())
        return {finding.fingerprint: finding for finding in report.findings}

    before, after = run(Worded()), run(Reworded())
    assert len(before) == 4
    assert {f.message for f in before.values()}.isdisjoint(f.message for f in after.values())
    assert {key: f.endpoints for key, f in before.items()} == {key: f.endpoints for key, f in after.items()}
    # A baseline with only some of the findings suppresses just these after a rewording.
    path = tmp_path / "baseline.json"
    known = [finding for finding in before.values() if "first" in finding.message]
    write_baseline(path, known)
    left = [f for f in after.values() if read_baseline(path).apply(f).suppressed is None]
    assert len(left) == 2
    assert all("antelope" in finding.message for finding in left)


def test_a_baseline_knows_what_was_written_into_it(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    known = findings(SITE)
    assert write_baseline(path, known[1:]) == 11
    baseline = read_baseline(path)
    assert [baseline.apply(finding).suppressed for finding in known] == [None, *["baseline"] * 11]
    assert baseline.gone(known, lambda entry: True) == ()
    assert baseline.gone(known[:-1], lambda entry: True) == ("site.conf: legacy-protocol: at proxy_pass",)
    assert baseline.gone(known[:-1], lambda entry: False) == ()
    again = path.read_bytes()
    write_baseline(path, reversed(known[1:]))
    assert path.read_bytes() == again


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "findings": [{}]}', "[" * 100_000])
def test_what_is_no_baseline_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="baseline"):
        read_baseline(path)


def test_a_missing_baseline_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_baseline(tmp_path / "none.json")
    with pytest.raises(UsageError, match="cannot be written"):
        write_baseline(tmp_path / "no" / "folder.json", [])
