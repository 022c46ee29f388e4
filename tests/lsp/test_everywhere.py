"""Every place of every fixture: nothing fails there, texts are printable, and each finding can be ignored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nginxtls.linting.settings import Settings
from nginxtls.linting.suppression import ignoring
from nginxtls.lsp.checking import Checked, Checker, Request
from nginxtls.lsp.completion import completions
from nginxtls.lsp.context import spot
from nginxtls.lsp.definitions import definitions, links
from nginxtls.lsp.diagnostics import diagnostics
from nginxtls.lsp.hints import KINDS, hints
from nginxtls.lsp.hover import hover
from nginxtls.lsp.places import Places

EVERY = int(os.environ.get("NGINXTLS_LSP_EVERY", "9"))
"""Every so many files are looked at; 1 takes minutes."""
RULES = Path(__file__).parents[2] / "fixtures" / "rules"
TOPICS = sorted(folder.name for folder in RULES.iterdir() if folder.is_dir())


def files(topic: str) -> Iterator[Path]:
    """The faulty configurations of a topic that are files of their own."""
    yield from sorted(RULES.glob(f"{topic}/*/bad*.conf"))[::EVERY]


def checked(path: Path, text: str) -> tuple[Checked, Places]:
    request = Request({str(path): (path.as_uri(), text)}, (), {})
    return Checker().check(request, Settings()), Places(request.opened)


@pytest.mark.parametrize("topic", TOPICS)
def test_nothing_fails_at_any_place(topic: str) -> None:
    for path in files(topic):
        text = path.read_bytes().decode("utf-8", "replace")
        found, places = checked(path, text)
        assert found.report
        reported = diagnostics(found, places, lambda rule: None).get(path.as_uri(), [])
        shown = [line for each in reported for line in each.message.split("\n")]
        for subject, file in found.places(str(path)):
            step = max(1, len(file.text) // 40)
            for offset in range(0, len(file.text), step):
                place = spot(subject, file, offset)
                shown += hover(place, places, [str(each.code) for each in reported]).split("\n")
                definitions(found, place, places)
                position = places.between(file, offset, offset).start
                back = places.offset(file, position)
                assert back is not None
                assert places.between(file, back, back).start == position
                if offset % (4 * step) == 0:
                    completions(subject.configuration, file, offset, places)
            shown += [str(hint.label) for hint in hints(subject, file, 0, len(file.text), places, KINDS)]
            assert not list(links(file, places, lambda rule: None))
        assert all(line.isprintable() for line in shown)


@pytest.mark.parametrize("topic", TOPICS)
def test_each_finding_can_be_ignored_where_it_is(topic: str) -> None:
    for path in files(topic):
        text = path.read_bytes().decode("utf-8", "replace")
        found, places = checked(path, text)
        assert found.report
        for finding in found.report.findings[:4]:
            file = finding.location.file
            if file.path != str(path) or "suppression" in finding.rule:
                continue
            start = places.offset(file, places.target(finding.location).range.start)
            assert start is not None
            edit = ignoring(file, start, finding.rule)
            first = file.line_starts[edit.location.span.line - 1] + edit.location.span.column - 1
            changed = file.raw[:first] + edit.replacement + file.raw[first:]
            after, _ = checked(path, changed)
            assert after.report
            ignored = [each.rule for each in after.report.suppressed if each.suppressed == "ignored"]
            assert finding.rule in ignored, (path, finding.message, edit)
            assert not [each for each in after.report.findings if "suppression" in each.rule], (path, edit)
