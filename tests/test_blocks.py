"""Every code block of the documentation is run, or says here why it cannot be.

``KINDS`` names the test of the blocks of a language, ``ELSEWHERE`` and ``NOT_RUN`` those that differ. Blocks of shell
run in a folder that has what they name: a repository with the showcase, an image, dumps, certificates of certbot.
"""

from __future__ import annotations

import configparser
import csv
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import crossplane
import pytest

from nginxtls.linting.registry import installed_rules

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "fuzz/README.md",
         ROOT / "benchmarks/README.md"]  # fmt: skip
BLOCK = re.compile(r"^(```+)(\w*)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent

KINDS = {
    "console": "test_docs.py: run, and the output compared",
    "sh": "here: run",
    "yaml": "test_yaml_blocks.py; those of settings and policies here, too",
    "nginx": "here: linted",
    "python": "test_docs.py if it imports nginxtls; others by name below",
    "ini": "here: systemd-analyze, and the command's options",
    "diff": "here: compared with the installed crossplane",
    "vim": "here: run in Vim",
}
"""By language, what runs a block."""

ELSEWHERE = {
    ("CONTRIBUTING.md", "python"): "test_contributing.py",
    ("CONTRIBUTING.md", "nginx"): "test_contributing.py",
    ("CONTRIBUTING.md", "text"): "test_contributing.py",
    ("clients.md", "nginx"): "cli/test_clients.py",
    ("clients.md", "text"): "cli/test_clients.py; the clients that lose access here",
    ("editors.md", "lua"): "lsp/test_editors.py",
    ("editors.md", "json"): "lsp/test_editors.py",
    ("editors.md", "toml"): "lsp/test_editors.py",
    ("editors.md", "elisp"): "lsp/test_editors.py",
    ("integrations.md", "json"): "report/test_integrations.py",
    ("integrations.md", "lua"): "here: run in Neovim",
    ("fleet.md", "csv"): "here: the inventory of the commands",
    ("formats.md", "toml"): "here: a format of another package",
    ("formats.md", "python"): "here: a format of another package",
    ("settings.md", "text"): "here: the error of a settings file",
    ("verify.md", "text"): "here: the host map; the finding is of cli/test_verify.py",
    ("writing-a-rule.md", "python"): "here: a rule of another package",
    ("writing-a-rule.md", "toml"): "here: a rule of another package",
}

NOT_RUN = {
    # page, a line of the block: why
    ("README.md", "fixtures/showcase --exit-zero"): ".ci/run runs this line in a fresh clone",
    ("README.md", "tools/package.py dist/*.whl"): ".ci/packages runs these commands and installs the results",
    ("README.md", "--group test && .venv/bin/pytest"): ".ci/run runs this line in a fresh clone",
    ("README.md", "sudo .venv/bin/nginxtls check"): "needs root on a host with nginx; run without either below",
    (
        "CONTRIBUTING.md",
        "--group dev",
    ): ".ci/run installs the groups test and lint in the same way",
    ("CONTRIBUTING.md", "pytest tests/rules -k tiny-tls-records"): "test_contributing.py",
    ("CONTRIBUTING.md", "tests/test_docs.py --write"): "test_contributing.py",
    ("fuzz/README.md", "python -m fuzz"): "takes hours; .ci/run runs it for two minutes",
    (
        "benchmarks/README.md",
        "benchmarks/run.py",
    ): "measures for an hour; test_benchmarks.py runs a part",
    ("benchmarks/README.md", "benchmarks/lsp.py"): "measures for minutes",
    ("editors.md", "pip install '.[lsp]'"): "installs from the network; the extra exists, see below",
    ("editors.md", "npm run package"): "lsp/test_editors.py builds the package where npm is installed",
    ("index.md", "python3 -m venv .venv"): ".ci/run does this in a fresh clone",
    (
        "integrations.md",
        "docker build",
    ): "needs a container engine",
    ("verify.md", "pip install '.[live]'"): "installs from the network; the extra exists, see below",
    ("verify.md", "systemctl enable"): "needs systemd as process 1; the units are verified below",
    (
        "verify.md",
        "sudo nginxtls verify",
    ): "needs running servers, as tests/live has; its options are checked",
    (
        "verify.md",
        "--host-map hosts.txt",
    ): "needs running servers, as tests/live has; its options are checked",
    ("integrations.md", "pipeline {"): "needs Jenkins; the options of its commands are checked",
    (
        "integrations.md",
        "flycheck-define-checker",
    ): "needs Emacs with flycheck; its options are checked",
    ("verify.md", "error[other-certificate]"): "needs a renewal and a reload; tests/live compare such findings",
}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    text: str

    @property
    def name(self) -> str:
        folder = self.page.parent
        return f"{folder.name}/{self.page.name}" if folder not in (ROOT, ROOT / "docs") else self.page.name

    @property
    def reason(self) -> str:
        """Why it is not run; empty if it is."""
        return next((why for (page, line), why in NOT_RUN.items() if page == self.name and line in self.text), "")


def blocks(*languages: str) -> list[Block]:
    found = [Block(page, match[2], match[3]) for page in PAGES for match in BLOCK.finditer(page.read_text("utf-8"))]
    return [block for block in found if not languages or block.language in languages]


def parameters(found: list[Block]) -> list[object]:
    return [pytest.param(block, id=f"{block.name}-{number}") for number, block in enumerate(found)]


def test_every_block_is_run_or_says_why_not() -> None:
    unknown = [
        f"{block.name}: {block.text[:60]!r}"
        for block in blocks()
        if not (block.reason or block.language in KINDS or (block.name, block.language) in ELSEWHERE)
    ]
    assert unknown == []


def test_what_is_said_not_to_run_is_there() -> None:
    pairs = [(block, key) for block in blocks() for key in NOT_RUN]
    said = {key for block, key in pairs if key[0] == block.name and key[1] in block.text}
    assert said == set(NOT_RUN)
    named = {(block.name, block.language) for block in blocks()}
    assert set(ELSEWHERE) <= named


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """What the commands of the documentation name: see ``placed``."""
    work = tmp_path / "work"
    shutil.copytree(ROOT / "fixtures/showcase", work)
    for key in work.rglob("*.key"):
        key.chmod(0o600)
    subprocess.run(["git", "init", "-q", work], check=True)
    (work / "site.conf").write_text("server {\n    listen 443 ssl;\n    ssl_protocols TLSv1.2 TLSv1.2;\n}\n")
    live = tmp_path / "letsencrypt/live/example.com"
    image = tmp_path / "image/etc/letsencrypt/live/example.com"
    for folder in (live, image):
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "fixtures/certificates/good.pem", folder / "fullchain.pem")
    shutil.copytree(work, tmp_path / "image/etc/nginx", ignore=shutil.ignore_patterns(".git"))
    shutil.copytree(work, tmp_path / "etc-nginx", ignore=shutil.ignore_patterns(".git"))
    dump = f"# configuration file /etc/nginx/nginx.conf:\n{(work / 'site.conf').read_text()}"
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps/web1").write_text(f"events {{}}\nhttp {{\n{dump}}}\n")
    (inventory,) = [block.text for block in blocks("csv")]
    (work / "hosts.csv").write_text(inventory)
    programs = tmp_path / "bin"
    programs.mkdir()
    stand_in(programs / "ssh", f"cat '{tmp_path}/dumps/web1'")
    stand_in(programs / "sudo", 'exec "$@"')
    return work


def stand_in(path: Path, command: str) -> None:
    """A program in place of one that needs another host or other rights."""
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


def placed(text: str, work: Path) -> str:
    """A command with the absolute paths of the documentation in the folder of the test."""
    top = work.parent
    for shown, own in {
        "/mnt/image": top / "image",
        "/srv/dumps": top / "dumps",
        "/srv/fleet": top / "fleet",
        "/etc/nginx": top / "etc-nginx",
    }.items():
        text = re.sub(rf"(?<![\w/]){shown}\b", str(own), text)
    return re.sub(r"(?<!--root )(?<!image )/etc/letsencrypt", f"{top}/letsencrypt", text)


def shell(text: str, work: Path) -> subprocess.CompletedProcess[str]:
    path = f"{work.parent}/bin:{BIN}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", text], cwd=work, env=os.environ | {"PATH": path, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("block", parameters([block for block in blocks("sh") if not block.reason]))
def test_a_block_of_shell_runs(block: Block, scene: Path) -> None:
    for line in block.text.replace("\\\n", "").splitlines():
        if "test-rules" in line or line.startswith("pip install"):
            continue  # test_a_rule_of_another_package
        if "| jq" in line and not shutil.which("jq"):
            pytest.skip("jq is not installed")
        command = placed(line, scene)
        if line.strip() == "nginxtls check":
            command += f" {scene.parent}/etc-nginx"  # the host may have no nginx
        done = shell(command, scene)
        # 1 means findings: the showcase has some.
        assert done.returncode in (0, 1), f"{command}\n{done.stdout[-800:]}{done.stderr[-800:]}"
        assert not re.search(r"^(error: |Usage:|bash: )", done.stderr, re.MULTILINE), done.stderr


SETUPS = ("groovy", "elisp", "yaml", "ini")
COMMAND = re.compile(r"(?:^|[ '\"/])nginxtls ((?:check|verify|lsp|clients)\b[^'|#\n]*)", re.MULTILINE)


@pytest.mark.parametrize("block", parameters([each for each in blocks() if each.reason or each.language in SETUPS]))
def test_a_command_that_is_not_run_has_options_that_exist(block: Block, scene: Path) -> None:
    for command in COMMAND.findall(block.text):
        # --help is looked at after the options before it: an unknown one is refused.
        done = shell(f"nginxtls {command.strip()} --help", scene)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_extras_that_are_installed_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    extras = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    known = set(re.findall(r"^(\w+) = ", extras, re.MULTILINE))
    named = [words for page in PAGES for words in re.findall(r"(?:'\.|nginxtls)\[([\w,]+)\]", page.read_text("utf-8"))]
    assert {word for words in named for word in words.split(",")} <= known


def test_comments_that_ignore_findings_do(tmp_path: Path) -> None:
    found = [block.text for block in blocks("nginx") if block.name == "ignoring.md"]
    assert len(found) == 3
    line, server, file = found
    old = "ssl_protocols TLSv1.1 TLSv1.2;\n"
    certificate = "ssl_certificate {0}; ssl_certificate_key good.key;\n"
    shutil.copy(ROOT / "fixtures/certificates/good.key", tmp_path)
    for name in ("good.pem", "self-signed.pem"):
        shutil.copy(ROOT / "fixtures/certificates" / name, tmp_path)
    good = certificate.format("good.pem")
    cases = {
        "legacy-protocol": f"http {{ server {{ listen 443 ssl;\n{line}{good} }} }}",
        "rc4-cipher": f"http {{ {server.rstrip().removesuffix('}')} {old} ssl_ciphers RC4;\n{good} }} }}",
        "self-signed-certificate": f"{file}http {{ server {{ listen 443 ssl; server_name a.example.com;\n"
        f"{certificate.format('self-signed.pem')} }} }}",
    }
    for rule, text in cases.items():
        (tmp_path / "nginx.conf").write_text(f"{text}\n" if rule.startswith("self") else f"events {{}}\n{text}\n")
        command = [f"{BIN}/nginxtls", "check", "nginx.conf", "--format", "json", "--exit-zero", "--show-suppressed",
                   "--at", "2026-06-15", "--openssl-version", "1.0.2u"]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        suppressed = {f["rule"] for f in json.loads(done.stdout)["findings"] if f["suppressed"]}
        reported = {f["rule"] for f in json.loads(done.stdout)["findings"] if not f["suppressed"]}
        assert rule in suppressed, (rule, done.stdout[:2000])
        assert not {rule, "unknown-suppression", "unused-suppression"} & reported


def test_the_settings_are_read_and_name_what_exists(scene: Path) -> None:
    text, _ = [block.text for block in blocks("yaml") if block.name == "settings.md"]
    (scene / "deploy").mkdir()
    shutil.copy(ROOT / "fixtures/certificates/root.pem", scene / "deploy/company-root.pem")
    (scene / "deploy/nginx").mkdir()
    (scene / ".nginxtls.yaml").write_text(text)
    done = shell("nginxtls check nginx.conf --write-baseline && nginxtls check nginx.conf", scene)
    assert done.returncode == 0, done.stderr
    (error,) = [block.text for block in blocks("text") if block.name == "settings.md"]
    (scene / ".nginxtls.yaml").write_text(text.replace("select:", "sleect:"))
    done = shell("nginxtls check nginx.conf", scene)
    assert done.returncode == 2
    assert error.strip() in done.stderr.replace(str(scene), "/srv/site")


def test_the_rules_of_paths_exist() -> None:
    import yaml

    from nginxtls.linting.registry import choose

    text, _ = [block.text for block in blocks("yaml") if block.name == "settings.md"]
    settings = yaml.safe_load(text)
    names = [*settings["select"], *settings["ignore"], *settings["severity"]]
    choose(installed_rules(), [*names, *(n for each in settings["per-path-ignores"].values() for n in each)], (), True)


def test_the_policy_is_read(scene: Path) -> None:
    (text,) = [block.text for block in blocks("yaml") if block.name == "policies.md"]
    (scene / "ours.yaml").write_text(text)
    done = shell("nginxtls check nginx.conf --policy ./ours.yaml --select policy --format concise", scene)
    assert done.returncode == 1, done.stderr
    assert "policy-protocols" in done.stdout


def test_the_metrics_of_the_alerts_exist() -> None:
    (text,) = [block.text for block in blocks("yaml") if block.name == "verify.md"]
    source = (ROOT / "nginxtls/live/prometheus.py").read_text()
    named = set(re.findall(r"\bnginxtls_\w+", text))
    assert named
    assert [name for name in named if name.removeprefix("nginxtls_") not in source] == []


@pytest.mark.parametrize("block", parameters(blocks("ini")))
def test_a_unit_of_systemd_is_valid(block: Block, tmp_path: Path) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(block.text)
    kind = "timer" if "Timer" in parser else "service"
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    text = block.text.replace("/usr/local/bin/nginxtls", str(BIN / "nginxtls"))
    (tmp_path / f"nginxtls-verify.{kind}").write_text(text)
    if kind == "timer":
        (tmp_path / "nginxtls-verify.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / f"nginxtls-verify.{kind}"], capture_output=True, text=True, check=False
    )
    assert "nginxtls-verify" not in done.stderr, done.stderr


def test_the_difference_fits_crossplane() -> None:
    (text,) = [block.text for block in blocks("diff")]
    source = inspect.getsource(sys.modules[crossplane.parse.__module__])
    old = [line[1:] for line in text.splitlines() if line[:1] in (" ", "-")]
    assert [line for line in old if line not in source] == []


def test_the_host_map_is_read(tmp_path: Path) -> None:
    from nginxtls.cli.verify import _host_map

    (text,) = [block.text for block in blocks("text") if block.name == "verify.md" and "# dump" in block.text]
    (tmp_path / "hosts.txt").write_text(text)
    assert len(_host_map(str(tmp_path / "hosts.txt"))) == 2


def test_the_clients_that_lose_access_are_those_shown(tmp_path: Path) -> None:
    (shown,) = [block.text for block in blocks("text") if block.name == "clients.md" and "lose access" in block.text]
    for name, versions in (("old", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"), ("new", "TLSv1.2 TLSv1.3")):
        (tmp_path / name).mkdir()
        for file in ("good-rsa.pem", "good-rsa.key"):
            shutil.copy(ROOT / "fixtures/certificates" / file, tmp_path / name)
        (tmp_path / name / "nginx.conf").write_text(
            "events {}\nhttp { server { listen 443 ssl; server_name www.example.com; ssl_certificate good-rsa.pem;\n"
            f"ssl_certificate_key good-rsa.key; ssl_ciphers HIGH:!aNULL:@SECLEVEL=0; ssl_protocols {versions}; }} }}\n"
        )
    command = [f"{BIN}/nginxtls", "diff", "old", "new", "--nginx-version", "1.26.3", "--openssl-version", "3.5.1",
               "--trust", str(ROOT / "fixtures/certificates/root.pem"), "--at", "2026-06-15"]  # fmt: skip
    assert shown in subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout


def test_the_inventory_is_csv() -> None:
    (text,) = [block.text for block in blocks("csv")]
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["host"] for row in rows] == ["web1", "web2"]
    assert all(None not in row for row in rows)


def package(folder: Path, group: str, name: str, module: str, code: str, table: str) -> None:
    """An installed package, of its code and its table of entry points in ``pyproject.toml``."""
    assert f'[project.entry-points."{group}"]\n{name} = "{module}"' in table
    path = folder / f"{module.replace('.', '/')}.py"
    path.parent.mkdir(parents=True)
    path.parent.joinpath("__init__.py").write_text("")
    path.write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")


def pair(page: str) -> tuple[str, str]:
    """The module and the table of entry points of a page."""
    code, table = ([block.text for block in blocks(kind) if block.name == page] for kind in ("python", "toml"))
    return code[0], table[0]


def test_a_rule_of_another_package(tmp_path: Path) -> None:
    package(tmp_path / "site", "nginxtls.rules", "ours", "ours.rules", *pair("writing-a-rule.md"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    (command,) = re.findall(r"^nginxtls (test-rules .*)$", (ROOT / "docs/writing-a-rule.md").read_text(), re.MULTILINE)
    for arguments in (command.split(), ["explain", "foreign-certificate"]):
        done = subprocess.run(
            [BIN / "nginxtls", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_format_of_another_package(tmp_path: Path) -> None:
    package(tmp_path / "site", "nginxtls.formats", "csv", "our_nginxtls.csv", *pair("formats.md"))
    (tmp_path / "site.conf").write_text("server {\n    listen 443 ssl;\n    ssl_protocols TLSv1.2 TLSv1.2;\n}\n")
    done = subprocess.run(
        [BIN / "nginxtls", "check", "site.conf", "--format", "csv", "--select", "repeated-protocol"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout == "site.conf,3,repeated-protocol\n", done.stderr


def concise(folder: Path) -> list[str]:
    shutil.copytree(ROOT / "fixtures/showcase", folder / "showcase")
    command = [f"{BIN}/nginxtls", "check", "nginx.conf", "--format", "concise", "--exit-zero", "--quiet"]
    done = subprocess.run(command, cwd=folder / "showcase", capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if re.match(r"\S+:\d+:", line)]


@pytest.mark.skipif(not shutil.which("vim"), reason="Vim is not installed")
def test_the_callback_for_ale_reads_every_finding(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks("vim")]
    lines = concise(tmp_path)
    (tmp_path / "lines").write_text("\n".join(lines))
    (tmp_path / "autoload/ale").mkdir(parents=True)
    # ALE itself is replaced by a function that keeps what is defined.
    (tmp_path / "autoload/ale/linter.vim").write_text(
        "function! ale#linter#Define(kind, linter)\n  let g:defined = a:linter\nendfunction\n"
    )
    (tmp_path / "block.vim").write_text(text)
    (tmp_path / "run.vim").write_text(
        f"set nocompatible\nset runtimepath^={tmp_path}\nsource {tmp_path}/block.vim\n"
        f"let found = g:defined.callback(1, readfile('{tmp_path}/lines'))\n"
        f"call writefile([json_encode(found)], '{tmp_path}/found')\nqall!\n"
    )
    subprocess.run(["vim", "-N", "-u", "NONE", "-es", "-S", tmp_path / "run.vim"], timeout=60, check=False)
    found = json.loads((tmp_path / "found").read_text())
    assert len(found) == len(lines) > 5
    assert {each["type"] for each in found} == {"E", "W", "I"}


@pytest.mark.skipif(not shutil.which("nvim"), reason="Neovim is not installed")
def test_the_parser_for_nvim_lint_reads_every_finding(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks("lua") if block.name == "integrations.md"]
    lines = concise(tmp_path)
    (tmp_path / "block.lua").write_text(
        'local lint = { linters = {}, linters_by_ft = {} }\npackage.preload["lint"] = function() return lint end\n'
        f"{text}\nlocal it = lint.linters.nginxtls\n"
        f"local command = {{ '{BIN}/nginxtls', unpack(it.args) }}\ntable.insert(command, 'nginx.conf')\n"
        "local found = it.parser(vim.fn.system(command))\n"
        f"vim.fn.writefile({{ vim.json.encode(found) }}, '{tmp_path}/found')\n"
    )
    subprocess.run(
        ["nvim", "--headless", "-u", "NONE", "-c", f"luafile {tmp_path}/block.lua", "-c", "qall!"],
        cwd=tmp_path / "showcase", timeout=60, capture_output=True, check=False,
    )  # fmt: skip
    found = json.loads((tmp_path / "found").read_text())
    assert len(found) == len(lines)
    assert {"lnum", "col", "severity", "code", "message"} <= found[0].keys()


def everything() -> Iterator[str]:
    """A line for each language: how many blocks, and how many are not run."""
    for language in sorted({block.language for block in blocks()}):
        these = blocks(language)
        yield f"{language or 'none'}: {len(these)}, not run {sum(bool(block.reason) for block in these)}"


if __name__ == "__main__":
    print("\n".join(everything()))
