"""What nginx says before and after fixes: a safe one changes no verdict of ``nginx -t``, an unsafe one spoils none."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from nginxtls.fix import plan
from tests.fix.test_safety import NAME, linter
from tests.rules.conftest import FIXTURES, Options, fixtures

CONFIGURATIONS = {f"{f.rule}/{f.path.stem}": (f.text, f.options) for f in fixtures()}


def fixed(text: str, options: Options) -> dict[str, tuple[bool, str]]:
    """The text after each fix by itself: whether it is safe, by the rule and line."""
    found = {}
    for finding in linter(text, options)({}).report.findings:
        if finding.fix:
            for new in plan([finding], unsafe=True).texts.values():
                found[f"{finding.rule} in line {finding.location.span.line}"] = (finding.fix.safe, new)
    return found


FIXED = {case: changes for case, (text, options) in CONFIGURATIONS.items() if (changes := fixed(text, options))}


def verdict(text: str, generation: dict[str, Any], folder: Path) -> tuple[bool, int]:
    """Whether nginx -t accepts a configuration, and how often it warns.

    Skips where this machine does not let nginx open the sockets.
    """
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
        pytest.skip("this machine does not let nginx -t open the fixture's sockets")
    return not done.returncode, done.stderr.count("[warn]")


@pytest.mark.parametrize("case", FIXED)
def test_nginx_accepts_after_a_fix_what_it_accepted_before(
    case: str, generation: dict[str, Any], tmp_path: Path
) -> None:
    text, options = CONFIGURATIONS[case]
    if options.nginx and not generation["nginx_version"].startswith(options.nginx.rpartition(".")[0] + "."):
        pytest.skip(f"the fixture is for nginx {options.nginx}")
    before = verdict(text, generation, tmp_path)
    for name, (safe, new) in FIXED[case].items():
        after = verdict(new, generation, tmp_path)
        if safe:
            assert after[0] == before[0], name
            assert after[1] <= before[1], name
        else:
            assert after[0] >= before[0], name
