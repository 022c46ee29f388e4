"""What nginx says before and after fixes: ``nginx -t`` accepts after each what it accepted before."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nginxtls.finding import Finding
from nginxtls.fix import plan
from tests.fix.test_safety import NAME, linter
from tests.rules.conftest import FIXTURES, Options, fixtures


def fixed(text: str, options: Options) -> Iterator[tuple[Finding, str]]:
    """Each finding with a fix, and the text after that fix alone."""
    for finding in linter(text, options)({}).report.findings:
        if finding.fix:
            for new in plan([finding], unsafe=True).texts.values():
                yield finding, new


def verdict(text: str, generation: dict[str, Any], folder: Path) -> tuple[bool, int] | None:
    """Whether nginx -t accepts a configuration, and how often it warns; None if it may not open the sockets."""
    modules = Path(generation["modules"])
    load = "".join(
        f"load_module {modules}/ngx_{name}_module.so;\n"
        for name in ("stream", "mail")
        if (modules / f"ngx_{name}_module.so").exists()
    )
    for shared in FIXTURES.iterdir():
        if not (folder / shared.name).exists():
            (folder / shared.name).symlink_to(shared)
    main = folder / NAME
    main.write_text(f"{load}pid {folder}/pid; error_log stderr;\n{text}", encoding="utf-8")
    done = subprocess.run(
        [generation["nginx"], "-t", "-p", folder, "-c", main],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    if "bind() to" in done.stderr:
        return None
    return not done.returncode, done.stderr.count("[warn]")


def test_nginx_accepts_after_a_fix_what_it_accepted_before(
    generation: dict[str, Any], generations: list[dict[str, Any]], full: bool, tmp_path: Path
) -> None:
    """Fixes offered for these versions, and those offered where no version is given.

    Unless everything is asked, each generation gets its share of the fixtures.
    """
    names = [each["name"] for each in generations]
    share = names.index(generation["name"]) if generation["name"] in names else 0
    tried: set[tuple[str, str]] = set()
    verdicts: dict[str, tuple[bool, int] | None] = {}

    def judged(text: str) -> tuple[bool, int] | None:
        if text not in verdicts:
            verdicts[text] = verdict(text, generation, tmp_path)
        return verdicts[text]

    wrong = []
    for number, fixture in enumerate(fixtures()):
        if not full and number % len(names) != share:
            continue
        versions = replace(
            fixture.options, nginx=generation["nginx_version"], openssl=generation["openssl_version"], pedantic=True
        )
        unknown = [fixture.options] if not (fixture.options.nginx or fixture.options.openssl) else []
        for options in (versions, *unknown):
            for finding, new in fixed(fixture.text, options):
                if (fixture.text, new) in tried:
                    continue
                tried.add((fixture.text, new))
                before, after = judged(fixture.text), judged(new)
                if before is None or after is None:
                    continue
                assert finding.fix
                # A safe fix may remove a line that this generation does not start with, and adds no warning.
                if before[0] and (not after[0] or (finding.fix.safe and after[1] > before[1])):
                    wrong.append(f"{fixture.rule}/{fixture.path.stem}: {finding.rule} ({finding.fix.title})")
    assert len(tried) > (1000 if full else 200)
    assert not wrong
