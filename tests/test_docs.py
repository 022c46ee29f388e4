"""Documentation cannot go stale: every command shown with its output is run, generated pages are generated anew.

``python tests/test_docs.py --write`` writes the outputs and pages as they are now.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CONSOLE = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(import nginxtls.*?)^```$", re.MULTILINE | re.DOTALL)
TIME = re.compile(r"\b\d+(\.\d+)? ?(s|ms|seconds)\b")
SINCE = ROOT / "nginxtls" / "linting" / "since.tsv"
SETTINGS = re.compile(r"(?<=<!-- settings -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def consoles(page: Path) -> list[str]:
    return CONSOLE.findall(page.read_text(encoding="utf-8"))


def played(block: str) -> str:
    """A console block with its commands (``$ nginxtls …``) run again, in a copy of the showcase."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "showcase"
        shutil.copytree(ROOT / "fixtures" / "showcase", folder)
        for key in folder.rglob("*.key"):
            key.chmod(0o600)
        reported = []
        for line in block.splitlines():
            if line.startswith("$ "):
                reported += [line + "\n", run(line[2:], folder)]
        return "".join(reported)


def run(command: str, folder: Path) -> str:
    program, *arguments = shlex.split(command)
    assert program == "nginxtls", command
    done = subprocess.run(
        [Path(sys.executable).with_name("nginxtls"), *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n" * bool(done.stdout)


def timeless(text: str) -> str:
    return TIME.sub("0 s", text)


def rule_pages(folder: Path) -> dict[str, str]:
    subprocess.run([Path(sys.executable).with_name("nginxtls"), "rules", "--pages", folder], check=True)
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}


def versions_of_rules() -> str:
    """Each rule with the version of nginxtls that has it first; a new one is in the next release."""
    from nginxtls import __version__
    from nginxtls.linting.registry import installed_rules
    from nginxtls.live.differences import rules

    known = dict(line.split("\t") for line in SINCE.read_text(encoding="utf-8").splitlines())
    names = sorted(
        name for name, rule in {**installed_rules(), **rules()}.items() if type(rule).__module__.startswith("nginxtls.")
    )
    return "".join(f"{name}\t{known.get(name, __version__)}\n" for name in names)


def settings_table() -> str:
    from nginxtls.linting.settings import schema

    rows = []
    for key, entry in schema()["properties"].items():
        kind = {"array": "list", "object": "table", "boolean": "`true` or `false`"}
        types = entry.get("type", "")
        first = types[0] if isinstance(types, list) else types
        value = kind.get(first, "text") if first else "`error`, `warning` or `note`"
        rows.append(f"| `{key}` | {value} | {entry['description'].replace('*', chr(92) + '*')} |\n")
    return "".join(rows)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_gives_the_output_that_is_shown(page: Path) -> None:
    for block in consoles(page):
        assert timeless(played(block)) == timeless(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_example_in_python_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for code in PYTHON.findall(page.read_text(encoding="utf-8")):
        names: dict[str, object] = {}
        exec(compile(code, page.name, "exec"), names)  # noqa: S102 - our own documentation
        for name, value in names.items():
            if name.startswith("test_") and callable(value):
                value()


def test_the_rule_pages_are_up_to_date(tmp_path: Path) -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "rules").glob("*.md")}
    assert rule_pages(tmp_path) == written


def test_the_table_of_the_versions_of_rules_is_up_to_date() -> None:
    assert SINCE.read_text(encoding="utf-8") == versions_of_rules()


def troubleshooting() -> str:
    from nginxtls.linting.troubles import page

    return page({file.stem for file in (ROOT / "docs" / "rules").glob("*.md")})


def test_the_page_of_errors_is_up_to_date() -> None:
    assert (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8") == troubleshooting()


def test_the_table_of_settings_is_up_to_date() -> None:
    assert SETTINGS.findall((ROOT / "docs" / "settings.md").read_text(encoding="utf-8")) == [settings_table()]


def write() -> None:
    # First the table of rules with fixes, which the pages show.
    subprocess.run([sys.executable, "-m", "tests.fix.test_table"], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "tests.test_needs"], cwd=ROOT, check=True)
    SINCE.write_text(versions_of_rules(), encoding="utf-8")
    rule_pages(ROOT / "docs" / "rules")
    (ROOT / "docs" / "troubleshooting.md").write_text(troubleshooting(), encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        text = CONSOLE.sub(lambda match: played(match[0]), text)
        text = SETTINGS.sub(lambda match: settings_table(), text)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__" and "--write" in sys.argv:
    write()
