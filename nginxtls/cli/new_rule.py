"""``nginxtls new-rule NAME``: write a rule class with its fixtures and its page, in a package of one's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from nginxtls.base.errors import UsageError

CLASS = '''\
"""The rule {name}."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nginxtls.rule import Finding, Rule, Severity

if TYPE_CHECKING:
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive


class {kind}(Rule):
    """`{directive}` does not have the value that we agreed on.

    Say here why it matters.

    Clients: say here what they experience, such as the error that browsers show, or who notices it instead.

    Fix: set `{directive} {good};`.

    ```nginx bad
    {directive} {bad};
    ```

    ```nginx good
    {directive} {good};
    ```
    """

    severity = Severity.WARNING
    references = ("https://nginx.org/en/docs/http/ngx_http_ssl_module.html",)
    directives = ("{directive}",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if directive.known and directive.args[:1] != ("{good}",):
            message = f"`{directive}` is {{' '.join(directive.args)}}, not {good}"
            yield self.at(directive, message, arg=0, help="replace it with `{good}`")
'''
FIXTURE = """\
events {{}}
http {{
    server {{
        listen 443 ssl;
        server_name example.com;
        ssl_certificate good.pem;
        ssl_certificate_key good.key;
        {line}
    }}
}}
"""
PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{distribution}"
version = "0.1"
dependencies = ["nginxtls"]

[project.entry-points."nginxtls.rules"]
{package} = "{package}"

[tool.setuptools]
packages = ["{package}"]
"""
INITIAL = '"""Our rules for nginxtls: each module that is imported here brings its classes."""\n'
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_PACKAGE = re.compile(r"[a-z_][a-z0-9_]*")


def new_rule(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The fault in kebab-case, such as tiny-tls-records.")],
    package: Annotated[
        str, typer.Option(metavar="PACKAGE", help="The Python package that gets the rule.")
    ] = "our_rules",
    directory: Annotated[
        str, typer.Option("--directory", metavar="DIR", help="The project's folder. [default: here]")
    ] = ".",
) -> None:
    """Write a rule class with an example, its fixtures and its page, which pass `nginxtls test-rules` as they are."""
    from nginxtls.linting.registry import installed_rules

    if not _NAME.fullmatch(name):
        raise UsageError(
            f'"{name}"', "is not a name for a rule", "use two or more words in kebab-case: tiny-tls-records"
        )
    if name in installed_rules():
        raise UsageError(f'"{name}"', "is the name of an installed rule", "use another name")
    if not _PACKAGE.fullmatch(package):
        raise UsageError(f"--package {package}", "is not the name of a Python package", "use a name such as our_rules")
    root = Path(directory)
    if not root.is_dir():
        raise UsageError(f"--directory {directory}", "there is no such folder")
    module = name.replace("-", "_")
    files = _files(name, module, package)
    for path in files:
        if (root / path).exists():
            raise UsageError(str(root / path), "exists already", "use another name, or remove the file")
    for path, text in files.items():
        _write(root / path, text)
    _import(root / package / "__init__.py", package, module)
    project = root / "pyproject.toml"
    if not project.exists():
        _write(project, PROJECT.format(package=package, distribution=package.replace("_", "-")))
    elif "nginxtls.rules" not in project.read_text(encoding="utf-8"):
        typer.echo(f'add to {project}:\n\n[project.entry-points."nginxtls.rules"]\n{package} = "{package}"\n')
    typer.echo(f"next: pip install -e {directory} && nginxtls test-rules {package}")


def _files(name: str, module: str, package: str) -> dict[str, str]:
    """The texts of the new files by their paths."""
    words = {"directive": "ssl_buffer_size", "bad": "16k", "good": "4k"}
    kind = "".join(word.title() for word in name.split("-"))
    line = f"{words['directive']} {words['bad']};  # expect: {name}"
    code = CLASS.format(name=name, kind=kind, **words)
    page = re.search(r'^    """(.*?)^    """$', code, re.MULTILINE | re.DOTALL)
    assert page
    text = "\n".join(each.removeprefix("    ") for each in page[1].rstrip().splitlines())
    return {
        f"{package}/{module}.py": code,
        f"fixtures/{name}/bad.conf": FIXTURE.format(line=line),
        f"fixtures/{name}/good.conf": FIXTURE.format(line=f"{words['directive']} {words['good']};"),
        f"docs/{name}.md": f"# {name}\n\n{text}\n".replace("```nginx bad", "Bad:\n\n```nginx").replace(
            "```nginx good", "Good:\n\n```nginx"
        ),
    }


def _import(file: Path, package: str, module: str) -> None:
    """Have the package import the module, so that its classes are found."""
    text = file.read_text(encoding="utf-8") if file.exists() else INITIAL
    first = "\n" if f"from {package} import" not in text else ""
    _write(file, f"{text}{first}from {package} import {module}  # noqa: F401\n")


def _write(path: Path, text: str) -> None:
    """Write a file and say so.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(str(path), f"cannot be written: {error.strerror}") from error
    typer.echo(f"wrote {path}")
