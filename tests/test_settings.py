"""Settings: what a file may say, where it is found, and how a mistake in it is told."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from nginxtls.base.errors import UsageError
from nginxtls.linting.settings import KEYS, Settings, find_settings, read_settings, schema

FULL = """\
select: [protocols, "missing-*"]
ignore: hsts
per-path-ignores:
  tests/**: [expired-certificate]
severity: {missing-hsts: note}
min-severity: warning
fail-on: error
pedantic: true
nginx-version: 1.20
openssl-version: 3.5.1
policy: mozilla-intermediate
map: {/etc/nginx: deploy/nginx}
trust: [ca.pem]
expiry-days: 21
baseline: baseline.json
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def write(folder: Path, text: str, name: str = ".nginxtls.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_is_read(folder: Path) -> None:
    settings = read_settings(write(folder, FULL))
    assert settings.select == ("protocols", "missing-*")
    assert settings.ignore == ("hsts",)
    assert settings.per_path_ignores == (("tests/**", ("expired-certificate",)),)
    assert settings.severity == (("missing-hsts", "note"),)
    assert (settings.min_severity, settings.fail_on, settings.pedantic) == ("warning", "error", True)
    assert (settings.nginx_version, settings.openssl_version) == ("1.20", "3.5.1")
    assert settings.map == (("/etc/nginx", str(folder / "deploy/nginx")),)
    assert settings.policy == ("mozilla-intermediate",)
    assert settings.trust == (str(folder / "ca.pem"),)
    assert settings.expiry_days == 21
    assert settings.baseline == str(folder / "baseline.json")


def test_pyproject_says_the_same(folder: Path) -> None:
    text = '[tool.nginxtls]\nselect = ["protocols"]\n[tool.nginxtls.severity]\nmissing-hsts = "note"\n'
    settings = read_settings(write(folder, text, "pyproject.toml"))
    assert settings.select == ("protocols",)
    assert settings.severity == (("missing-hsts", "note"),)


def test_an_empty_file_changes_nothing(folder: Path) -> None:
    path = write(folder, "# nothing yet\n")
    assert read_settings(path) == Settings(file=path)


@pytest.mark.parametrize(
    ("text", "reason", "help"),
    [
        ("sleect: x", 'unknown key "sleect"', 'did you mean "select"?'),
        ("plugins: x", 'unknown key "plugins"', "known keys"),
        ("pedantic: 3", '"pedantic" must be true or false', ""),
        ("select: {a: b}", '"select" must be a list of texts', ""),
        ("expiry-days: soon", '"expiry-days" must be a number of days', "such as 21"),
        ("expiry-days: -1", '"expiry-days" must be a number of days', ""),
        ("expiry-days: true", '"expiry-days" must be a number of days', ""),
        ("fail-on: fatal", '"fail-on": "fatal" is not a severity', "error, warning or note"),
        ("select: [", "line 1", "--no-config"),
        ("a: &a x\nb: *a", "aliases are not allowed", ""),
        ("- x", "must be a table", ""),
    ],
)
def test_a_mistake_is_told_with_what_to_do(folder: Path, text: str, reason: str, help: str) -> None:
    path = write(folder, text)
    with pytest.raises(UsageError) as trouble:
        read_settings(path)
    assert trouble.value.subject == str(path)
    assert reason in trouble.value.reason
    assert help in trouble.value.help


@pytest.mark.parametrize("key", ["trust: [%s]", "baseline: %s", "policy: %s", "map: {/etc/nginx: %s}"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "link/x"])
def test_no_path_leads_out_of_the_tree_unless_the_user_named_the_file(folder: Path, key: str, path: str) -> None:
    (folder / "link").symlink_to("/etc")
    file = write(folder, key % path)
    with pytest.raises(UsageError, match="outside"):
        read_settings(file)
    read_settings(file, trusted=True)


def test_the_nearest_file_up_to_the_root_of_the_repository_holds(folder: Path) -> None:
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    assert find_settings(inner) is None
    top = write(folder, "")
    assert find_settings(inner) == top
    nearer = write(folder / "a", "")
    assert find_settings(inner / "nginx.conf") == find_settings(inner) == nearer


def test_above_the_repository_and_without_one_nothing_is_searched(tmp_path: Path) -> None:
    write(tmp_path, "")
    inner = tmp_path / "a"
    inner.mkdir()
    assert find_settings(inner) is None
    assert find_settings(tmp_path) is not None
    (inner / ".git").mkdir()
    assert find_settings(inner) is None


def test_a_pyproject_that_says_nothing_of_us_is_passed_over(folder: Path) -> None:
    write(folder, "[project]\nname = 'x'\n", "pyproject.toml")
    assert find_settings(folder) is None


def test_a_link_out_of_the_tree_is_refused_and_its_text_is_not_shown(folder: Path) -> None:
    (folder / ".nginxtls.yaml").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="symbolic link"):
        find_settings(folder)


def test_a_mistake_shows_no_text_of_the_file(folder: Path) -> None:
    with pytest.raises(UsageError) as trouble:
        read_settings(write(folder, "a: [secret\nsecret: {"))
    assert "secret" not in str(trouble.value)


def test_the_schema_accepts_what_is_accepted_and_refuses_the_rest() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    validator.validate(json.loads(json.dumps(yaml.load(FULL, yaml.BaseLoader) | {"pedantic": True, "expiry-days": 21})))
    faults: list[dict[str, object]] = [{"sleect": []}, {"pedantic": "x"}, {"severity": {"a": "b"}}]
    for wrong in faults:
        assert not validator.is_valid(wrong)


def test_every_setting_has_a_key() -> None:
    assert {key.replace("-", "_") for key in KEYS} == set(Settings._fields) - {"file"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('map: {/etc: "\\0"}', "NUL"),
        ("per-path-ignores: {'\\': ['*']}", "not a pattern"),
        ("per-path-ignores: {'!': ['*']}", "not a pattern"),
        ("per-path-ignores: {'a*a*a*a*a*a*b': ['*']}", "asterisks"),
    ],
)
def test_values_that_cannot_be_used_are_reported_with_their_key(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / ".nginxtls.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=problem) as caught:
        read_settings(file)
    assert str(file) in str(caught.value)
