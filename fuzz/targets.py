"""What is fuzzed: for each family the seeds, how an input is made, and what is done with it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from keys import ROOT, with_keys
from mutate import damaged, mutated, spliced
from oracle import Fault, check_output

AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
FORMATS = ("text", "concise", "json", "github", "gitlab", "junit", "checkstyle", "markdown", "html", "sarif")
VERSIONS = (("1.18.0", "1.1.1w"), ("1.22.1", "3.0.17"), ("1.26.3", "3.5.1"), ("1.29.4", "4.0.0"), (None, None))
CERTIFICATES = ROOT / "fixtures/certificates"


class Target(NamedTuple):
    """``make`` makes an input of random numbers, ``run`` raises on it whatever is wrong."""

    make: Callable[[Random], bytes]
    run: Callable[[bytes], None]


@cache
def folder() -> Path:
    """The folder of this process, with the certificates of the fixtures; it is the working directory."""
    where = Path(tempfile.mkdtemp(prefix="nginxtls-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    shutil.copytree(CERTIFICATES, where / "certificates")
    (where / ".git").mkdir()
    os.chdir(where)
    return where


def clean() -> None:
    """Remove the folder of this process."""
    os.chdir("/")
    shutil.rmtree(folder(), ignore_errors=True)


@cache
def texts(pattern: str) -> tuple[bytes, ...]:
    """The fixtures of a pattern, in order."""
    return tuple(path.read_bytes() for path in sorted((ROOT / "fixtures").glob(pattern)) if path.is_file())


@cache
def configurations() -> tuple[bytes, ...]:
    """Configurations of every topic, with the key in some of them."""
    return (*texts("rules/*/*/*.conf"), *texts("showcase/**/*.conf"), *KEYS)


KEYS = tuple(
    b"events {}\nhttp {\n server { listen 443 ssl; ssl_protocols TLSv1.1; server_name a.example;\n  %b\n }\n}\n" % text
    for text in (
        b'ssl_certificate certificates/good.pem; ssl_certificate_key "data:@@KEY@@";',
        b"ssl_certificate_key 'data:@@KEY:LINES@@'; ssl_certificate data:$x;",
        b'ssl_certificate "data:@@KEY:AFTER@@"; ssl_certificate_key "data:@@KEY:AFTER@@";',
        b'set $k "@@KEY@@"; ssl_certificate_key "data:$k"; ssl_certificate certificates/good.pem;',
        b'location / { proxy_pass https://b; proxy_ssl_certificate_key "data:@@KEY:RSA@@"; }',
        b"# @@KEY@@\n# nginxtls: ignore[@@KEY@@]\n",
        b'ssl_conf_command PrivateKey "@@KEY@@"; ssl_ciphers "@@KEY@@"; include "@@KEY@@";',
    )
)


# -- configurations ----------------------------------------------------------------------------------------------------


def judge(data: bytes, report: Callable[[], object]) -> None:
    """Make a report, in formats that the input chooses; sometimes make it again, which must not differ."""
    from nginxtls.report import Options, renderer

    number = sum(data[:64]) + len(data)
    found = report()
    for failure in found.failures:  # type: ignore[attr-defined]
        if "bug" in failure.help:
            raise Fault(f"{failure.subject}: {failure.reason}")
    forms = [FORMATS[number % 9], FORMATS[(number // 9 + 1 + number) % 9]]
    if number % 16 == 0:
        forms.append("sarif")
    options = Options(
        color=False, width=(0, 80, 40)[number % 3], verbose=number % 2 == 0, show_suppressed=number % 4 == 0
    )
    for form in forms:
        check_output(renderer(form)(found, options), form)
    if number % 8 == 1:
        first, second = (renderer("json")(each._replace(seconds=0.0), options) for each in (found, report()))  # type: ignore[attr-defined]
        if first != second:
            raise Fault("a second run reports something else")


def lint(data: bytes, *names: str, **arguments: object) -> None:
    """Check some paths, for a version that the input chooses."""
    import nginxtls
    from nginxtls.linting.settings import Settings

    nginx, openssl = VERSIONS[len(data) % 20 % 5 if len(data) % 4 else 2]

    def report() -> object:
        return nginxtls.check(
            *names, settings=Settings(), pedantic=True, nginx_version=nginx, openssl_version=openssl, at=AT, **arguments
        )

    judge(data, report)


def as_file(name: str, data: bytes) -> None:
    """Check the input as a file of this name."""
    data = with_keys(data)
    (folder() / name).write_bytes(data)
    try:
        lint(data, name)
    finally:
        (folder() / name).unlink()


def with_commands(data: bytes) -> None:
    """Every other command on the input, in a format that it chooses."""
    data = with_keys(data)
    (folder() / "nginx.conf").write_bytes(data)
    (folder() / "old.conf").write_bytes(with_keys(KEYS[len(data) % len(KEYS)]))
    for words, form in COMMANDS[len(data) % len(COMMANDS)]:
        text = command(words)
        check_output(text, f"{words[0]} {form}")


COMMANDS: tuple[tuple[tuple[tuple[str, ...], str], ...], ...] = (
    ((("inventory", "nginx.conf", "--no-config"), "text"),),
    ((("inventory", "nginx.conf", "--no-config", "--format", "csv"), "csv"),),
    ((("inventory", "nginx.conf", "--no-config", "--format", "json"), "json"),),
    ((("handshake", "nginx.conf", "--all", "--explain"), "text"),),
    ((("handshake", "nginx.conf", "--all", "--format", "json"), "json"),),
    ((("handshake", "nginx.conf", "--upstreams"), "text"), (("parse", "nginx.conf"), "json")),
    ((("diff", "old.conf", "nginx.conf", "--no-config"), "text"),),
    ((("diff", "nginx.conf", "old.conf", "--no-config", "--format", "markdown"), "markdown"),),
    ((("diff", "old.conf", "nginx.conf", "--no-config", "--format", "json"), "json"),),
    ((("check", "nginx.conf", "--diff", "--unsafe-fixes", "--no-config"), "patch"),),
    ((("check", "nginx.conf", "--list-files", "--no-config"), "text"),),
    ((("parse", "nginx.conf", "--indent", "1"), "json"),),
)


def command(words: Sequence[str]) -> str:
    """What a command prints, run in this process; its exit code is one of the documented ones.

    Standard error is checked, too.
    """
    from nginxtls import cli

    out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict") for _ in range(2))
    kept = sys.argv
    sys.argv = ["nginxtls", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            cli.run()
    except SystemExit as end:
        code = 0 if end.code is None else end.code
    finally:
        sys.argv = kept
    out.flush()
    error.flush()
    texts = [stream.buffer.getvalue().decode("utf-8") for stream in (out, error)]  # type: ignore[attr-defined]
    check_output(texts[1], "stderr")
    if code not in (0, 1, 2):
        raise Fault(f"exit code {code}")
    if code == 2 and not texts[1] and not texts[0]:
        raise Fault("exit code 2 without a message")
    if words[0] != "check" and code == 2 and texts[0] == "":
        return "{}" if "json" in words or words[0] == "parse" else ""
    return texts[0]


# -- files that a configuration names ----------------------------------------------------------------------------------


@cache
def ders() -> tuple[bytes, ...]:
    """Certificates, keys, lists, responses and parameters in DER."""
    import base64

    found = []
    for path in (*sorted(CERTIFICATES.iterdir()), *sorted((ROOT / "tests/pki/data").rglob("*"))):
        if not path.is_file() or path.stat().st_size > 20_000:
            continue
        data = path.read_bytes()
        if data[:1] == b"\x30":
            found.append(data)
        for body in re.findall(rb"-----BEGIN [A-Z0-9 ]+-----\s([A-Za-z0-9+/=\s]+)-----END", data):
            with contextlib.suppress(ValueError):
                found.append(base64.b64decode(body))
    return tuple(dict.fromkeys(found))


LABELS = tuple(
    b"CERTIFICATE|CERTIFICATE|CERTIFICATE|TRUSTED CERTIFICATE|PRIVATE KEY|ENCRYPTED PRIVATE KEY|RSA PRIVATE KEY|"
    b"EC PRIVATE KEY|X509 CRL|DH PARAMETERS|X9.42 DH PARAMETERS|EC PARAMETERS|ECHCONFIG|DSA PRIVATE KEY|PKCS7".split(
        b"|"
    )
)


def pem_file(random: Random) -> bytes:
    """Damaged structures, or a damaged file of the fixtures."""
    if random.random() < 0.7:
        return damaged(random, ders(), LABELS)
    return mutated(random, texts("certificates/*"))


def read_pem(data: bytes) -> None:
    """Everything that reads a PEM or DER file."""
    from nginxtls.pki import (
        TrustStore,
        analyse_chain,
        is_roca,
        read_bundle,
        read_crl,
        read_dhparam,
        read_key,
        read_ocsp,
    )

    bundle = read_bundle(data, "file.pem")
    read_bundle(data, "file.pem", skips_bom=False)
    said = [problem.message for problem in bundle.problems]
    for certificate in bundle.certificates:
        is_roca(certificate.public_key_info) if hasattr(certificate, "public_key_info") else None
        said += (certificate.subject, certificate.issuer, *(san.value for san in certificate.sans))
    if bundle.certificates:
        trust = TrustStore.mozilla() if len(data) % 2 else TrustStore("own", bundle.certificates[1:])
        said += (reason.message for reason in analyse_chain(bundle, trust, AT, "a.example").reasons)
    for read in (read_key, partial(read_key, passwords=(b"password", b"")), read_dhparam):
        found = read(data)
        said.append(repr(found))
    read_crl(data)
    said.append(repr(read_ocsp(data)))
    read_ocsp(data[1:])
    if any("\0" in text for text in said):
        raise Fault("a NUL character in a message")


SERVED = b"""\
events {}
http {
  server { listen 443 ssl; server_name a.example; ssl_certificate x.pem; ssl_certificate_key y.pem; ssl_password_file p;
    ssl_dhparam y.pem; ssl_stapling on; ssl_stapling_file y.pem; ssl_client_certificate y.pem; ssl_crl y.pem;
    ssl_verify_client on; ssl_trusted_certificate x.pem; add_header Strict-Transport-Security "max-age=1"; }
  server { listen 443 ssl; server_name b.example; ssl_certificate certificates/good.pem; ssl_certificate_key x.pem;
    location / { proxy_pass https://a.example; proxy_ssl_verify on; proxy_ssl_trusted_certificate y.pem; } }
  server { listen 444 ssl; ssl_certificate x.pem; ssl_certificate_key x.pem; ssl_ech_file y.pem; }
}
"""


def serve(data: bytes) -> None:
    """A configuration that names the input in every way."""
    first, _, second = data.partition(b"\0--\0")
    for name, content in (
        ("s.conf", SERVED),
        ("x.pem", with_keys(first)),
        ("y.pem", with_keys(second)),
        ("p", b"password"),
    ):
        (folder() / name).write_bytes(content)
    lint(data, "s.conf")


def two_files(random: Random) -> bytes:
    """Two files of ``serve``."""
    return pem_file(random)[:50_000] + b"\0--\0" + pem_file(random)[:49_000]


# -- other text --------------------------------------------------------------------------------------------------------

TEMPLATES = (
    b"server {\n  listen {{ port | default('443') }} ssl;\n  {% if tls %}ssl_protocols TLSv1.1;{% else %}\n"
    b"  ssl_protocols {{ protocols | join(' ') }};{% endif %}\n  {% for name in names %}server_name {{ name }};{% endfor %}\n}\n",
    b"<% if @ssl -%>\nserver { listen 443 ssl; ssl_ciphers <%= @ciphers %>;\n<% @names.each do |n| -%>\n server_name "
    b"<%= n %>;\n<% end -%>\n}\n<% end -%>\n",
    b"{{- if .Values.tls }}\nserver { listen {{ .Values.port }} ssl; {{ range .Values.hosts }}server_name {{ . }};{{ end }}\n"
    b'ssl_certificate {{ include "x" . | quote }}; }\n{{- end }}\n',
    b"server { listen ${PORT} ssl; ssl_protocols ${PROTOCOLS:-TLSv1.2}; server_name @@NAME@@; ssl_ciphers __CIPHERS__; }\n",
    b"> if (x) {\nserver { listen $((ADMIN)); ssl_certificate ${{SSL_CERT}};\n> }\n}\n",
    b"{% raw %}server { ssl_protocols {{ x }}; }{% endraw %}{# c #}{%- set a = 'data:@@KEY@@' -%}ssl_certificate_key {{ a }};",
    b"{% if a %}ssl_certificate_key 'data:@@KEY:LINES@@';{% elif b %}ssl_protocols SSLv3;{% endif %} listen {{ p or '443' }};",
)
DUMP = (
    b"nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\nnginx: configuration file /etc/nginx/nginx.conf test "
    b"is successful\n# configuration file /etc/nginx/nginx.conf:\nevents {}\nhttp {\n  include /etc/nginx/conf.d/*.conf;\n"
    b"  include mime.types;\n}\n\n# configuration file /etc/nginx/conf.d/a.conf:\nserver { listen 443 ssl; include tls; "
    b'server_name a.example; ssl_certificate /x.pem; ssl_certificate_key "data:@@KEY@@"; }\n\n# configuration file '
    b"/etc/nginx/tls:\nssl_protocols TLSv1.1;\ninclude /etc/nginx/conf.d/b.conf;\n\n",
    b"# configuration file /a:\nhttp { server { listen 443 ssl; include /b; include /c*; } }\n# configuration file /b:\n"
    b"location / { include /c; }\n# configuration file /c:\ninclude /b;\n# configuration file /a:\nevents {}\n",
    b'{"status": "ok", "errors": [], "config": [{"file": "/etc/nginx/nginx.conf", "status": "ok", "errors": [], "parsed": '
    b'[{"directive": "http", "line": 1, "args": [], "block": [{"directive": "server", "line": 2, "args": [], "block": '
    b'[{"directive": "listen", "line": 3, "args": ["443", "ssl"]}, {"directive": "ssl_certificate_key", "line": 4, "args": '
    b'["data:@@KEY@@"]}, {"directive": "include", "line": 5, "args": ["x*"], "includes": [0, 1]}]}]}]}]}',
)
SETTINGS = (
    *texts("showcase/.nginxtls.yaml"),
    b"select: [protocols, 'ssl-*']\nignore: weak-cipher\nseverity: {missing-tls13: error}\nfail-on: note\npedantic: yes\n"
    b"per-path-ignores:\n  'sites/*.conf': [hsts-*]\n  '**/x': []\nnginx-version: 1.26.3\nopenssl-version: '3.5.1'\n"
    b"policy: [mozilla-modern]\nmap: {/etc/nginx: certificates}\ntrust: [system, certificates/good.pem]\nexpiry-days: 20\n"
    b"versions: {'*.conf': [1.22.1, 3.0.17]}\nbaseline: known.json\nmin-severity: warning\n",
    b"[tool.nginxtls]\nselect = ['protocols']\nmap = {'/a' = 'b'}\n[tool.nginxtls.severity]\nmissing-tls13 = 'error'\n",
    b'{"version": 1, "findings": [{"fingerprint": "a", "rule": "missing-tls13", "file": "n.conf", "message": "m"}]}',
)
OPENSSL = (
    b"openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMinProtocol = TLSv1.2\nCipherString = DEFAULT:@SECLEVEL=2"
    b"\nCiphersuites = TLS_AES_128_GCM_SHA256\nGroups = X25519:P-256\nOptions = -SessionTicket\n.include /etc/x\n",
    b"nodejs_conf = x\nopenssl_conf = y\n[ y ]\nssl_conf=$x\n[ssl]\nsystem_default=${y::ssl_conf}\n\\\n",
)
CONTAINERS = (
    b'FROM nginx:1.26 AS base\nARG A=1\nENV B=$A C=2\nCOPY --from=x certificates /etc/nginx/\nCOPY ["a b", "/etc/nginx"]\n'
    b"RUN <<E\nserver { listen 443 ssl; }\nE\nRUN openssl req -x509 -days 1 -keyout k.key\nADD . /\n",
    b"services:\n  web:\n    image: nginx:1.22\n    environment: {PORT: 443, K: '@@KEY@@'}\n    volumes:\n      - ./:/etc/nginx:ro\n"
    b"      - {type: bind, source: certificates, target: /etc/ssl}\nconfigs:\n  a:\n    content: |\n      server { listen 443 ssl; "
    b"ssl_protocols TLSv1.1; }\n",
    b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: n}\ndata:\n  nginx.conf: |\n    events {}\n    http { server { listen 443 ssl;"
    b" ssl_protocols TLSv1.1; } }\n---\nkind: Ingress\nmetadata:\n  annotations:\n    nginx.ingress.kubernetes.io/server-snippet: |\n"
    b"      ssl_ciphers RC4;\n",
)
WORDS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:HIGH:!aNULL:!MD5:+RSA:@STRENGTH:@SECLEVEL=1",
    b"ALL:COMPLEMENTOFDEFAULT:-kRSA+AES:TLSv1.2:!eNULL",
    b"X25519:prime256v1:secp384r1:?X25519MLKEM768/P-256:*X448:-DEFAULT",
    b"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
    b"ECDSA+SHA256:RSA-PSS+SHA384:ed25519:?x",
    b"*.example.com",
    b"~^(?<a>.+)\\.example\\.(com|org)$",
)


def settings_file(data: bytes) -> None:
    """Settings and a baseline, given by name and found beside the configuration."""
    data = with_keys(data)
    name = (".nginxtls.yaml", "pyproject.toml", "known.json")[len(data) % 3]
    (folder() / "n.conf").write_bytes(b"server { listen 443 ssl; ssl_protocols TLSv1.1; }\n")
    (folder() / name).write_bytes(data)
    try:
        option = ("--baseline", name) if name.endswith("json") else ("--config", name) if len(data) % 2 else ()
        check_output(command(("check", "n.conf", *option)), "text")
    finally:
        (folder() / name).unlink()


def policy_file(data: bytes) -> None:
    """A policy and an openssl.cnf."""
    data = with_keys(data)
    (folder() / "n.conf").write_bytes(KEYS[0].replace(b"@@KEY@@", b"x"))
    (folder() / "p.json").write_bytes(data)
    (folder() / "p.yaml").write_bytes(data)
    option = (("--policy", "./p.json"), ("--policy", "./p.yaml"), ("--openssl-conf", "p.json"))[len(data) % 3]
    check_output(command(("check", "n.conf", "--no-config", *option, "--nginx-version", "1.26.3")), "text")


def container(data: bytes) -> None:
    """A Dockerfile, a Compose file and a manifest, beside a template."""
    data = with_keys(data)
    where = folder() / "tree"
    where.mkdir(exist_ok=True)
    name = ("Dockerfile", "compose.yml", "manifest.yaml")[len(data) % 3]
    (where / name).write_bytes(data)
    (where / "site.conf.template").write_bytes(
        b"server { listen ${PORT} ssl; ssl_protocols TLSv1.1; ssl_ciphers ${K}; }\n"
    )
    try:
        lint(data, "tree")
    finally:
        shutil.rmtree(where)


def tls_words(data: bytes) -> None:
    """Cipher strings, groups, signature algorithms, host names and patterns."""
    from nginxtls.base.errors import nearest
    from nginxtls.model.patterns import read_pattern
    from nginxtls.pki.hostnames import ascii_host, covers
    from nginxtls.syntax.secrets import hide
    from nginxtls.tls import CipherString, OpenSSL, evaluate_ciphersuites, evaluate_groups, signature_algorithms

    text = data.decode("utf-8", "surrogateescape")
    version = OpenSSL.parse(("1.1.1w", "3.0.17", "3.5.1", "4.0.0")[len(data) % 4])
    CipherString(text).evaluate(version).usable(2)
    evaluate_ciphersuites(text, version)
    evaluate_groups(text, version)
    signature_algorithms(text)
    read_pattern(text).matches(text[:100])
    covers(text[:300], ascii_host(text[:300]) or "a.example.com")
    nearest(text, ("TLSv1.2", "TLSv1.3"))
    if len(hide(text)) != len(text):
        raise Fault("the hidden text has another length")


def arguments(random: Random) -> bytes:
    """A command line; no word leads out of the folder."""
    words = [
        random.choice(
            (
                "check",
                "check",
                "inventory",
                "handshake",
                "diff",
                "chain",
                "ciphers",
                "explain",
                "rules",
                "parse",
                "policies",
                "x",
            )
        )
    ]
    for _ in range(random.randrange(7)):
        words.append(random.choice(_ARGUMENTS))
        if random.random() < 0.15:
            words[-1] = mutated(random, (words[-1].encode("utf-8", "surrogateescape"),)).decode(
                "utf-8", "surrogateescape"
            )
    return "\n".join(words).encode("utf-8", "surrogateescape")


_ARGUMENTS = (
    "n.conf . - certificates/good.pem certificates/good.key missing --format json text csv sarif html x --select --ignore "
    "protocols * ssl-* weak-cipher --policy mozilla-modern --at 2026-01-01 9999-99-99 2026-06-15T12:00:00+99:99 --nginx-version "
    "1.26.3 1.x auto 99999999999.1.1 --openssl-version 3.5.1 3 4.0.0 --root . --map /etc/nginx=certificates = a= --trust system "
    "none certificates/good.pem --expiry-days -1 7 99999999999999999999 --config .nginxtls.yaml --no-config --baseline b.json "
    "--write-baseline --fix --diff --unsafe-fixes --fix-only --exit-non-zero-on-fix --output json:o.json o.txt html:x --color "
    "always --statistics --show-suppressed --list-files -q -v --connect 127.0.0.1:443 :: [::1]:0 a:b:c --servername a.example "
    "\x1b[31m *.x --path / ?a --all --upstreams --explain --name --write w.pem --sort expires --exit-code --min-severity note "
    "--fail-on error --only-nginx --pedantic --exit-zero --help --version ECDHE+AES:!aNULL missing-tls13 --indent 2 \0 \udcff"
).split(" ")


def command_line(data: bytes) -> None:
    """Run a command line; output is only checked where its format is known."""
    words = [
        re.sub(r"\.\.|^/|(?<==)/|(?<=:)/|~", "_", word) for word in data.decode("utf-8", "surrogateescape").split("\n")
    ]
    (folder() / "n.conf").write_bytes(KEYS[0].replace(b"@@KEY@@", b"x"))
    kept = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"server { listen 443 ssl; ssl_protocols TLSv1.1; }\n"))
    try:
        text = command(words)
        if leak := re.search(r"this is a bug|Traceback", text):
            raise Fault(leak.group())
    finally:
        sys.stdin = kept
        for path in folder().iterdir():
            if path.is_file():
                path.unlink()


def from_seeds(seeds: Callable[[], Sequence[bytes]]) -> Callable[[Random], bytes]:
    """Mutations of seeds that are read on first use."""
    return lambda random: mutated(random, seeds())


@cache
def policies() -> tuple[bytes, ...]:
    """The policies of the package, and configurations of OpenSSL."""
    return (*(path.read_bytes() for path in sorted((ROOT / "nginxtls/tls/policies").glob("*.json"))), *OPENSSL)


TARGETS = {
    "configuration": Target(from_seeds(configurations), partial(as_file, "n.conf")),
    "splices": Target(lambda random: spliced(random, configurations()), partial(as_file, "n.conf")),
    "commands": Target(from_seeds(configurations), with_commands),
    "pem": Target(pem_file, read_pem),
    "served": Target(two_files, serve),
    "templates": Target(from_seeds(lambda: TEMPLATES), partial(as_file, "n.conf.j2")),
    "dumps": Target(from_seeds(lambda: DUMP), partial(as_file, "n.dump")),
    "settings": Target(from_seeds(lambda: SETTINGS), settings_file),
    "policies": Target(from_seeds(policies), policy_file),
    "containers": Target(from_seeds(lambda: CONTAINERS), container),
    "words": Target(from_seeds(lambda: WORDS), tls_words),
    "arguments": Target(arguments, command_line),
}
