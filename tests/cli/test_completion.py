"""The Tab key in real shells, with the scripts that ``--show-completion`` prints."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nginxtls.cli import completion

COMMAND = Path(sys.executable).with_name("nginxtls")
LINES = {
    "nginxtls che": "check",
    "nginxtls explain missing-inter": "missing-intermediate",
    "nginxtls check --format sar": "sarif",
    "nginxtls check --policy mozilla-5.7-i": "mozilla-5.7-intermediate",
    "nginxtls check --select missing-tls13,missing-inter": "missing-tls13,missing-intermediate",
    "nginxtls check --sort sev": "severity",
    "nginxtls verify --format prom": "prometheus",
    "nginxtls inventory --format cyc": "cyclonedx",
}
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {script}"),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; source {script}"),
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script of each shell."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        environment = {**os.environ, "_NGINXTLS_COMPLETE": f"source_{shell}"}
        done = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, check=True)
        (folder / shell).write_text(done.stdout)
    return folder


class Terminal:
    """A shell on a terminal."""

    def __init__(self, command: list[str]) -> None:
        path = f"{COMMAND.parent}:{os.environ['PATH']}"
        environment = {
            **os.environ,
            "PATH": path,
            "PS1": "> ",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "INPUTRC": "/dev/null",
        }
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read_until(self, text: str, seconds: float = 30) -> str:
        """What the shell prints, up to a text."""
        seen, end = "", time.monotonic() + seconds
        while text not in seen:
            assert time.monotonic() < end, seen
            if select.select([self.master], [], [], 1)[0]:
                seen += os.read(self.master, 65536).decode("utf-8", "replace")
        return seen

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_in_a_shell(shell: str, scripts: Path) -> None:
    command, setup = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    terminal = Terminal(command)
    try:
        terminal.send(setup.format(script=scripts / shell) + "; echo read''y\n")
        terminal.read_until("ready")
        lines = {**LINES, "nginxtls check --format=sar": "sarif"} if shell == "bash" else LINES
        for line, completed in lines.items():
            terminal.send(f"{line}\t")
            begun = re.split("[ =]", line)[-1]
            assert "Traceback" not in terminal.read_until(line.removesuffix(begun) + completed)
            terminal.send("\x15\n")
    finally:
        terminal.close()


def test_tab_completes_in_fish(scripts: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("no fish")
    asked = "; ".join(f"complete -C '{line}'" for line in LINES)
    done = subprocess.run(
        [fish, "--no-config", "-c", f"source {scripts / 'fish'}; {asked}"],
        env={**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == [*LINES.values()]


def test_the_equals_sign_is_no_word_to_complete() -> None:
    for words, number, joined in (
        ("nginxtls check --format = sa", "4", ("nginxtls check --format sa", "3")),
        ("nginxtls check --format =", "3", ("nginxtls check --format", "3")),
        ("nginxtls check --at = 2026-01-01 --sort = f", "7", ("nginxtls check --at 2026-01-01 --sort f", "5")),
    ):
        environment = {"COMP_WORDS": words.replace(" ", "\n"), "COMP_CWORD": number}
        completion.join_bash_words(environment)
        assert (environment["COMP_WORDS"].replace("\n", " "), environment["COMP_CWORD"]) == joined
