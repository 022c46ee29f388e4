"""Changes core claims of the model one at a time, and reports which changes no test notices.

    python tools/mutants.py [--only WORD] [--tests PATH …]

Each mutant replaces one piece of text in a copy of the project and runs the tests of the rooms that it concerns. A
survivor is a claim that the tests do not hold; a piece that is no longer there ends the run with exit code 2.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PARTS = ("nginxtls", "rules", "tests", "fixtures", "pyproject.toml")


class Mutant(NamedTuple):
    """A piece of a file, what it is replaced with, and the folder of tests that has to notice."""

    file: str
    old: str
    new: str
    tests: str


MODEL, TLS, PKI, POLICIES = "tests/model", "tests/tls", "tests/pki", "tests/report/test_policies.py"
EFFECTIVE = "nginxtls/model/effective.py"
MUTANTS = (
    # who decides a setting, and since when
    Mutant(EFFECTIVE, '"ssl_protocols": ("D", "B")', '"ssl_protocols": ("B", "B")', MODEL),
    Mutant(EFFECTIVE, '"ssl_ecdh_curve": ("D", "D")', '"ssl_ecdh_curve": ("B", "B")', MODEL),
    Mutant(EFFECTIVE, '"ssl_ciphers": ("B", "B")', '"ssl_ciphers": ("D", "D")', MODEL),
    Mutant(EFFECTIVE, '"ssl_early_data": ("D", "D")', '"ssl_early_data": ("D", "B")', MODEL),
    Mutant(EFFECTIVE, '"ssl_session_cache": ("D", "D")', '"ssl_session_cache": ("B", "B")', MODEL),
    Mutant(EFFECTIVE, '"ssl_verify_client": ("B", "B")', '"ssl_verify_client": ("D", "B")', MODEL),
    Mutant(EFFECTIVE, "SINCE_CLIENT_HELLO = (1, 29, 2)", "SINCE_CLIENT_HELLO = (1, 31, 0)", MODEL),
    Mutant(
        EFFECTIVE, "deciding = (self.context,) if self.by_client_hello else", "deciding = (self.context,) or", MODEL
    ),
    Mutant(EFFECTIVE, "security_level(server) < 3 for server", "security_level(server) < 9 for server", MODEL),
    Mutant(EFFECTIVE, "and self.nginx.at_least(1, 15, 3)", "", MODEL),
    Mutant(EFFECTIVE, "if self.socket.http2 or wanted else", "if wanted else", MODEL),
    Mutant(
        EFFECTIVE, "self.context = server if server.has_tls_context else self.default", "self.context = server", MODEL
    ),
    # sockets and names
    Mutant(
        "nginxtls/model/servers.py", "return self.explicit_default or self.servers[0]", "return self.servers[0]", MODEL
    ),
    Mutant(
        "nginxtls/model/servers.py",
        'self.tls = self.tls or listen.has("ssl") or listen.quic',
        'self.tls = listen.has("ssl") or listen.quic',
        MODEL,
    ),
    Mutant("nginxtls/model/sockets.py", "if dual and not dual.ipv6only else None", "if dual else None", MODEL),
    Mutant("nginxtls/model/sockets.py", "if exact := here.get(str(parsed)):", "if exact := None:", MODEL),
    Mutant("nginxtls/model/names.py", "if found := self.exact.get(host):", "if found := None:", MODEL),
    Mutant(
        "nginxtls/model/names.py", "self.leading.setdefault(name.key, server)", "self.leading[name.key] = server", MODEL
    ),
    Mutant(
        "nginxtls/model/names.py", 'name = host[:end].removesuffix(".").lower()', "name = host[:end].lower()", MODEL
    ),
    # settings and headers
    Mutant("nginxtls/model/headers.py", 'return own if mode == "off" or', "return own if", MODEL),
    Mutant(
        "nginxtls/model/settings.py",
        "inherited = self.parent.setting(name)",
        "inherited = Setting(name, self._default(name), (), 'default', True)",
        MODEL,
    ),
    # certificates
    Mutant("nginxtls/model/bundles.py", "slot.leaf.public_key_sha256 != key.public_key_sha256", "False", MODEL),
    Mutant("nginxtls/pki/hostnames.py", "rest == parent", "rest.endswith(parent)", PKI),
    Mutant(
        "nginxtls/pki/signatures.py",
        "except InvalidSignature:\n        return False",
        "except InvalidSignature:\n        return True",
        PKI,
    ),
    Mutant("nginxtls/pki/library.py", "n, r, p = numbers[:3]", "n, r, p = 1, 1, 1", PKI),
    # OpenSSL
    Mutant("nginxtls/tls/negotiation.py", "sha1 = tls12 or security_bits(level) <= 80", "sha1 = True", TLS),
    Mutant("nginxtls/tls/levels.py", "if openssl.version >= (3, 0):", "if False:", TLS),
    # what nginx -t says
    Mutant("nginxtls/model/nginx_test/lines.py", "elif word.lower() in seen:", "elif False:", MODEL),
    Mutant("nginxtls/model/nginx_test/sockets.py", "if first is not None:", "if False:", MODEL),
    Mutant("nginxtls/model/nginx_test/loading.py", "if not certificate.key.allowed(level):", "if False:", MODEL),
    Mutant("nginxtls/model/nginx_test/variables.py", "and nginx < first", "and False", MODEL),
    Mutant("nginxtls/model/ech.py", '{*labels[:first]} <= {"ECHCONFIG"} and ', "", MODEL),
    # what a policy says
    Mutant("nginxtls/model/compliance.py", "if place is None and not sure:", "if False:", POLICIES),
    Mutant("nginxtls/model/compliance.py", '"key": not unread,', '"key": True,', POLICIES),
    Mutant("nginxtls/linting/verdicts.py", '"fail" if all(', '"fail" if any(', POLICIES),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="only mutants whose file or text has this word")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in f"{mutant.file} {mutant.old}"]
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="nginxtls-mutants-") as scratch:
        copy = Path(scratch)
        for part in PARTS:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / part)
        (copy / "nginxtls" / "rules").symlink_to("../rules")
        for mutant in chosen:
            file = copy / mutant.file
            text = file.read_text(encoding="utf-8")
            if mutant.old not in text:
                print(f"{mutant.file} has no {mutant.old!r} any more", file=sys.stderr)
                return 2
            file.write_text(text.replace(mutant.old, mutant.new, 1), encoding="utf-8")
            noticed = not passes(copy, mutant.tests)
            file.write_text(text, encoding="utf-8")
            survivors += not noticed
            print(f"{'noticed ' if noticed else 'SURVIVES'} {mutant.file}: {mutant.old.splitlines()[0]}", flush=True)
    print(f"{len(chosen)} mutants, {survivors} survivors")
    return int(survivors > 0)


def passes(copy: Path, tests: str) -> bool:
    """Whether the tests pass in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
