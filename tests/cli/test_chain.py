"""The command ``nginxtls chain``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
DAY = ("--at", "2026-06-15")


def run(*arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "nginxtls", "chain", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=CERTIFICATES)
    return done.returncode, done.stdout, done.stderr


def test_a_good_chain() -> None:
    status, out, error = run("good.pem", "--trust", "root.pem", "--name", "www.example.com", *DAY)
    assert (status, error) == (0, "")
    assert out == (
        "good.pem sends 2 certificates\n"
        "  0 example.com\n"
        "    issued by Example Intermediate E1\n"
        "    2026-01-01 to 2026-12-31, 199 days left\n"
        "    for example.com, www.example.com, *.api.example.com\n"
        "    EC prime256v1, signed with ecdsa-with-SHA256\n"
        "  1 Example Intermediate E1\n"
        "    issued by Example Root R1\n"
        "    2024-01-01 to 2034-01-01, 2757 days left\n"
        "    EC prime256v1, signed with ecdsa-with-SHA256\n"
        "\n"
        "a client that trusts root.pem: trusted\n"
        "  example.com (sent as 0)\n"
        "  └─ Example Intermediate E1 (sent as 1)\n"
        "     └─ Example Root R1 (from the trust store)\n"
    )


def test_each_trust_store_has_its_verdict_and_one_is_enough() -> None:
    status, out, _ = run("good.pem", "--trust", "none", "--trust", "root.pem", *DAY)
    assert status == 0
    verdicts = [line for line in out.splitlines() if line.startswith("a client")]
    assert verdicts == ["a client that trusts none: untrusted", "a client that trusts root.pem: trusted"]
    assert run("good.pem", *DAY)[0] == run("good.pem", "--trust", "none", *DAY)[0] == 1


def test_a_missing_intermediate_as_text() -> None:
    status, out, error = run("leaf-only.pem", "--trust", "root.pem", *DAY)
    assert (status, error) == (1, "")
    assert out.splitlines()[6:] == [
        "",
        "a client that trusts root.pem: untrusted",
        "  example.com (sent as 0)",
        "  └─ Example Intermediate E1 (missing)",
        "     its certificate is available at http://ca.example.net/e1.der",
        '  error[missing-intermediate]: the certificate of "Example Intermediate E1", which issued "example.com", '
        "is not sent; it is available at http://ca.example.net/e1.der",
    ]


def test_what_clients_do_not_mind_is_a_warning() -> None:
    status, out, _ = run("with-root.pem", "--trust", "root.pem", *DAY)
    assert status == 0
    assert out.splitlines()[-1].startswith('  warning[root-sent]: the root "Example Root R1" is sent')


def test_json() -> None:
    status, out, _ = run("good.pem", "--trust", "root.pem", "--format", "json", *DAY)
    found = json.loads(out)
    assert (status, found["verdict"], found["reasons"]) == (0, "trusted", [])
    assert [each["subject"].partition(",")[0] for each in found["path"]] == [
        "CN=example.com",
        "CN=Example Intermediate E1",
        "CN=Example Root R1",
    ]
    leaf, middle = found["sent"]
    assert (leaf["names"], leaf["ca"], middle["ca"]) == (
        ["example.com", "www.example.com", "*.api.example.com"],
        False,
        True,
    )
    assert leaf["key"] == {"kind": "EC", "bits": 256, "curve": "prime256v1"}
    assert (leaf["not_before"], leaf["not_after"]) == ("2026-01-01T00:00:00+00:00", "2026-12-31T00:00:00+00:00")
    assert leaf["sha256"] == "02ec2a51d89f0919abee3392426e7c85297df277edc987e009ddc1c6b1211691"


def test_a_name_that_it_is_not_for() -> None:
    status, out, _ = run("good.pem", "--trust", "root.pem", "--name", "example.org", "--format", "json", *DAY)
    found = json.loads(out)
    assert (status, found["verdict"]) == (1, "untrusted")
    assert found["reasons"] == [
        {
            "rule": "name-mismatch",
            "certificate": 0,
            "message": "the certificate does not cover example.org; the closest name is example.com",
        }
    ]


@pytest.mark.parametrize(
    ("day", "status", "reported"),
    [
        ("2025-12-31T23:59:59Z", 1, "certificate-not-yet-valid"),
        ("2026-01-01", 0, "364 days left"),
        ("2026-12-31T01:00:00+02:00", 0, "0 days left"),
        ("2027-01-01", 1, "expired 1 day ago"),
    ],
)
def test_the_day_on_which_it_is_read(day: str, status: int, reported: str) -> None:
    found, out, _ = run("good.pem", "--trust", "root.pem", "--at", day)
    assert found == status
    assert reported in out


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_names_are_escaped(form: str) -> None:
    status, out, error = run("hostile.pem", "--trust", "root.pem", "--format", form, *DAY)
    assert (status, error) == (0, "")
    assert out.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("file", "reported"),
    [
        ("no-such.pem", "error: no-such.pem: no such file"),
        (".", "error: .: a folder"),
        ("empty.pem", "error: empty.pem:1: the file is empty"),
        ("der.pem", "error: der.pem:1: the certificate is in DER format, but nginx reads only PEM"),
        ("good.key", "error: good.key:1: the file contains a private key but no certificate"),
        ("truncated-second.pem", "has no END"),
    ],
)
def test_what_nginx_would_not_load_has_exit_code_2(file: str, reported: str) -> None:
    status, out, error = run(file)
    assert (status, out) == (2, "")
    assert reported in error
    assert "PRIVATE" not in error


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("--trust", "no-such.pem"), "--trust no-such.pem: there is no such file"),
        (("--trust", "good.key"), "--trust good.key: contains no certificate"),
        (("--format", "xml"), "--format xml: is not an output format"),
        (("--at", "yesterday"), "--at yesterday: is not a date"),
        (("--at", "2026-02-30"), "--at 2026-02-30: is not a date"),
        (("--at", "0001-01-01T00:00:00+14:00"), "is not a date"),
        (("--nonsense",), "No such option"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(arguments: tuple[str, ...], reported: str) -> None:
    status, out, error = run("good.pem", *arguments)
    assert (status, out) == (2, "")
    assert reported in error
    assert "bug in nginxtls" not in error


# -- --write -----------------------------------------------------------------------------------------------------------


def fixed(tmp_path: Path, *names: str) -> tuple[int, str, str]:
    """Fix a copy of the first of these files, the others beside it; then judge the result."""
    for name in names:
        (tmp_path / name).write_bytes((CERTIFICATES / name).read_bytes())
    trust = ("--trust", str(CERTIFICATES / "root.pem"))
    status, _, error = run(str(tmp_path / names[0]), *trust, "--write", str(tmp_path / "fixed.pem"), *DAY)
    if not (tmp_path / "fixed.pem").exists():
        return status, "", error
    return run(str(tmp_path / "fixed.pem"), *trust, *DAY)


@pytest.mark.parametrize(
    "names",
    [
        ("wrong-order.pem",),
        ("with-root.pem",),
        ("duplicate.pem",),
        ("good.pem",),
        ("shuffled.pem",),
        ("leaf-only.pem", "intermediate.pem"),
        ("leaf-only.pem", "expired-intermediate.pem", "good.pem"),
    ],
)
def test_a_bundle_is_written_in_order_and_with_its_intermediate(tmp_path: Path, names: tuple[str, ...]) -> None:
    status, out, error = fixed(tmp_path, *names)
    assert (status, error) == (0, "")
    assert out.startswith(f"{tmp_path}/fixed.pem sends")
    assert "warning[" not in out


def test_an_intermediate_that_is_not_at_hand_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    status, _, error = fixed(tmp_path, "leaf-only.pem")
    assert status == 2
    assert "the certificate of Example Intermediate E1 is not at hand" in error
    assert "download it from http://ca.example.net/e1.der" in error
    assert not (tmp_path / "fixed.pem").exists()


def test_no_key_is_written_and_no_file_with_one_is_replaced(tmp_path: Path) -> None:
    status, _, _ = fixed(tmp_path, "key-in-bundle.pem", "good.pem")
    assert status == 0
    assert b"PRIVATE" not in (tmp_path / "fixed.pem").read_bytes()
    whole = tmp_path / "key-in-bundle.pem"
    before = whole.read_bytes()
    status, _, error = run(str(whole), "--trust", "root.pem", "--write", str(whole), *DAY)
    assert status == 2
    assert "has a private key, which is never touched" in error
    assert whole.read_bytes() == before
