"""Revisions of a repository are read without running what it configures, and within limits."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import zlib
from hashlib import sha1
from pathlib import Path

import pytest

from nginxtls.base.errors import UsageError
from nginxtls.diff import checkout as revisions

COMMAND = Path(sys.executable).with_name("nginxtls")
SITE = "server { listen 443 ssl; ssl_protocols TLSv1.1; }\n"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def diff(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [COMMAND, "diff", "@", "nginx.conf", "--no-config"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=100, check=False, env={**os.environ, **environment}
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "nginx.conf").write_text(SITE)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    return folder


def loose(folder: Path, kind: str, content: bytes) -> str:
    """Write an object of a repository; its name."""
    whole = f"{kind} {len(content)}\0".encode() + content
    name = sha1(whole).hexdigest()
    path = (folder if (folder / "HEAD").exists() else folder / ".git") / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(whole))
    return name


def lose(folder: Path, name: str) -> None:
    """Remove an object, so that git would fetch it from a promisor remote."""
    objects = (folder if (folder / "HEAD").exists() else folder / ".git") / "objects"
    (objects / name[:2] / name[2:]).unlink()


def promise(folder: Path, url: str, *settings: str) -> None:
    lines = [
        "core.repositoryformatversion=1",
        "extensions.partialClone=origin",
        "remote.origin.promisor=true",
        f"remote.origin.url={url}",
        *settings,
    ]
    for line in lines:
        git(folder, "config", *line.split("=", 1))


VECTORS = {
    "ext": ("ext::sh -c touch%RAN", ["protocol.ext.allow=always"]),
    "ssh": ("ssh://host.invalid/x", ["core.sshCommand=touch RAN; false", "protocol.ssh.allow=always"]),
    "file": ("DOT", ["remote.origin.uploadpack=touch RAN; false", "protocol.file.allow=always"]),
    "git": ("git://host.invalid/x", ["core.gitProxy=PROGRAM", "protocol.git.allow=always"]),
    "vcs": ("x", ["remote.origin.vcs=ext", "remote.origin.url=sh -c touch%RAN", "protocol.ext.allow=always"]),
}


@pytest.mark.parametrize("lost", ["HEAD^{tree}", "HEAD:nginx.conf"])
@pytest.mark.parametrize("vector", VECTORS)
def test_a_missing_object_runs_nothing(repository: Path, tmp_path: Path, vector: str, lost: str) -> None:
    mark, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    program.chmod(0o755)
    name = git(repository, "rev-parse", lost)
    url, settings = VECTORS[vector]

    def filled(text: str) -> str:
        return (
            text.replace("sh -c touch%RAN", str(program))
            .replace("touch RAN; false", str(program))
            .replace("PROGRAM", str(program))
            .replace("DOT", str(repository))
        )

    promise(repository, filled(url), *map(filled, settings))
    lose(repository, name)
    done = diff(repository, GIT_ALLOW_PROTOCOL="ext:ssh:file:git", GIT_SSH_COMMAND=str(program))
    assert not mark.exists()
    assert done.returncode == 2
    assert done.stderr.count("error") <= 1
    assert "Traceback" not in done.stderr


def test_a_bare_repository_in_a_clone_is_content(repository: Path, tmp_path: Path) -> None:
    mark, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    program.chmod(0o755)
    bare = repository / "sub"
    git(repository, "clone", "-q", "--bare", ".", str(bare))
    for pack in (bare / "objects/pack").glob("*.pack"):
        moved = tmp_path / pack.name
        pack.rename(moved)
        pack.with_suffix(".idx").unlink()
        subprocess.run(["git", "unpack-objects", "-q"], cwd=bare, stdin=moved.open("rb"), check=True)
    name = git(bare, "rev-parse", "HEAD:nginx.conf")
    promise(bare, f"ext::{program}", "protocol.ext.allow=always")
    lose(bare, name)
    (bare / "nginx.conf").write_text(SITE)
    diff(bare)
    assert not mark.exists()


def test_the_environment_does_not_choose_the_repository(repository: Path, tmp_path: Path) -> None:
    done = diff(repository, GIT_DIR=str(tmp_path / "nowhere"), GIT_OBJECT_DIRECTORY=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "no client sees a difference\n")


def commit(repository: Path, tree: str) -> None:
    git(repository, "update-ref", "HEAD", git(repository, "commit-tree", tree, "-m", "bomb"))


@pytest.mark.parametrize("leaf", ["file", "nothing"])
def test_a_tree_bomb_ends_at_the_limit(repository: Path, leaf: str) -> None:
    tree, mode = (
        (loose(repository, "blob", b"x"), b"100644") if leaf == "file" else (loose(repository, "tree", b""), b"40000")
    )
    for _ in range(8):
        entries = (mode + f" d{number:03}".encode() + b"\0" + bytes.fromhex(tree) for number in range(100))
        tree, mode = loose(repository, "tree", b"".join(entries)), b"40000"
    commit(repository, tree)
    done = diff(repository)
    assert done.returncode == 2
    assert "has more than" in done.stderr


def test_a_huge_file_is_not_read(repository: Path) -> None:
    name = loose(repository, "blob", bytes(300_000_000))
    site = git(repository, "rev-parse", "HEAD:nginx.conf")
    listing = f"100644 blob {name}\thuge.conf\n100644 blob {site}\tnginx.conf\n"
    made = subprocess.run(["git", "mktree"], input=listing, cwd=repository, text=True, capture_output=True, check=True)
    commit(repository, made.stdout.strip())
    code = "import sys; from pathlib import Path; from nginxtls.diff.checkout import check_out\n"
    code += "check_out('HEAD', Path('.'), Path(sys.argv[1]))\n"
    code += "import resource; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    code += "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    folder = repository.parent / "out"
    done = subprocess.run(
        [sys.executable, "-c", code, folder], cwd=repository, capture_output=True, text=True, check=True
    )
    assert max(map(int, done.stdout.split())) < 150_000
    assert (folder / "huge.conf").stat().st_size == 300_000_000
    assert (folder / "huge.conf").stat().st_blocks < 100
    assert (folder / "nginx.conf").read_text() == SITE


def test_limits_and_time_are_one_message(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(revisions, "MOST_BYTES", 10)
    with pytest.raises(UsageError, match="MB of files"):
        revisions.check_out("HEAD", repository, tmp_path / "a")
    monkeypatch.setattr(revisions, "MOST_FILES", 0)
    with pytest.raises(UsageError, match="more than 0 files"):
        revisions.check_out("HEAD", repository, tmp_path / "b")
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (slow / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(revisions, "SECONDS", 0.2)
    with pytest.raises(UsageError, match="within"):
        revisions.check_out("HEAD", repository, tmp_path / "c")


@pytest.mark.parametrize("folder", [".", "deploy", "deploy/nginx"])
def test_settings_by_path_match_in_a_revision(tmp_path: Path, folder: str) -> None:
    """The same text has the same findings and versions on both sides, wherever the settings file is."""
    git(tmp_path, "init", "-q")
    (tmp_path / "deploy/nginx").mkdir(parents=True)
    (tmp_path / "deploy/nginx/nginx.conf").write_text(f"events {{}}\nhttp {{ {SITE} }}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / ".nginxtls.yaml").write_text(
        'per-path-ignores: {"deploy/nginx/*.conf": ["*"]}\nversions: {"deploy/nginx/nginx.conf": [1.18.0, 1.1.1w]}\n'
    )
    (tmp_path / "deploy/nginx/nginx.conf").write_text(f"events {{}}\nhttp {{  {SITE} }}\n")
    command: list[str | Path] = [COMMAND, "diff", "@", ".", "--format", "json", "--exit-code"]
    done = subprocess.run(command, cwd=tmp_path / folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / ".nginxtls.yaml").unlink()
    (tmp_path / "deploy/nginx/nginx.conf").write_text(f"events {{}}\nhttp {{ {SITE.replace('.1;', '.2;')} }}\n")
    done = subprocess.run(command, cwd=tmp_path / folder, capture_output=True, text=True, check=False)
    assert (done.returncode, '"rule": "dead-protocols"' in done.stdout) == (1, True)


def test_a_map_is_that_of_the_revision(repository: Path) -> None:
    (repository / "sites").mkdir()
    (repository / "nginx.conf").write_text("events {}\nhttp { include /etc/nginx/sites/*; }\n")
    (repository / "sites/a").write_text(SITE)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "two")
    (repository / "sites/a").write_text(SITE.replace("TLSv1.1", "TLSv1.2"))
    command: list[str | Path] = [COMMAND, "diff", "@", "nginx.conf", "--no-config", "--map", "/etc/nginx=."]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert re.search(r"^gone: warning\[dead-protocols\] .*\(@:sites/a:1:", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("name", ["HEAD", "config", "shallow", "objects/info/alternates"])
def test_a_pipe_in_a_repository_ends_at_the_time_limit(
    repository: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (repository / ".git" / name).unlink(missing_ok=True)
    os.mkfifo(repository / ".git" / name)
    monkeypatch.setattr(revisions, "SECONDS", 0.5)
    with pytest.raises(UsageError, match=r"did not answer within 0\.5 seconds"):
        revisions.is_revision("HEAD", repository)


ASKED = """
import resource, sys
from pathlib import Path
from nginxtls.diff import checkout as revisions
revisions.MEMORY = 20_000_000
print(revisions.is_revision("HEAD", Path(sys.argv[1])), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits the memory of another process")
def test_a_repository_whose_file_never_ends_takes_bounded_memory(repository: Path) -> None:
    os.symlink("/dev/zero", repository / ".git/shallow")
    done = subprocess.run([sys.executable, "-c", ASKED, repository], capture_output=True, text=True, check=True)
    answer, kilobytes = done.stdout.split()
    assert answer == "False"
    assert int(kilobytes) < 500_000


def test_media_may_be_missing(repository: Path, tmp_path: Path) -> None:
    (repository / "logo.png").write_bytes(b"\x89PNG")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "two")
    lose(repository, git(repository, "rev-parse", "HEAD:logo.png"))
    assert diff(repository).returncode == 0
