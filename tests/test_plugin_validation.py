"""Rule classes of other packages: a mistake is one clear error on loading; a hook that fails costs its rule."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from nginxtls.base.errors import UsageError
from nginxtls.linting.registry import installed_rules, rules_of
from nginxtls.linting.validation import faults
from tests.test_plugins import SITE, run

HEAD = '"""Rules."""\nfrom nginxtls.rule import Confidence, Finding, Rule, Severity\n\n\n'
HOOK = "    def check_directive(self, directive, configuration):\n        return []\n"
CLASS = 'class OurRule(Rule):\n    """A fault."""\n\n'
NAMED = '    directives = ("ssl_certificate",)\n'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with one whose module is ``our_rules``."""
    info = tmp_path / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: ours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nginxtls.rules]\nours = our_rules\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "our_rules", raising=False)
    return tmp_path


def loaded(package: Path, text: str) -> str:
    """The error on loading the rules, or an empty text."""
    (package / "our_rules.py").write_text(HEAD + text)
    try:
        rules_of([EntryPoint("ours", "our_rules", "nginxtls.rules")])
    except UsageError as error:
        return str(error)
    finally:
        sys.modules.pop("our_rules", None)
    return ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CLASS + '    directives = "ssl_certificate"\n' + HOOK, "write `directives = ('ssl_certificate',)`"),
        (CLASS + '    directives = ["ssl_certificate"]\n' + HOOK, "`directives` is not a tuple of texts"),
        (CLASS + '    directives = ("ssl_certificat",)\n' + HOOK, "did you mean `ssl_certificate`?"),
        (CLASS + '    directives = ("frobnicate",)\n' + HOOK, "`frobnicate`, which is not a directive of nginx"),
        (CLASS + '    severity = "error"\n' + NAMED + HOOK, "`severity` is 'error', not a Severity"),
        (CLASS + "    security_severity = 11\n" + NAMED + HOOK, "a number from 0 to 10"),
        (CLASS + "    references = ('x', 1)\n" + NAMED + HOOK, "`references` has something else than texts"),
        (CLASS + "    directive = ('ssl_certificate',)\n" + HOOK, "did you mean `directives`?"),
        (CLASS + NAMED + HOOK.replace("check_directive", "check_directives"), "did you mean `check_directive`?"),
        (CLASS + NAMED + HOOK.replace("check_directive", "chek_directive"), "did you mean `check_directive`?"),
        (CLASS + HOOK, "`check_directive` is never called: `directives` names no directive"),
        (CLASS + NAMED, "it overrides no hook"),
        (
            CLASS + NAMED + HOOK.replace(", configuration", ""),
            "has other parameters than `def check_directive(self, dir",
        ),
        (CLASS + NAMED + HOOK.replace("def", "async def"), "`check_directive` is asynchronous"),
        (CLASS.replace('    """A fault."""\n', "") + NAMED + HOOK, "it has no docstring"),
        (CLASS + NAMED + HOOK + "    def __init__(self, x):\n        pass\n", "cannot be made without arguments"),
    ],
)
def test_a_mistake_is_one_error_with_class_and_file(package: Path, text: str, reason: str) -> None:
    error = loaded(package, text)
    assert reason in error
    assert f"class OurRule ({package}/our_rules.py:5)" in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (CLASS + "    severity = Severity.WARN\n", 8, "AttributeError: WARN"),
        (CLASS + "    severity = (\n", 8, "SyntaxError: "),
        ("import no_such_module\n", 5, "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_module_that_cannot_be_loaded_is_one_error_with_file_and_line(
    package: Path, text: str, line: int, reason: str
) -> None:
    error = loaded(package, text)
    assert f"{package}/our_rules.py:{line}" in error
    assert reason in error


def test_a_misspelt_hook_is_one_fault(package: Path) -> None:
    error = loaded(package, CLASS + NAMED + HOOK.replace("check_directive", "check_directives"))
    assert error.endswith("`check_directives` is not a hook: did you mean `check_directive`?")


def test_what_is_right_loads(package: Path) -> None:
    text = CLASS + NAMED + HOOK
    text += (
        "class _Base(Rule):\n    def check_server(self, server, configuration):\n        return self.check_it(server)\n"
    )
    text += "    def check_it(self, server):\n        return []\n\n"
    text += (
        'class Derived(_Base):\n    """Another."""\n    limit = 3\n    def check_it(self, server):\n        return []\n'
    )
    text += 'class Brotli(Rule):\n    """Of another module."""\n    directives = ("brotli_types",)\n' + HOOK
    assert loaded(package, text) == ""


def test_the_built_in_rules_are_right() -> None:
    """Loading does not validate them, as it takes longer than linting a file."""
    of_the_linter = {"unknown-suppression", "unused-suppression"}  # it makes their findings
    wrong = {name: faults(type(rule)) for name, rule in installed_rules().items() if name not in of_the_linter}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no such tool: renew')", "ValueError in our_rules.py, line 10: no such tool: renew"),
        ("return None", "check_directive returned None: yield findings"),
        ("return ['text']", "check_directive yielded str 'text', not a Finding"),
        ("return 5", "stopped with TypeError: check_directive returned int 5: yield findings, or return a list of"),
        ("raise SystemExit('enough')", "SystemExit in our_rules.py, line 10: enough"),
    ],
)
def test_a_hook_that_fails_costs_its_rule_only(package: Path, tmp_path: Path, body: str, reason: str) -> None:
    broken = CLASS + NAMED + HOOK.replace("return []", body)
    (package / "our_rules.py").write_text(HEAD + broken)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "site.conf").write_text(SITE.replace("ssl;", "ssl; ssl_protocols SSLv3;"))
    done = run("check", "site.conf", "--no-config", cwd=tree, path=package)
    assert done.returncode == 2
    assert "error[obsolete-ssl]" in done.stdout
    assert "error: rule our-rule: stopped with " in done.stdout
    assert reason in done.stdout
    assert f"class OurRule ({package}/our_rules.py:5)" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    told = run("check", "site.conf", "--no-config", "-v", cwd=tree, path=package).stdout
    assert "Traceback (most recent call last):" in told


def test_the_text_of_an_exception_shows_no_key(package: Path, tmp_path: Path) -> None:
    body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWjR1bGw"
    text = f"raise ValueError('''-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----''')"
    (package / "our_rules.py").write_text(HEAD + CLASS + NAMED + HOOK.replace("return []", text))
    (tmp_path / "site.conf").write_text(SITE)
    done = run("check", "site.conf", "--no-config", "-v", cwd=tmp_path, path=package)
    assert "stopped with ValueError" in done.stdout
    assert body not in done.stdout + done.stderr
