"""Private keys, PINs and passwords of tokens are in no report, in whatever way a configuration gives them."""

from __future__ import annotations

import base64
import json
import os
import re
import string
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from nginxtls.base.secrets import hide
from nginxtls.cli.application import app
from nginxtls.fix import diff, plan
from nginxtls.syntax import parse_text

FORMATS = ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "checkstyle", "markdown", "html")
CERTIFICATE = (Path(__file__).parents[1] / "fixtures/certificates/good.pem").read_text()
HEADS = {"PRIVATE KEY": "308187020100", "RSA PRIVATE KEY": "308204a4020100", "EC PRIVATE KEY": "307702010104"}


@st.composite
def keys(draw: st.DrawFn) -> tuple[str, str]:
    """A key as PEM, and its base64."""
    label = draw(st.sampled_from([*HEADS, "ENCRYPTED PRIVATE KEY"]))
    body = bytes.fromhex(HEADS.get(label, "3081f6305f06092a")) + draw(st.binary(min_size=60, max_size=300))
    text = base64.b64encode(body).decode()
    width = draw(st.sampled_from([64, 64, 76, 40, 16]))
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]), text


def inline(pem: str) -> str:
    return pem.replace("\n", "\\n")


WAYS: dict[str, Callable[[str], str]] = {
    "escaped": lambda pem: f'ssl_certificate_key "data:{inline(pem)}";',
    "lines": lambda pem: f"ssl_certificate_key 'data:{pem}';",
    "proxy": lambda pem: f'proxy_ssl_certificate_key "data:{inline(pem)}";',
    "with the certificate": lambda pem: f'ssl_certificate "data:{CERTIFICATE}{pem}"; ssl_certificate_key "data:{pem}";',
    "certificate after": lambda pem: f'ssl_certificate_key "data:{inline(pem + CERTIFICATE)}";',
    "variable": lambda pem: f'set $key "{inline(pem)}"; ssl_certificate_key "data:$key";',
    "body in a variable": lambda pem: (
        f'set $key "{inline(pem[pem.index(chr(10)) : pem.rindex("-----END")])}";'
        ' ssl_certificate_key "data:-----BEGIN PRIVATE KEY-----\\n${key}\\n-----END PRIVATE KEY-----";'
    ),
    "lines in variables": lambda pem: (
        "".join(f'set $k{n} "{line}"; ' for n, line in enumerate(pem.split("\n")))
        + f'ssl_certificate_key "data:{"".join(f"${{k{n}}}" + chr(92) + "n" for n in range(pem.count(chr(10)) + 1))}";'
    ),
    "comment": lambda pem: "".join(f"# {line}\n" for line in pem.split("\n")),
    "suppression": lambda pem: f"ssl_ciphers RC4; # nginxtls: ignore[{''.join(pem.split(chr(10)))}]\n",
    "junk": lambda pem: pem,
    "open": lambda pem: pem[: pem.index("-----END")],
    "unclosed": lambda pem: f'ssl_certificate_key "data:{inline(pem)}',
    "misspelt": lambda pem: (
        f'ssl_certificat_key "{inline(pem)}"; ssl_ciphers "{inline(pem)}"; include "{inline(pem)}";'
    ),
    "template": lambda pem: f"{{% if x %}}ssl_certificate_key 'data:{pem}';{{% endif %}} listen {{{{ port }}}};",
    "expression": lambda pem: f"ssl_certificate_key {{{{ key | default('data:{inline(pem)}') }}}};",
    "crlf": lambda pem: f'ssl_certificate_key "data:{pem}";'.replace("\n", "\r\n"),
}


def main(statements: str) -> str:
    return (
        "events {}\nhttp {\n  map $host $other { default 1; }\n  server {\n"
        "    listen 443 ssl; ssl_protocols TLSv1.1 TLSv1.9;\n"
        f"    {statements} ssl_certificate good.pem; ssl_certifcate_key x;\n  }}\n}}\n"
    )


FEW = ("text", "json", "sarif", "html", "parse", "inventory json", "handshake json", "diff json", "clients json")
"""The commands that a second reading of the same key is tried with."""


def outputs(folder: Path, name: str, only: Sequence[str] = ()) -> dict[str, str]:
    """What each command, or those of ``only``, prints."""
    path = str(folder / name)
    options = ("--no-config",)
    commands: dict[str, tuple[str, ...]] = {
        form: ("check", path, "--no-cache", "--pedantic", "--format", form, *options) for form in FORMATS
    }
    commands |= {
        "verbose": ("check", path, "-v", "--show-suppressed", "--color", "always", "--statistics", *options),
        "fixes": ("check", path, "--diff", "--unsafe-fixes", *options),
        "files": ("check", path, "--list-files", *options),
        "parse": ("parse", path),
        "ciphers": ("ciphers", "--nginx", path),
        "inventory": ("inventory", path, *options),
        "inventory json": ("inventory", path, "--format", "json", *options),
        "inventory csv": ("inventory", path, "--format", "csv", *options),
        "handshake explained": ("handshake", path, "--all", "--explain"),
        "handshake json": ("handshake", path, "--all", "--explain", "--format", "json"),
        "upstreams": ("handshake", path, "--upstreams"),
        "diff markdown": ("diff", path, str(folder / "old.conf"), "--format", "markdown", *options),
        "clients": ("clients", path),
        "clients json": ("clients", path, "--format", "json"),
        "clients markdown": ("clients", path, "--format", "markdown"),
        "chain": ("chain", path),
        "handshake": ("handshake", path, "--all"),
        "diff": ("diff", str(folder / "old.conf"), path, *options),
        "diff json": ("diff", str(folder / "old.conf"), path, "--format", "json", *options),
    }
    found = {}
    for title, command in commands.items():
        if only and title not in only:
            continue
        done = CliRunner().invoke(app, list(command))
        found[title] = done.output + repr(done.exception)
    return found


def leaks(secret: str, text: str) -> list[str]:
    """Stretches of 16 characters of a secret that a text has, whatever escapes and white space are between them."""
    solid = re.sub(r"\\+[nrtu]?|&#?\w+;|[\s\"'#|]", "", text)
    runs = (secret[at : at + 16] for at in range(len(secret) - 15))
    return [run for run in runs if run in text or run in solid]


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=1, deadline=None, derandomize=True)
@given(key=keys())
def test_no_command_prints_a_key(way: str, key: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    pem, secret = key
    folder = tmp_path_factory.mktemp("keys")
    (folder / "good.pem").write_text(CERTIFICATE)
    (folder / "old.conf").write_text(main("ssl_ciphers HIGH;"))
    (folder / "nginx.conf").write_text(main(WAYS[way](pem)))
    (folder / "all.dump").write_text(f"# configuration file /etc/nginx/nginx.conf:\n{main(WAYS[way](pem))}")
    for name, only in (("nginx.conf", ()), ("all.dump", FEW)):
        for title, text in outputs(folder, name, only).items():
            assert not leaks(secret, text), (title, name)


OTHERS: dict[str, Callable[[str], str]] = {
    "payload.json": lambda pem: json.dumps(
        {"config": [{"file": "/n.conf", "status": "ok", "errors": [], "parsed": [{"directive": "server", "line": 1,
         "args": [], "block": [{"directive": "ssl_certificate_key", "line": 2, "args": ["data:" + pem]},
         {"directive": "listen", "line": 3, "args": ["443", "ssl"]}]}]}], "status": "ok", "errors": []}
    ),
    "compose.yml": lambda pem: (
        "services:\n  web:\n    image: nginx\n    environment:\n"
        f"      KEY: {json.dumps(pem)}\n      C: {json.dumps(pem)}\n    volumes:\n      - ./:/etc/nginx/templates\n"
    ),
    "Dockerfile": lambda pem: f"FROM nginx\nENV KEY={json.dumps(pem)}\nCOPY . /etc/nginx/templates/\n",
    "manifest.yaml": lambda pem: "kind: ConfigMap\ndata:\n  n.conf: |\n"
    + "".join(f"    {line}\n" for line in main(WAYS["lines"](pem)).split("\n")),
    "paths.dump": lambda pem: "".join(
        f"# configuration file {start}{inline(pem)}/n.conf:\n{main('include x;')}" for start in ("/", "/etc/")
    ),
    "paths.json": lambda pem: json.dumps(
        {"config": [{"file": start + inline(pem), "status": "ok", "errors": [{"error": "x", "line": 1}],
         "parsed": [{"directive": "server", "line": 1, "args": [],
         "block": [{"directive": "listen", "line": 3, "args": ["443", "ssl"]}]}]} for start in ("", "/")],
         "status": "ok", "errors": []}
    ),
    "n.pem": lambda pem: CERTIFICATE + pem,
    "n.key": lambda pem: pem.replace("\n", ""),
    "one-line.key": lambda pem: pem.replace("\n", " "),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=1, deadline=None, derandomize=True)
@given(key=keys())
def test_no_other_file_brings_a_key(name: str, key: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    pem, secret = key
    folder = tmp_path_factory.mktemp("others")
    (folder / "old.conf").write_text(main("ssl_ciphers HIGH;"))
    (folder / name).write_text(OTHERS[name](pem))
    text = f"ssl_certificate {name}; ssl_certificate_key {name}; ssl_dhparam {name}; ssl_client_certificate {name};"
    text += f"ssl_crl {name}; ssl_stapling_file {name}; ssl_trusted_certificate {name}; ssl_password_file {name};"
    (folder / "nginx.conf").write_text(main(text + f"include {name};"))
    template = main('ssl_ciphers ${C}; ssl_certificate "data:${C}"; ssl_certificate_key "data:${KEY}"; include ${KEY};')
    (folder / "site.conf.template").write_text(template)
    for subject, only in (("nginx.conf", ()), (name, FEW), (".", FEW)):
        for title, printed in outputs(folder, subject, only).items():
            assert not leaks(secret, printed), (title, subject)


def certified(text: str) -> tuple[bytes, bytes]:
    """A certificate with a text in all its names, and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the text is longer than it may be
        name = x509.Name(
            x509.NameAttribute(oid, text, _validate=False) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        )
    flat = text.replace("\n", "")
    place = x509.UniformResourceIdentifier(f"http://a.test/{flat}")
    issuers = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
    at = datetime(2026, 11, 1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 5, at, at + timedelta(35))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(flat), x509.RFC822Name(flat), place]), False)
        .add_extension(x509.AuthorityInformationAccess([issuers]), False)
        .add_extension(x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)]), False)
        .sign(key, hashes.SHA256())
    )
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), key.private_bytes(*form)


@settings(max_examples=1, deadline=None, derandomize=True)
@given(key=keys())
def test_no_certificate_brings_a_key(key: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Not in a name, and not in an address."""
    pem, secret = key
    folder = tmp_path_factory.mktemp("names")
    served, own = certified(pem)
    (folder / "n.pem").write_bytes(served)
    (folder / "n.key").write_bytes(own)
    text = "ssl_stapling on; ssl_verify_client on; ssl_client_certificate n.pem; server_name a.test;"
    (folder / "nginx.conf").write_text(main(f"{text} ssl_certificate n.pem; ssl_certificate_key n.key;"))
    (folder / "old.conf").write_text(main(""))
    for title, printed in {**outputs(folder, "nginx.conf"), **outputs(folder, "n.pem", ["chain"])}.items():
        assert not leaks(secret, printed), title


FILES: dict[str, Callable[[Path], object]] = {
    "a site": lambda path: path.write_text("server { listen 443 ssl; ssl_protocols TLSv1; bogus }"),
    "another text": lambda path: path.write_text("hello"),
    "a binary": lambda path: path.write_bytes(b"server {\0\xff"),
    "a pipe": os.mkfifo,
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("x" + path.name),
    "a link out": lambda path: path.symlink_to("/etc/passwd"),
}


@pytest.mark.parametrize("kind", FILES)
def test_no_file_name_brings_a_key(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret = base64.b64encode(bytes.fromhex("308187020100") + bytes(range(90))).decode().replace("/", "+")
    name = f"-----BEGIN PRIVATE KEY-----{secret}.conf"
    FILES[kind](tmp_path / name)
    (tmp_path / "nginx.conf").write_text(f'events {{}} http {{ include *.conf; include "{name}"; }}')
    (tmp_path / "old.conf").write_text(main(""))
    for subject in (".", name, "nginx.conf"):
        for title, printed in outputs(tmp_path, subject, (*FORMATS, *FEW, "files", "verbose", "chain")).items():
            assert not leaks(secret, printed), (title, subject)


MISPLACED: dict[str, Callable[[str], str]] = {
    "a name": lambda pem: f"{json.dumps(pem)}: 1\n",
    "a value": lambda pem: f"select: [{json.dumps(pem)}]\n",
    "values": lambda pem: (
        f'{{"fail-on": {json.dumps(pem)}, "name": {json.dumps(pem)}, "protocols": {json.dumps(pem)}}}'
    ),
    "toml": lambda pem: f"[tool.nginxtls]\n{json.dumps(pem)} = 1\n",
    "toml value": lambda pem: f"[tool.nginxtls]\nnginx-version = {json.dumps(pem)}\n",
    "a recorded finding": lambda pem: json.dumps(
        {"version": 1, "findings": [{"fingerprint": "a", "rule": "missing-tls13", "file": "n.conf", "message": pem}]}
    ),
    "a policy's title": lambda pem: json.dumps({"name": "x", "title": pem, "protocols": {"allowed": ["TLSv1.3"]}}),
    "the whole file": lambda pem: pem,
    "the end": lambda pem: f"nginx-version: 1.26.3\n{pem}trust: [a.pem]\n",
}
GIVEN = (
    "--config=s.yaml", "--config=pyproject.toml", "--policy=./p.json", "--policy=./p.yaml", "--baseline=b.json",
    "--openssl-conf=o.cnf", "--trust=t.pem",
)  # fmt: skip


@pytest.mark.parametrize("option", GIVEN)
@pytest.mark.parametrize("way", MISPLACED)
def test_no_message_about_a_file_that_is_given_has_a_key(
    option: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = base64.b64encode(bytes.fromhex("308187020100") + bytes(range(130))).decode()
    lines = "\n".join(secret[at : at + 64] for at in range(0, len(secret), 64))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.conf").write_text("server { listen 443 ssl; ssl_protocols TLSv1.2; ssl_certificate n.pem; }")
    (tmp_path / "n.pem").write_text(CERTIFICATE)
    name = option.partition("=")[2]
    pem = f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"
    (tmp_path / name).write_text(MISPLACED[way](pem))
    done = CliRunner().invoke(app, ["check", "n.conf", option])
    assert not leaks(secret, done.output + repr(done.exception))


@pytest.mark.parametrize("line", ["KEY", "KEY 127.0.0.1:1", "n.conf KEY", "KEY.dump 127.0.0.1"])
def test_no_message_about_a_host_map_has_a_key(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = base64.b64encode(bytes.fromhex("308187020100") + bytes(range(255, 125, -1))).decode()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.conf").write_text("events {} http { server { listen 443 ssl; ssl_certificate n.pem; } }")
    for pem in (secret, f"-----BEGIN PRIVATE KEY-----{secret}-----END PRIVATE KEY-----"):
        (tmp_path / "map").write_text(line.replace("KEY", pem))
        done = CliRunner().invoke(app, ["verify", "--host-map", "map"])
        assert not leaks(secret, done.output + repr(done.exception))


@settings(max_examples=150, deadline=None)
@given(key=keys(), way=st.sampled_from(sorted(WAYS)))
def test_the_tree_has_no_key(key: tuple[str, str], way: str) -> None:
    pem, secret = key
    text = main(WAYS[way](pem))
    file = parse_text(text)
    assert len(file.text) == len(text)
    assert [m.start() for m in re.finditer(r"[\n;{}\"']", file.text)] == [
        m.start() for m in re.finditer(r"[\n;{}\"']", text)
    ]
    said = [file.text, file.masked, *(problem.message for problem in file.problems)]
    said += (word for directive in file.walk() for word in (directive.name, *directive.args))
    assert not leaks(secret, "\x00".join(said))


@pytest.mark.parametrize(
    "uri",
    [
        "engine:pkcs11:pkcs11:token=t;object=k;type=private;pin-value=secret9",
        "store:pkcs11:token=t;object=k?pin-value=secret9",
        "store:file:/etc/key.pem?password=secret9",
    ],
)
def test_no_command_prints_a_pin(tmp_path: Path, uri: str) -> None:
    (tmp_path / "old.conf").write_text(main(""))
    (tmp_path / "nginx.conf").write_text(main(f'ssl_certificate_key "{uri}";'))
    for title, text in outputs(tmp_path, "nginx.conf").items():
        assert "secret9" not in text, title


@settings(max_examples=300)
@given(st.text(string.printable, max_size=200))
def test_a_text_keeps_its_shape(text: str) -> None:
    hidden = hide(text)
    assert len(hidden) == len(text)
    assert all(h in (t, "*") for h, t in zip(hidden, text, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "ssl_certificate_key /etc/nginx/Certificates2024/IssuedByTheInternalAuthority/shop.key;",
        "ssl_certificate certs/Certificates2024/IssuedByTheInternalAuthority/shop.pem;",
        'ssl_certificate_key "data:$key";',
        "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305;",
        'set $id "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";',
        "proxy_pass https://backend/login?pin=$arg_pin;",
        f'ssl_certificate "data:{CERTIFICATE}";',
    ],
)
def test_what_is_public_is_kept(text: str) -> None:
    assert hide(text) is text or hide(text) == text


def test_a_fix_writes_the_key_and_a_diff_does_not() -> None:
    from nginxtls.finding import Edit, Finding, Fix, Location, Severity

    secret = base64.b64encode(bytes(range(60))).decode()
    pem = f"-----BEGIN PRIVATE KEY-----\\n{secret}\\n-----END PRIVATE KEY-----\\n"
    text = f'ssl_protocols TLSv1.1;\nssl_certificate_key "data:{pem}";\n'
    file = parse_text(text)

    def finding(directive: int, replacement: str) -> Finding:
        place = Location(file, file.directives[directive].arg_span(0))
        fix = Fix("set it", (Edit(place, replacement),), safe=True)
        return Finding("x", Severity.ERROR, "x", place, fix=fix)

    fixes = plan([finding(0, "TLSv1.3"), finding(1, file.directives[1].arg_text(0) + "x")], unsafe=False)
    assert fixes.texts == {file: text.replace("TLSv1.1", "TLSv1.3")}
    assert [reason for _, reason in fixes.left] == ["it would change key material"]
    assert secret not in diff(fixes.texts)
    assert "+ssl_protocols TLSv1.3;" in diff(fixes.texts)
