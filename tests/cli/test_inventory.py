"""The command ``nginxtls inventory``."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
DAY = ("--at", "2026-06-15")
SERVER = "server {{ listen {} ssl; server_name {}; {} }}\n"


def pair(certificate: str, key: str = "good") -> str:
    return f"ssl_certificate certs/{certificate}.pem; ssl_certificate_key certs/{key}.key;"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    (folder / "certs").mkdir()
    for name in ("good.pem", "good.key", "good-rsa.pem", "good-rsa.key", "expired.pem", "hostile.pem", "root.pem"):
        shutil.copy(CERTIFICATES / name, folder / "certs")
    shutil.copy(CERTIFICATES / "truncated-second.pem", folder / "certs" / "broken.pem")
    shutil.copy(CERTIFICATES / "empty.pem", folder / "certs")
    servers = [
        ("443", "example.com www.example.com", pair("good") + pair("good-rsa", "good-rsa")),
        ("443", "api.example.com", pair("good")),
        ("8443", "old.example.com", pair("expired")),
        ("8444", "gone.example.com", pair("missing")),
        ("8445", "broken.example.com", pair("broken")),
        ("8446", "empty.example.com", pair("empty")),
        ("8447", "any.example.com", pair("$ssl_server_name", "$ssl_server_name")),
        ("8448", "=cmd", pair("hostile")),
    ]
    text = "".join(SERVER.format(*each) for each in servers)
    (folder / "nginx.conf").write_text(f"events {{}}\nhttp {{\n{text}}}\n")
    (folder / "plain.conf").write_text("events {}\nhttp { server { listen 80; } }\n")
    return folder


def run(*arguments: str, cwd: Path, text: str | None = None) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "nginxtls", "inventory", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=cwd, input=text)
    return done.returncode, done.stdout, done.stderr


def listed(tree: Path, *arguments: str) -> list[dict[str, object]]:
    status, out, error = run("nginx.conf", "--trust", "certs/root.pem", *DAY, "--format", "json", *arguments, cwd=tree)
    assert (status, error) == (0, "")
    found: list[dict[str, object]] = json.loads(out)
    return found


GROUPS = ["X25519MLKEM768", "X25519", "prime256v1", "X448", "secp384r1", "secp521r1", "ffdhe2048", "ffdhe3072"]


@pytest.fixture(scope="module")
def rows(tree: Path) -> dict[str, dict[str, object]]:
    found = listed(tree)
    assert [row["file"] for row in found] == sorted(str(row["file"]) for row in found)
    return {str(row["file"]): row for row in found}


def test_each_certificate_once_with_all_that_use_it(rows: dict[str, dict[str, object]]) -> None:
    assert len(rows) == 8
    ecdsa, rsa = (set(map(str, rows[f"certs/{name}.pem"]["suites"])) for name in ("good", "good-rsa"))  # type: ignore[call-overload]
    # Each key gets the suites that it can serve; those of TLS 1.3 serve all.
    assert ecdsa & rsa == {name for name in ecdsa if name.startswith("TLS_")}
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in ecdsa
    assert "ECDHE-RSA-AES256-GCM-SHA384" in rsa
    assert {name: value for name, value in rows["certs/good.pem"].items() if name != "suites"} == {
        "host": "",
        "file": "certs/good.pem",
        "subject": "CN=example.com",
        "names": ["example.com", "www.example.com", "*.api.example.com"],
        "issuer": "CN=Example Intermediate E1,O=Example Trust",
        "serial": "BAA3529A1EA7C0957C7E28E916B47B",
        "not_before": "2026-01-01T00:00:00+00:00",
        "not_after": "2026-12-31T00:00:00+00:00",
        "days_left": 199,
        "key": "EC prime256v1",
        "chain": "trusted",
        "endpoints": ["*:443"],
        "server_names": ["example.com", "www.example.com", "api.example.com"],
        "protocols": ["TLSv1.2", "TLSv1.3"],
        "used_by": ["nginx.conf:3", "nginx.conf:4"],
        "sha256": "02ec2a51d89f0919abee3392426e7c85297df277edc987e009ddc1c6b1211691",
        "groups": GROUPS,
        "post_quantum": ["X25519MLKEM768"],
        "grades": ["A", "M"],  # it does not cover api.example.com
        "differing": ["TLSv1.2 with nginx 1.22.1 and older", "TLSv1.2 TLSv1.3 with nginx 1.24.0 and newer"],
    }
    assert rows["certs/good-rsa.pem"]["key"] == "RSA 2048"
    assert rows["certs/good-rsa.pem"]["server_names"] == ["example.com", "www.example.com"]
    assert rows["certs/expired.pem"]["days_left"] == -106
    assert rows["certs/expired.pem"]["chain"] == "untrusted (expired-certificate)"


def test_what_could_not_be_read_says_why(rows: dict[str, dict[str, object]]) -> None:
    reasons = {name: row["chain"] for name, row in rows.items() if str(row["chain"]).startswith("not ")}
    assert reasons == {
        "certs/$ssl_server_name.pem": ("not checked: its path has variables, which nginx evaluates at each handshake"),
        "certs/missing.pem": "not checked: no such file",
        # Its leaf is sound, but nginx refuses the file.
        "certs/broken.pem": "not loaded: the CERTIFICATE has no END line",
        "certs/empty.pem": "not loaded: the file is empty",
    }
    missing = rows["certs/missing.pem"]
    assert (missing["subject"], missing["days_left"], missing["names"], missing["suites"]) == (None, None, [], [])
    assert missing["server_names"] == ["gone.example.com"]


@pytest.mark.parametrize(
    ("column", "first", "last"),
    [
        ("expires", "certs/expired.pem", "certs/missing.pem"),
        ("subject", "certs/hostile.pem", "certs/missing.pem"),
        ("verdict", "certs/$ssl_server_name.pem", "certs/expired.pem"),
    ],
)
def test_order(column: str, first: str, last: str, tree: Path) -> None:
    files = [row["file"] for row in listed(tree, "--sort", column)]
    assert (len(files), files[0], files[-1]) == (8, first, last)


def test_text(tree: Path) -> None:
    status, out, error = run("nginx.conf", "--trust", "certs/root.pem", *DAY, cwd=tree)
    assert (status, error) == (0, "")
    assert out.replace("\n", "").isprintable()
    assert (
        "certs/good.pem\n"
        "  subject    CN=example.com\n"
        "  names      example.com, www.example.com, *.api.example.com\n"
        "  issuer     CN=Example Intermediate E1,O=Example Trust\n"
        "  serial     BAA3529A1EA7C0957C7E28E916B47B\n"
        "  valid from 2026-01-01\n"
        "  expires    2026-12-31, 199 days\n"
        "  key        EC prime256v1\n"
        "  chain      trusted\n"
        "  served on  *:443 for example.com, www.example.com, api.example.com\n"
        "  protocols  TLSv1.2 with nginx 1.22.1 and older; TLSv1.2 TLSv1.3 with nginx 1.24.0 and newer\n"
        "  suites     ECDHE-ECDSA-AES256-GCM-SHA384, "
    ) in out
    assert (
        f" more\n  groups     {', '.join(GROUPS)}\n  grade      A, M\n  used by    nginx.conf:3, nginx.conf:4\n" in out
    )
    assert "  expires    2026-03-01, 106 days ago\n" in out
    assert "certs/missing.pem\n  chain      not checked: no such file\n  served on  *:8444" in out
    assert "\n8 certificates\nversions: not known, so nginx " in out


def test_csv_has_one_line_for_each_and_no_formulas(tree: Path) -> None:
    status, out, _ = run("nginx.conf", "--trust", "certs/root.pem", *DAY, "--format", "csv", cwd=tree)
    rows = {row["file"]: row for row in csv.DictReader(io.StringIO(out))}
    assert status == 0
    assert len(rows) == len(out.splitlines()) - 1 == 8
    assert rows["certs/good.pem"]["server_names"] == "example.com www.example.com api.example.com"
    assert rows["certs/expired.pem"]["days_left"] == "-106"
    assert rows["certs/hostile.pem"]["server_names"] == "'=cmd"
    assert rows["certs/missing.pem"]["subject"] == ""


def test_a_private_root_that_was_not_given(tree: Path) -> None:
    status, out, _ = run("nginx.conf", *DAY, "--format", "json", cwd=tree)
    (good,) = [row for row in json.loads(out) if row["file"] == "certs/good.pem"]
    assert (status, good["chain"]) == (0, "untrusted (untrusted-root)")


def test_hosts_of_dumps(tree: Path) -> None:
    text = "# configuration file /etc/nginx/nginx.conf:\n" + (tree / "nginx.conf").read_text()
    for name in ("b", "a"):
        (tree / f"{name}.txt").write_text(text)
    status, out, _ = run("b.txt", "a.txt", *DAY, "--format", "csv", "--sort", "host", cwd=tree)
    hosts = [row["host"] for row in csv.DictReader(io.StringIO(out))]
    assert (status, hosts) == (0, ["a.txt"] * 8 + ["b.txt"] * 8)
    assert "\n  host       a.txt\n" in run("a.txt", *DAY, cwd=tree)[1]


def test_standard_input(tree: Path) -> None:
    text = (tree / "nginx.conf").read_text()
    status, out, _ = run("-", "--trust", "certs/root.pem", *DAY, "--format", "json", cwd=tree, text=text)
    (good,) = [row for row in json.loads(out) if row["file"] == "certs/good.pem"]
    assert (status, good["chain"], good["used_by"]) == (0, "trusted", ["-:3", "-:4"])


def test_a_configuration_without_tls(tree: Path) -> None:
    versions = ("--nginx-version", "1.30.6", "--openssl-version", "3.5.9")
    expected = "0 certificates\nversions: nginx 1.30.6, OpenSSL 3.5.9: given\n"
    assert run("plain.conf", *versions, cwd=tree) == (0, expected, "")
    assert run("plain.conf", "--format", "json", cwd=tree) == (0, "[]\n", "")
    assert run("plain.conf", "--format", "csv", cwd=tree)[1].count("\n") == 1


def test_what_was_named_and_is_not_there_is_told_beside_the_list(tree: Path) -> None:
    status, out, error = run("nginx.conf", "no-such.conf", "--format", "json", cwd=tree)
    assert (status, len(json.loads(out))) == (2, 8)
    assert error == "error: no-such.conf: no such file or folder\n"


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("no-such",), "no-such: no such file or folder"),
        (("certs",), "certs: contains no nginx configuration"),
        (("certs/good.pem",), "certs/good.pem: not nginx"),
        (("nginx.conf", "--format", "xml"), "--format xml: is not an output format"),
        (("nginx.conf", "--sort", "size"), "--sort size: is not a sort key"),
        (("nginx.conf", "--at", "never"), "--at never: is not a date"),
        (("nginx.conf", "--trust", "no-such"), "--trust no-such: there is no such file"),
        (("nginx.conf", "--trust", "certs/good.key"), "--trust certs/good.key: contains no certificate"),
        (("nginx.conf", "--map", "x"), "--map x: must have the form THERE=HERE"),
        (("nginx.conf", "--nginx-version", "new"), "is not an nginx version"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(arguments: tuple[str, ...], reported: str, tree: Path) -> None:
    status, out, error = run(*arguments, cwd=tree)
    assert (status, out) == (2, "")
    assert reported in error
    assert "bug in nginxtls" not in error


def test_a_cbom_is_valid_by_its_schema_and_has_every_certificate(tree: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    status, out, error = run("nginx.conf", *DAY, "--format", "cyclonedx", "--openssl-version", "3.5.9", cwd=tree)
    assert (status, error) == (0, "")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(out) is None
    components = {component["bom-ref"]: component for component in json.loads(out)["components"]}
    assert "certificate/02ec2a51d89f0919abee3392426e7c85297df277edc987e009ddc1c6b1211691" in components
    hybrid = components["group/X25519MLKEM768"]["cryptoProperties"]["algorithmProperties"]
    assert (hybrid["primitive"], hybrid["nistQuantumSecurityLevel"]) == ("combiner", 3)
    assert "protocol/TLSv1.3" in components
    # The same again, for a diff of two days.
    assert run("nginx.conf", *DAY, "--format", "cyclonedx", "--openssl-version", "3.5.9", cwd=tree)[1] == out
