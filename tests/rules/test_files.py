"""Rules about files on this machine, tried with files made for it: a fixture has neither modes nor a repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nginxtls.linter import Subject
from nginxtls.linter import lint as run_linter
from nginxtls.model import Configuration
from nginxtls.settings import Settings
from nginxtls.syntax.files import Files
from nginxtls.syntax.reading import Reader, source

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
SERVER = "server {{ listen 443 ssl; server_name example.com; ssl_certificate {0}.pem; ssl_certificate_key {0}.key; }}"


def found(rules, rule: str, name: str, files: Files, base: Path) -> list[str]:
    file = source("nginx.conf", f"events {{}} http {{ {SERVER.format(name)} }}")
    tree = Reader(files).tree([file], str(base))
    configuration = Configuration(tree, files=files, base=str(base))
    report = run_linter([Subject(configuration, set(tree.files))], rules, Settings(select=(rule,)))
    assert not report.failures
    return [f"{finding.severity}: {finding.message}" for finding in report.findings]


def put(folder: Path, name: str, mode: int = 0o600, key: str = "good.key") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.pem").write_bytes((CERTIFICATES / "good.pem").read_bytes())
    target = folder / f"{name}.key"
    target.write_bytes((CERTIFICATES / key).read_bytes())
    target.chmod(mode)
    return target


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o600, None), (0o640, None), (0o400, None), (0o644, "read"), (0o604, "read"), (0o602, "changed")],
)
def test_a_key_that_others_may_read(rules, tmp_path, mode, expected):
    put(tmp_path, "shop", mode)
    messages = found(rules, "key-readable-by-others", "shop", Files(["/"]), tmp_path)
    if expected is None:
        assert messages == []
    else:
        assert len(messages) == 1
        assert f"can be {expected} by every user: its mode is {mode:04o}" in messages[0]


def test_modes_in_a_checkout_or_a_copy_mean_nothing(rules, tmp_path):
    put(tmp_path / "copy", "shop", 0o644)
    copy = tmp_path / "copy"
    assert found(rules, "key-readable-by-others", "shop", Files([copy]), copy) == []
    (copy / ".git").mkdir()
    assert found(rules, "key-readable-by-others", "shop", Files(["/"]), copy) == []


@pytest.fixture
def repository(tmp_path):
    top = tmp_path / "repository"
    put(top / "tls", "shop")
    put(top / "tls", "locked", key="encrypted.key")
    put(top / "tests" / "tls", "shop")
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    try:
        subprocess.run(["git", "init", "-q", str(top)], check=True, env=environment)
        subprocess.run(["git", "-C", str(top), "add", "."], check=True, env=environment)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("there is no git here")
    put(top / "tls", "ignored")
    return top


def test_a_key_that_git_has(rules, repository):
    def told(name: str) -> list[str]:
        return found(rules, "key-in-repository", name, Files([repository]), repository)

    assert told("tls/shop") == ["error: the private key tls/shop.key is under version control"]
    assert told("tls/locked") == ["warning: the private key tls/locked.key is under version control"]
    assert told("tls/ignored") == []
    assert told("tests/tls/shop") == []


def test_a_file_that_is_missing(rules, tmp_path):
    put(tmp_path, "shop").unlink()
    machine = Files(["/"])
    messages = found(rules, "missing-certificate-file", f"{tmp_path}/shop", machine, tmp_path)
    assert messages == [f"error: nginx does not start: {tmp_path}/shop.key does not exist"]
    assert found(rules, "missing-certificate-file", f"{tmp_path}/shop", Files([tmp_path]), tmp_path) == []
