"""What is fuzzed: for each family the seeds, how an input is made, and what is done with it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from fuzz.keys import ROOT, with_keys
from fuzz.mutate import MOST, damaged, mutated, spliced
from fuzz.oracle import Fault, check_output
from nginxtls.base.printing import shown

if TYPE_CHECKING:
    from nginxtls.linting.report import Report

AT = datetime(2026, 6, 15, tzinfo=timezone.utc)
FORMATS = ("text", "concise", "json", "github", "gitlab", "junit", "checkstyle", "markdown", "html", "sarif")
VERSIONS = (("1.18.0", "1.1.1w"), ("1.22.1", "3.0.17"), ("1.26.3", "3.5.1"), ("1.29.4", "4.0.0"), (None, None))
CERTIFICATES = ROOT / "fixtures/certificates"
T = TypeVar("T")
SEEDS = Path(__file__).parent / "seeds"


JOINT = b"\0==\0"
"""Between the files of an input that has several."""
TOGETHER = 16
"""So many small inputs are the files of one check, which takes half the time of a check each."""


class Target(NamedTuple):
    """``make`` makes an input of random numbers, ``run`` raises on it whatever is wrong.

    ``quick``: the same for what is read and modelled, with no rule and no format, which is much faster; it returns what
    it has seen, if it can. What is new in that is a reason for the whole check.
    """

    family: str
    make: Callable[[Random], bytes]
    run: Callable[[bytes], None]
    quick: Callable[[bytes], Iterable[object] | None] | None = None


def together(make: Callable[[Random], bytes]) -> Callable[[Random], bytes]:
    """Several inputs as one, of no more than 100 kB."""

    def several(random: Random) -> bytes:
        data = make(random)
        for _ in range(TOGETHER - 1):
            more = make(random)
            if len(data) + len(more) + len(JOINT) > MOST:
                break
            data += JOINT + more
        return data

    return several


def parts(data: bytes) -> list[bytes]:
    """The files of an input, with the key in place of its marks."""
    return with_keys(data).split(JOINT)


BASE = tempfile.TemporaryDirectory(
    prefix="nginxtls-fuzz-",
    dir=next(filter(os.path.isdir, ["/dev/shm"]), None),  # noqa: S108 - a folder of its own
)
"""Holds the folders of all processes, in memory if possible; the first process removes it."""


@cache
def folder() -> Path:
    """The folder of this process, with the certificates of the fixtures; it is the working directory."""
    where = Path(tempfile.mkdtemp(dir=BASE.name))
    shutil.copytree(CERTIFICATES, where / "certificates")
    (where / ".git").mkdir()
    os.chdir(where)
    return where


@cache
def texts(pattern: str) -> tuple[bytes, ...]:
    """The fixtures of a pattern, in order."""
    return tuple(path.read_bytes() for path in sorted((ROOT / "fixtures").glob(pattern)) if path.is_file())


@cache
def seeds(name: str) -> tuple[bytes, ...]:
    """The seeds of a folder, in order."""
    return tuple(path.read_bytes() for path in sorted((SEEDS / name).iterdir()))


@cache
def configurations() -> tuple[bytes, ...]:
    """Configurations of every topic, with the key in some of them."""
    return (*texts("rules/*/*/*.conf"), *texts("showcase/**/*.conf"), *seeds("keys"))


# -- configurations ----------------------------------------------------------------------------------------------------


def judge(data: bytes, report: Callable[[], Report]) -> None:
    """Make a report, in formats that the input chooses; sometimes make it again, which must not differ.

    A report with a finding of a new kind is made again, and in every format.
    """
    from nginxtls.report import Options, renderer

    number = sum(data[:64]) + len(data)
    found = report()
    for failure in found.failures:
        if "bug" in failure.help:
            raise Fault(f"{failure.subject}: {failure.reason}")
    kinds = {
        (each.rule, each.severity, each.confidence, each.fix and each.fix.safe, len(each.notes), bool(each.labels))
        for each in found.findings
    }
    new = not kinds <= REPORTED
    REPORTED.update(kinds)
    forms = FORMATS if new else (FORMATS[number % 9], *(("sarif",) if number % 8 == 0 else ()))
    options = Options(
        color=False, width=(0, 80, 40)[number % 3], verbose=number % 2 == 0, show_suppressed=number % 4 == 0
    )
    for form in forms:
        check_output(renderer(form)(found, options), form)
    if new or number % 8 == 1:
        first = renderer("json")(found._replace(seconds=0.0), options)
        with scattered(number):
            second = renderer("json")(report()._replace(seconds=0.0), options)
        if first != second:
            raise Fault("a second run reports something else")


REPORTED: set[object] = set()
"""The kinds of findings that this process has seen."""


@contextlib.contextmanager
def scattered(salt: int) -> Iterator[None]:
    """Sets of files and directives, which are compared by identity, have another order in here."""
    from unittest.mock import patch

    from nginxtls.syntax.tree import Directive, SourceFile

    def other(self: object) -> int:
        return hash((salt, id(self)))

    with patch.object(SourceFile, "__hash__", other), patch.object(Directive, "__hash__", other):
        yield


def model(data: bytes, *names: str) -> set[object]:
    """Read and interpret some paths, with no rule; what is said of them has no key. What was seen is returned."""
    from nginxtls.api import read
    from nginxtls.linting.settings import Settings
    from nginxtls.model.directive_table import tls_names
    from nginxtls.model.nginx_test import refusals

    nginx, openssl = VERSIONS[len(data) % 4]
    reading = read(names, Settings(nginx_version=nginx, openssl_version=openssl), at=AT)
    said = [f"{failure.subject}: {failure.reason}" for failure in reading.failures]
    said += (f"{entry.subject}: {entry.reason}" for entry in reading.skipped)
    seen: set[object] = set()
    tls = tls_names()
    for subject in reading.subjects:
        for configuration in subject.configurations:
            for refusal in refusals(configuration):
                said.append(refusal.message)
                seen.add((refusal.category, refusal.level, refusal.directive.name in tls))
            for endpoint in configuration.endpoints:
                said.append(f"{endpoint.title} {list(endpoint.tls.suites)}")
            for upstream in configuration.upstreams:
                said.append(f"{upstream.server.title}")
            seen.update((configuration.completeness, name) for name in configuration.mentions & tls)
    check_output("\n".join(map(shown, said)), "message")
    return seen


def lint(data: bytes, *names: str) -> None:
    """Check some paths, for a version that the input chooses."""
    import nginxtls
    from nginxtls.linting.settings import Settings

    nginx, openssl = VERSIONS[len(data) % 20 % 5 if len(data) % 4 else 2]

    def report() -> Report:
        return nginxtls.check(
            *names, settings=Settings(), pedantic=True, nginx_version=nginx, openssl_version=openssl, at=AT
        )

    judge(data, report)


def as_file(name: str, look: Callable[..., T], data: bytes) -> T:
    """Check the files of the input as files of this name, with numbers."""
    stem, _, suffix = name.partition(".")
    names = []
    for number, content in enumerate(parts(data)):
        names.append(f"{stem}{number or ''}.{suffix}")
        (folder() / names[-1]).write_bytes(content)
    try:
        return look(data, *names)
    finally:
        for name in names:
            (folder() / name).unlink()


def with_commands(data: bytes) -> None:
    """Every other command on the input, in a format that it chooses, for one version of nginx.

    Some commands read all files of the input at once, others one after the other. Every fourth input's first file is
    looked at in each build, too.
    """
    names = []
    for number, content in enumerate(parts(data)):
        names.append(f"nginx{number or ''}.conf")
        (folder() / names[-1]).write_bytes(content)
    (folder() / "old.conf").write_bytes(with_keys(seeds("keys")[len(data) % len(seeds("keys"))]))
    try:
        for words, form in COMMANDS[len(data) % len(COMMANDS)]:
            known = () if words[0] == "parse" else ("--nginx-version", "1.26.3", "--openssl-version", "3.5.1")
            runs = [(files, known) for files in ([names] if "FILES" in words else ([name] for name in names))]
            if len(data) % 4 == 0:
                runs.append((names[:1], ()))
            for files, options in runs:
                filled = [each for word in words for each in (files if word in ("FILE", "FILES") else [word])]
                check_output(command((*filled, *options)), f"{words[0]} {form}")
    finally:
        for name in names:
            (folder() / name).unlink()


COMMANDS: tuple[tuple[tuple[tuple[str, ...], str], ...], ...] = (
    ((("inventory", "FILES", "--no-config"), "text"),),
    ((("inventory", "FILES", "--no-config", "--format", "csv"), "csv"),),
    ((("inventory", "FILES", "--no-config", "--format", "json"), "json"),),
    ((("handshake", "FILE", "--all", "--explain"), "text"),),
    ((("handshake", "FILE", "--all", "--format", "json"), "json"),),
    ((("handshake", "FILE", "--upstreams"), "text"), (("parse", "FILE"), "json")),
    ((("diff", "old.conf", "FILE", "--no-config"), "text"),),
    ((("diff", "FILE", "old.conf", "--no-config", "--format", "markdown"), "markdown"),),
    ((("diff", "old.conf", "FILE", "--no-config", "--format", "json"), "json"),),
    ((("check", "FILES", "--diff", "--unsafe-fixes", "--no-config"), "patch"),),
    ((("check", "FILES", "--list-files", "--no-config"), "text"),),
    ((("parse", "FILE", "--indent", "1"), "json"),),
    ((("clients", "FILE", "--format", "json"), "json"),),
    ((("clients", "FILE", "--format", "markdown"), "markdown"),),
    ((("clients", "FILE"), "text"),),
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
    texts = [stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in (out, error)]
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
    return mutated(random, (*texts("certificates/*"), b"@@KEY:LINES@@", b"@@KEY:JOINED@@\n"))


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

    data = with_keys(data)
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
    check_output("\n".join(text.replace("\n", " ") for text in said), "message")


def serve(look: Callable[..., T], data: bytes) -> T:
    """A configuration that names the input in every way."""
    first, _, second = data.partition(b"\0--\0")
    for name, content in (
        ("s.conf", (SEEDS / "served.conf").read_bytes()),
        ("x.pem", with_keys(first)),
        ("y.pem", with_keys(second)),
        ("p", b"password"),
    ):
        (folder() / name).write_bytes(content)
    return look(data, "s.conf")


def two_files(random: Random) -> bytes:
    """Two files of ``serve``."""
    return pem_file(random)[:50_000] + b"\0--\0" + pem_file(random)[:49_000]


# -- other text --------------------------------------------------------------------------------------------------------


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


def quick_settings(data: bytes) -> None:
    """The same files, with no command."""
    from nginxtls.linting.baseline import read_baseline
    from nginxtls.linting.settings import read_settings

    data = with_keys(data)
    name = (".nginxtls.yaml", "pyproject.toml", "known.json")[len(data) % 3]
    path = folder() / name
    path.write_bytes(data)
    try:
        quiet(lambda: read_baseline(path) if name.endswith("json") else read_settings(path))
    finally:
        path.unlink()


def quick_policy(data: bytes) -> None:
    """The same files, with no command."""
    from nginxtls.tls import load_policy
    from nginxtls.tls.system import parse_openssl_conf

    data = with_keys(data)
    if len(data) % 3 == 2:
        parse_openssl_conf(data.decode("utf-8", "replace"))
        return
    path = folder() / ("p.json" if len(data) % 3 else "p.yaml")
    path.write_bytes(data)
    quiet(lambda: load_policy(path))


def quiet(read: Callable[[], object]) -> None:
    """Read a file; that it cannot be used is one message without a key."""
    from nginxtls.base.errors import UsageError
    from nginxtls.tls import PolicyError

    try:
        read()
    except (UsageError, PolicyError) as error:
        check_output(shown(f"{error} {getattr(error, 'help', '')}"), "message")


def policy_file(data: bytes) -> None:
    """A policy and an openssl.cnf."""
    data = with_keys(data)
    (folder() / "n.conf").write_bytes(seeds("keys")[0].replace(b"@@KEY@@", b"x"))
    (folder() / "p.json").write_bytes(data)
    (folder() / "p.yaml").write_bytes(data)
    option = (("--policy", "./p.json"), ("--policy", "./p.yaml"), ("--openssl-conf", "p.json"))[len(data) % 3]
    check_output(command(("check", "n.conf", "--no-config", *option, "--nginx-version", "1.26.3")), "text")


def container(look: Callable[..., T], data: bytes) -> T:
    """Dockerfiles, Compose files and manifests, each beside a template."""
    folders = []
    for number, content in enumerate(parts(data)):
        where = folder() / f"tree{number}"
        where.mkdir(exist_ok=True)
        (where / ("Dockerfile", "compose.yml", "manifest.yaml")[len(content) % 3]).write_bytes(content)
        (where / "site.conf.template").write_bytes(
            b"server { listen ${PORT} ssl; ssl_protocols TLSv1.1; ssl_ciphers ${K}; }\n"
        )
        folders.append(where)
    try:
        return look(data, *(where.name for where in folders))
    finally:
        for where in folders:
            shutil.rmtree(where)


def tls_words(data: bytes) -> None:
    """Cipher strings, groups, signature algorithms, host names and patterns."""
    from nginxtls.base.errors import nearest
    from nginxtls.base.secrets import hide
    from nginxtls.model.patterns import read_pattern
    from nginxtls.pki.hostnames import ascii_host, covers
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
    known = (SEEDS / "arguments.txt").read_text().splitlines()
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
        words.append(random.choice(known).encode().decode("unicode_escape"))
        if random.random() < 0.15:
            words[-1] = mutated(random, (words[-1].encode("utf-8", "surrogateescape"),)).decode(
                "utf-8", "surrogateescape"
            )
    return "\n".join(words).encode("utf-8", "surrogateescape")


def command_line(data: bytes) -> None:
    """Run a command line; output is only checked where its format is known."""
    text = data.decode("utf-8", "surrogateescape").replace("\0", "")  # no argument of a process has one
    words = [re.sub(r"\.\.|^/|(?<==)/|(?<=:)/|~", "_", word) for word in text.split("\n")]
    (folder() / "n.conf").write_bytes(seeds("keys")[0].replace(b"@@KEY@@", b"x"))
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


def from_seeds(read: Callable[[], Sequence[bytes]]) -> Callable[[Random], bytes]:
    """Mutations of seeds that are read on first use."""
    return lambda random: mutated(random, read())


@cache
def policies() -> tuple[bytes, ...]:
    """The policies of the package, and configurations of OpenSSL."""
    return (
        *(path.read_bytes() for path in sorted((ROOT / "nginxtls/tls/policies").glob("*.json"))),
        *seeds("policies"),
    )


def read_as(family: str, make: Callable[[Random], bytes], run: Callable[..., Any], *options: object) -> Target:
    """A target of something that is checked, or, quickly, only read and modelled."""
    return Target(family, make, partial(run, *options, lint), partial(run, *options, model))


TARGETS = {
    "configuration": read_as("configurations", together(from_seeds(configurations)), as_file, "n.conf"),
    "splices": read_as("configurations", together(lambda random: spliced(random, configurations())), as_file, "n.conf"),
    "commands": Target("commands", together(from_seeds(configurations)), with_commands),
    "pem": Target("certificates", pem_file, read_pem),
    "served": read_as("certificates", two_files, serve),
    "templates": read_as("templates", together(from_seeds(lambda: seeds("templates"))), as_file, "n.conf.j2"),
    "dumps": read_as("dumps", together(from_seeds(lambda: seeds("dumps"))), as_file, "n.dump"),
    "containers": read_as("containers", together(from_seeds(lambda: seeds("containers"))), container),
    "settings": Target(
        "settings",
        from_seeds(lambda: (*texts("showcase/.nginxtls.yaml"), *seeds("settings"))),
        settings_file,
        quick_settings,
    ),
    "policies": Target("settings", from_seeds(policies), policy_file, quick_policy),
    "words": Target("words", from_seeds(lambda: seeds("words")), tls_words),
    "arguments": Target("commands", arguments, command_line),
}
