"""Builds packages for hosts without pip out of a wheel: a zipapp and a Debian package, with all that they need.

python tools/package.py dist/nginxtls-0.1.0-py3-none-any.whl --output dist/

Both are for Linux on x86-64 (glibc 2.28 or newer) and hold the compiled modules of the dependencies for each of the
Pythons. The zipapp is one of shiv and no binary of PyInstaller: it serves all of these Pythons, starts as fast as an
installed nginxtls from its second run on, needs no list of the modules that are imported by name, and two builds are
the same bytes. A host without Python has the image. Whoever builds the Debian package is its maintainer: set
DEBFULLNAME and DEBEMAIL. Needs uv, shiv, dpkg-deb and, for the manual pages, nginxtls itself.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from email.parser import HeaderParser
from email.utils import formatdate
from pathlib import Path

from man_pages import pages

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PLATFORM = "x86_64-manylinux_2_28"
COMPILED = re.compile(r"\.cpython-\d+-[^/]*\.so$")
LICENSE = re.compile(r"LICEN[CS]E|COPYING|NOTICE", re.IGNORECASE)
DEBIAN = Path(__file__).with_name("debian")
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/nginxtls",
    "zsh": "usr/share/zsh/vendor-completions/_nginxtls",
    "fish": "usr/share/fish/vendor_completions.d/nginxtls.fish",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--output", type=Path, default=Path("dist"))
    parser.add_argument("--pythons", nargs="+", default=PYTHONS, metavar="VERSION")
    options = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", _run("git", "log", "-1", "--format=%ct", cwd=ROOT).strip())
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        vendored(tree, options.wheel, options.pythons)
        print(zipapp(tree, options.output / "nginxtls.pyz"))
        print(debian(tree, options.output, options.pythons))


def vendored(tree: Path, wheel: Path, pythons: tuple[str, ...]) -> None:
    """Install a wheel and its dependencies into a folder, with the compiled modules for several Pythons."""
    _install(tree, pythons[0], str(wheel))
    for path in tree.iterdir():
        # Wheels also bring commands, headers and the sources of libraries.
        package = path.suffix == ".dist-info" or (path / "__init__.py").exists()
        module = path.suffix in (".py", ".so") and path.name != "setup.py"
        if not package and not module:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    compiled = [_requirement(record.parent) for record in tree.glob("*/RECORD") if _is_compiled(record)]

    def add(python: str) -> None:
        with tempfile.TemporaryDirectory() as other:
            _install(Path(other), python, "--no-deps", *compiled)
            for file in Path(other).rglob("*.so"):
                if COMPILED.search(file.name):
                    shutil.copy(file, tree / file.relative_to(other))

    with ThreadPoolExecutor() as pool:
        list(pool.map(add, pythons[1:]))
    for file in tree.rglob("*"):
        os.utime(file, (_moment(), _moment()))


def zipapp(tree: Path, file: Path) -> Path:
    """One executable file, which unpacks itself to ~/.shiv on its first run."""
    shiv = [sys.executable, "-m", "shiv", "--reproducible", "--compressed", "-p", "/usr/bin/env python3"]
    _run(*shiv, "--site-packages", str(tree), "-c", "nginxtls", "-o", str(file))
    return file


def debian(tree: Path, output: Path, pythons: tuple[str, ...]) -> Path:
    """A Debian package with its own copies of the dependencies, as Debian has not all of them, or older ones."""
    version = _metadata(next(tree.glob("nginxtls-*.dist-info")))["Version"]
    get = os.environ.get
    maintainer = f"{get('DEBFULLNAME', 'nginxtls')} <{get('DEBEMAIL', 'root@localhost')}>"
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        shutil.copytree(tree, root / "usr/lib/nginxtls", ignore=_left_out)
        _write(root / "usr/bin/nginxtls", (DEBIAN / "nginxtls").read_text(), 0o755)
        for name, text in pages().items():
            _write(root / f"usr/share/man/man1/{name}.1.gz", _zipped(text))
        for shell, place in COMPLETIONS.items():
            environment = {**os.environ, "PYTHONPATH": str(tree), "_NGINXTLS_COMPLETE": f"source_{shell}"}
            script = _run(sys.executable, "-m", "nginxtls", env=environment, cwd="/").strip() + "\n"
            # zsh runs the file for the first Tab, which would only define the function.
            _write(root / place, script + ('_nginxtls_completion "$@"\n' if shell == "zsh" else ""))
        documents = root / "usr/share/doc/nginxtls"
        _write(documents / "copyright", copyright_file(tree))
        entry = f"nginxtls ({version}) unstable; urgency=medium\n\n  * See /usr/share/doc/nginxtls/CHANGELOG.md.gz.\n\n"
        entry += f" -- {maintainer}  {formatdate(_moment())}\n"
        _write(documents / "changelog.gz", _zipped(entry))
        _write(documents / "CHANGELOG.md.gz", _zipped((ROOT / "CHANGELOG.md").read_text()))
        _write(root / "usr/share/lintian/overrides/nginxtls", (DEBIAN / "lintian-overrides").read_text())
        for path in sorted(root.rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
                continue
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
        control = (DEBIAN / "control").read_text()
        newest = int(pythons[-1].partition(".")[2])
        fields = {"version": version, "size": size // 1024, "oldest": pythons[0], "after": f"3.{newest + 1}"}
        _write(root / "DEBIAN/control", control.format(**fields, maintainer=maintainer))
        for script in ("postinst", "prerm"):
            _write(root / "DEBIAN" / script, (DEBIAN / script).read_text(), 0o755)
        sums = [
            f"{_sum(file)}  {file.relative_to(root)}\n" for file in sorted((root / "usr").rglob("*")) if file.is_file()
        ]
        _write(root / "DEBIAN/md5sums", "".join(sums))
        file = output / f"nginxtls_{version}_amd64.deb"
        _run("dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", str(root), str(file))
    return file


def _left_out(folder: str, names: list[str]) -> set[str]:
    """What only compilers and type checkers need, and licences, which are in the copyright file."""
    found = {name for name in names if name.startswith(".") or name.endswith((".pyx", ".pxd", ".h", ".pyi"))}
    if folder.endswith(".dist-info"):
        found |= {name for name in names if name == "licenses" or LICENSE.match(name)}
    return found


def copyright_file(tree: Path) -> str:
    """The licences of the project and of each dependency, with the texts that the latter come with."""
    parts = ["Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: nginxtls\n"]
    parts.append(f"Files: *\nCopyright: The nginxtls authors\nLicense: Apache-2.0\n{_paragraph(APACHE)}")
    for folder in sorted(tree.glob("*.dist-info")):
        metadata = _metadata(folder)
        name = metadata["Name"]
        if name == "nginxtls":
            continue
        files = [file for file in sorted(folder.rglob("*")) if file.is_file() and LICENSE.match(file.name)]
        texts = [file.read_text("utf-8", "replace") for file in files]
        texts = [APACHE if "TERMS AND CONDITIONS FOR USE, REPRODUCTION" in text else text for text in texts]
        listed = (folder / "RECORD").read_text().splitlines()
        tops = sorted(
            {line.partition("/")[0].partition(",")[0] for line in listed} & {path.name for path in tree.iterdir()}
        )
        places = "\n ".join(f"usr/lib/nginxtls/{top}" + ("/*" if (tree / top).is_dir() else "") for top in tops)
        license = f"{name}-license"
        parts.append(
            f"Files: {places}\nCopyright: The authors of {name}, as named in the licence\nLicense: {license}\n"
            + _paragraph("\n\n".join(texts) or str(metadata.get("License-Expression") or metadata.get("License")))
        )
    return "\n".join(parts)


APACHE = "The full text of the Apache License, version 2.0, is in /usr/share/common-licenses/Apache-2.0."


def _paragraph(text: str) -> str:
    """Text as the continuation of a field."""
    return "".join(f" {line.rstrip()}\n" if line.strip() else " .\n" for line in text.strip().splitlines())


def _install(folder: Path, python: str, *requirements: str) -> None:
    """Install wheels for a Python into a folder."""
    _run(
        sys.executable, "-m", "uv", "pip", "install", "-q", "--only-binary=:all:", f"--python-version={python}",
        f"--python-platform={PLATFORM}", "--link-mode=copy", f"--target={folder}", *requirements,
    )  # fmt: skip


def _is_compiled(record: Path) -> bool:
    return any(COMPILED.search(line.partition(",")[0]) for line in record.read_text().splitlines())


def _requirement(folder: Path) -> str:
    metadata = _metadata(folder)
    return f"{metadata['Name']}=={metadata['Version']}"


def _metadata(folder: Path) -> dict[str, str]:
    return dict(HeaderParser().parsestr((folder / "METADATA").read_text("utf-8")))


def _write(file: Path, content: str | bytes, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(mode)


def _zipped(text: str) -> bytes:
    return gzip.compress(text.encode(), 9, mtime=0)


def _sum(file: Path) -> str:
    from hashlib import md5

    return md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def _moment() -> int:
    return int(os.environ["SOURCE_DATE_EPOCH"])


def _run(*command: str, cwd: str | Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
