"""Real pre-commit runs our hooks on a repository made here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BAD = "server {\n    listen 443 ssl;\n    server_name a.example.com;\n    ssl_protocols SSLv3 TLSv1.2 TLSv1.3;\n}\n"
GOOD = BAD.replace("SSLv3 ", "")


def git(*args: str, cwd: Path) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *args], cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project as a repository that pre-commit can clone, with what is in the working tree."""
    repository = tmp_path_factory.mktemp("hooks")
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    for name in names:
        if name.startswith((".pre-commit", "pre-commit", "nginxtls/", "rules/", "pyproject", "README", "LICENSE")):
            target = repository / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target, follow_symlinks=False)
    git("init", "-q", cwd=repository)
    git("add", ".", cwd=repository)
    git("commit", "-qm", "hooks", cwd=repository)
    return repository


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pre-commit's own folder, so that the environment is installed once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def repository(tmp_path: Path, hooks: Path) -> Path:
    git("init", "-q", cwd=tmp_path)
    revision = git("rev-parse", "HEAD", cwd=hooks)
    (tmp_path / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {hooks}\n  rev: {revision}\n  hooks:\n"
        f"  - id: nginxtls\n    args: [--format=concise, --select=obsolete-ssl]\n"
        f"  - id: nginxtls-fix\n    stages: [manual]\n    args: [--select=repeated-protocol]\n"
        f"  - id: nginxtls-all\n    stages: [manual]\n    args: [--format=concise]\n"
    )
    return tmp_path


def run(repository: Path, home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    git("add", ".", cwd=repository)
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--color=never", *args],
        cwd=repository,
        env=os.environ | {"PRE_COMMIT_HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )


def write(repository: Path, name: str, text: str) -> None:
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_committed_fault_stops_the_commit_and_the_fix_lets_it_pass(repository: Path, home: Path) -> None:
    write(repository, "deploy/sites-enabled/shop", BAD)
    write(repository, "deploy/sites-enabled/old.conf", BAD)
    done = run(repository, home, "--files", "deploy/sites-enabled/shop")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "deploy/sites-enabled/shop:4:" in done.stdout
    assert "old.conf" not in done.stdout
    write(repository, "deploy/sites-enabled/shop", GOOD)
    done = run(repository, home, "--files", "deploy/sites-enabled/shop")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_no_nginx_is_skipped_in_silence(repository: Path, home: Path) -> None:
    write(repository, "nginx/README.md", "# our nginx\n")
    write(repository, "supervisor.conf", "[program:x]\ncommand=true\n")
    write(repository, "script.sh", BAD)
    done = run(repository, home, "--all-files")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_whole_tree_is_linted_by_the_second_hook(repository: Path, home: Path) -> None:
    write(repository, "deploy/sites-enabled/old.conf", BAD)
    git("add", ".", cwd=repository)
    git("commit", "-qm", "old", "--no-verify", cwd=repository)
    done = run(repository, home, "nginxtls-all", "--hook-stage", "manual")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "deploy/sites-enabled/old.conf:4:" in done.stdout


def test_safe_fixes_stop_the_commit_once(repository: Path, home: Path) -> None:
    text = GOOD.replace("TLSv1.3", "TLSv1.3 TLSv1.3")
    write(repository, "deploy/sites-enabled/shop", text)
    options = ("nginxtls-fix", "--hook-stage", "manual", "--files", "deploy/sites-enabled/shop")
    done = run(repository, home, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "fixed 1 finding in 1 file: repeated-protocol" in done.stdout
    assert (repository / "deploy/sites-enabled/shop").read_text() == GOOD
    done = run(repository, home, *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_names_of_the_hooks_file_are_one_file() -> None:
    assert (ROOT / "pre-commit-hooks.yaml").resolve() == (ROOT / ".pre-commit-hooks.yaml").resolve()
