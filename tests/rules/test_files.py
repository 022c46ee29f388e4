"""Rules about files on this machine, tried with files made for it: a fixture has neither modes nor a repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nginxtls import check
from nginxtls.linting.run import lint as run_linter
from nginxtls.linting.settings import Settings
from nginxtls.linting.subjects import Subject
from nginxtls.model import Configuration, Facts, Store
from nginxtls.pki import TrustStore
from nginxtls.rule import Rule
from nginxtls.syntax.files import Files
from nginxtls.syntax.reading import Reader, source

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
SERVER = "server {{ listen 443 ssl; server_name example.com; ssl_certificate {0}.pem; ssl_certificate_key {0}.key; }}"


def found(rules: dict[str, Rule], rule: str, name: str, files: Files, base: Path, main: str = "") -> list[str]:
    file = source("nginx.conf", f"{main} events {{}} http {{ {SERVER.format(name)} }}")
    tree = Reader(files).tree([file], str(base))
    configuration = Configuration(tree, store=Store(files, str(base)))
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
    [(0o600, None), (0o640, None), (0o400, None), (0o644, "read"), (0o604, "read"), (0o602, "change")],
)
def test_a_key_that_others_may_read(rules: dict[str, Rule], tmp_path: Path, mode: int, expected: str | None) -> None:
    put(tmp_path, "shop", mode)
    messages = found(rules, "key-readable-by-others", "/shop", Files([], root=tmp_path), tmp_path)
    if expected is None:
        assert messages == []
    else:
        assert messages == [f"error: every user can {expected} /shop.key: its mode is {mode:04o}"]


def test_a_key_that_others_cannot_reach(rules: dict[str, Rule], tmp_path: Path) -> None:
    """certbot's archive is open to root alone; the modes in it do not matter."""
    put(tmp_path / "archive", "shop", 0o644)
    (tmp_path / "archive").chmod(0o700)
    image = Files([], root=tmp_path)
    assert found(rules, "key-readable-by-others", "/archive/shop", image, tmp_path) == []
    (tmp_path / "archive").chmod(0o711)
    assert found(rules, "key-readable-by-others", "/archive/shop", image, tmp_path)


def image(folder: Path) -> Path:
    """The file system of a machine, with a key in ``/etc/tls`` and a link to it in ``/etc/links``."""
    put(folder / "etc" / "tls", "shop")
    for name in ("shop.key", "shop.pem"):
        link = folder / "etc" / "links" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"/etc/tls/{name}")
    for place in ("etc", "etc/tls", "etc/links"):
        (folder / place).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("place", "mode", "reported"),
    [
        *(("etc/tls", 0o755, False), ("etc/tls", 0o777, True), ("etc/tls", 0o1777, False), ("etc/tls", 0o775, False)),
        *(("etc", 0o777, True), ("etc", 0o757, True), ("etc/links", 0o777, False)),
    ],
)
@pytest.mark.parametrize("links", [False, True])
def test_a_folder_in_which_everybody_can_put_another_key(
    rules: dict[str, Rule], tmp_path: Path, place: str, mode: int, reported: str | bool | None, links: bool
) -> None:
    (image(tmp_path) / place).chmod(mode)
    name = "/etc/links/shop" if links else "/etc/tls/shop"
    messages = found(rules, "key-in-writable-folder", name, Files([], root=tmp_path), tmp_path)
    if reported or (links and place == "etc/links"):
        assert messages == [f"error: every user can replace {name}.key: the mode of /{place} is {mode:04o}"]
    else:
        assert messages == []


def test_a_writable_folder_that_nobody_reaches(rules: dict[str, Rule], tmp_path: Path) -> None:
    (image(tmp_path) / "etc" / "tls").chmod(0o777)
    (tmp_path / "etc").chmod(0o700)
    assert found(rules, "key-in-writable-folder", "/etc/tls/shop", Files([], root=tmp_path), tmp_path) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("owned", "main", "reported"),
    [
        ("etc/tls/shop.key", "user www-data;", "/etc/tls/shop.key"),
        ("etc/tls", "user www-data;", "/etc/tls"),
        ("etc/tls/shop.pem", "user www-data;", None),
        ("etc/tls/shop.key", "", None),
        ("etc/tls/shop.key", "user nginx;", None),
        ("etc/tls/shop.key", "user root;", None),
    ],
)
def test_a_key_that_belongs_to_the_workers(
    rules: dict[str, Rule], tmp_path: Path, owned: str, main: str, reported: str | bool | None
) -> None:
    (image(tmp_path) / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/false\n")
    os.chown(tmp_path / owned, 33, 33)
    messages = found(rules, "key-owned-by-worker", "/etc/tls/shop", Files([], root=tmp_path), tmp_path, main)
    expected = (
        f"warning: a compromised worker can read the key: {reported} belongs to www-data, the user of the workers"
    )
    assert messages == ([expected] if reported else [])


def test_modes_in_a_checkout_or_a_copy_mean_nothing(rules: dict[str, Rule], tmp_path: Path) -> None:
    put(tmp_path / "copy", "shop", 0o644)
    copy = tmp_path / "copy"
    assert found(rules, "key-readable-by-others", "shop", Files([copy]), copy) == []
    (copy / ".git").mkdir()
    assert found(rules, "key-readable-by-others", "shop", Files(["/"]), copy) == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
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


def test_a_key_that_git_has(rules: dict[str, Rule], repository: Path) -> None:
    def reported(name: str) -> list[str]:
        return found(rules, "key-in-repository", name, Files([repository]), repository)

    assert reported("tls/shop") == ["error: the private key tls/shop.key is under version control"]
    assert reported("tls/locked") == ["warning: the private key tls/locked.key is under version control"]
    assert reported("tls/ignored") == []
    assert reported("tests/tls/shop") == []


def test_a_file_that_is_missing(rules: dict[str, Rule], tmp_path: Path) -> None:
    put(tmp_path, "shop").unlink()
    machine = Files(["/"])
    messages = found(rules, "missing-certificate-file", f"{tmp_path}/shop", machine, tmp_path)
    assert messages == [f"error: nginx does not start: {tmp_path}/shop.key does not exist"]
    assert found(rules, "missing-certificate-file", f"{tmp_path}/shop", Files([tmp_path]), tmp_path) == []


def test_a_file_that_is_missing_from_a_snippet_that_nothing_includes(tmp_path: Path) -> None:
    """Debian's nginx comes with such a snippet, and starts."""
    snippet = "ssl_certificate /no/such/snakeoil.pem;\nssl_certificate_key /no/such/snakeoil.key;\n"
    (tmp_path / "snippets").mkdir()
    (tmp_path / "snippets" / "snakeoil.conf").write_text(snippet)

    def reported(server: str) -> list[str]:
        (tmp_path / "nginx.conf").write_text(f"events {{}}\nhttp {{ server {{ listen 443 ssl; {server} }} }}\n")
        report = check(tmp_path, root="/", settings=Settings(), select=["missing-certificate-file"])
        return [finding.message for finding in report.findings]

    assert reported("ssl_reject_handshake on;") == []
    assert reported("include snippets/snakeoil.conf;") == [
        "nginx does not start: /no/such/snakeoil.pem does not exist",
        "nginx does not start: /no/such/snakeoil.key does not exist",
    ]


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("ssl_password_file gone;", True),
        ("ssl_session_ticket_key gone;", True),
        ("ssl_trusted_certificate gone;", True),
        ("ssl_crl gone;", True),
        ("ssl_dhparam gone;", True),
        ("ssl_client_certificate gone;", False),
        ("ssl_client_certificate gone; ssl_verify_client on;", True),
        ("ssl_stapling_file gone;", False),
        ("ssl_stapling_file gone; ssl_stapling on;", True),
    ],
)
def test_other_files_that_are_missing(rules: dict[str, Rule], tmp_path: Path, line: str, missing: int) -> None:
    """What nginx opens at its start (measured on 1.18.0 and 1.30.6)."""
    put(tmp_path, "shop")
    server = SERVER.format("shop").removesuffix("}") + line + " }"
    file = source("nginx.conf", f"events {{}} http {{ {server} }}")
    files = Files(["/"])
    configuration = Configuration(Reader(files).tree([file], str(tmp_path)), store=Store(files, str(tmp_path)))
    report = run_linter([Subject(configuration, {file})], rules, Settings(select=("nginx-refuses",)))
    assert len(report.findings) == missing
    assert all("no such file" in finding.message for finding in report.findings)


@pytest.mark.parametrize(
    ("fault", "certificate", "key"),
    [("missing-intermediate", "leaf-only.pem", "good.key"), ("key-mismatch", "good.pem", "other.key")],
)
def test_a_fault_of_a_shared_file_is_told_in_the_file_that_was_asked_for(
    rules: dict[str, Rule], tmp_path: Path, fault: str, certificate: str, key: str
) -> None:
    put(tmp_path, "shop", key=key)
    (tmp_path / "shop.pem").write_bytes((CERTIFICATES / certificate).read_bytes())
    for number, name in enumerate("ab"):
        (tmp_path / f"{name}.conf").write_text(SERVER.format("shop").replace("443", f"844{number}"))
    files = Files([tmp_path])
    tree = Reader(files).tree([source("nginx.conf", "events {} http { include [ab].conf; }")], str(tmp_path))
    trust = TrustStore.from_pem((CERTIFICATES / "root.pem").read_bytes())
    configuration = Configuration(tree, Facts(trust=trust), Store(files, str(tmp_path)))
    by_name = {os.path.basename(file.name): file for file in tree.files}

    def reported(*names: str) -> list[tuple[str, str]]:
        subject = Subject(configuration, {by_name[name] for name in names})
        report = run_linter([subject], rules, Settings(select=(fault,)))
        return [(os.path.basename(f.location.name), f.fingerprint) for f in report.findings]

    ((place, mark),) = reported("a.conf", "b.conf", "nginx.conf")
    assert place == "a.conf"
    # It is the same fault, so a baseline of the whole knows it.
    assert reported("b.conf") == [("b.conf", mark)]
    assert reported("nginx.conf") == []
