"""Of many configurations one at a time is in memory: what is reported is the same, and nothing of them is left."""

from __future__ import annotations

import gc
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from nginxtls import api
from nginxtls.linting import subjects
from nginxtls.linting.settings import Settings
from nginxtls.model import Configuration, Endpoint, ServedBundle, Socket, Store, VirtualServer
from nginxtls.report import renderer
from nginxtls.report.options import Options
from nginxtls.syntax import Files, discovery
from nginxtls.syntax.reading import Reader
from nginxtls.syntax.tree import SourceFile, Tree

SITE = """\
# site {number}
server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name {number}.example.com;
    ssl_certificate certificates/good.pem;
    ssl_certificate_key certificates/good.key;
    {line}
    include snippets/shared.conf;
}}
server {{
    listen 80;
    server_name {number}.example.com;
    return 301 https://{number}.example.com$request_uri;
}}
"""
LINES = (
    "",
    "ssl_protocols TLSv1 TLSv1.2;",
    "ssl_ciphers ECDHE-ECDSA-NULL-SHA:AES128-SHA@SECLEVEL=0;  # nginxtls: ignore[null-cipher] old phones",
    "ssl_session_timeout 7d;  # nginxtls: ignore[short-hsts]",
    'ssl_protocols "TLSv1.1',
    "ssl_protocols {{ protocols | default('TLSv1') }};",
    "include sites/other.inc;",
    "add_header Strict-Transport-Security max-age=300;",
)
FORMATS = ("text", "json", "sarif", "html")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sites without a main file, each a configuration of its own, and two that include each other."""
    for folder in ("sites", "snippets"):
        (tmp_path / folder).mkdir()
    shutil.copytree(Path(__file__).parents[1] / "fixtures/certificates", tmp_path / "certificates")
    (tmp_path / "snippets/shared.conf").write_text(
        "add_header Strict-Transport-Security max-age=600;\nssl_stapling on;\n"
    )
    for number, line in enumerate(LINES * 2):
        (tmp_path / f"sites/{number}.conf").write_text(SITE.format(number=number, line=line))
    (tmp_path / "sites/other.inc").write_text("ssl_early_data on;\ninclude snippets/missing.conf;\n")
    (tmp_path / "sites/x.conf").write_text("server { listen 444 ssl; include sites/y.conf; }\n")
    (tmp_path / "sites/y.conf").write_text("ssl_early_data on;\ninclude sites/x.conf;\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever there is counts as many."""
    monkeypatch.setattr(api, "_FEW", 0)
    monkeypatch.setattr(subjects, "KEPT", 0)
    monkeypatch.setattr(discovery, "MANY", 0)


def rendered() -> list[str]:
    report = api.report(["."], Settings(policy=("stig",)))._replace(seconds=0, at=None)
    return [renderer(name)(report, Options(show_suppressed=True)) for name in FORMATS]


def test_of_many_configurations_the_same_is_reported(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = rendered()
    many(monkeypatch)
    for name, before, after in zip(FORMATS, few, rendered(), strict=True):
        assert after == before, name
    summary = json.loads(few[1])["summary"]
    assert min(summary[key] for key in ("errors", "notes", "suppressed", "endpoints", "certificates", "failures")) > 0


def test_nothing_is_left_of_a_configuration_after_its_turn(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command collects no circles, so there must be none."""
    many(monkeypatch)
    gc.collect()
    gc.disable()
    try:
        before = alive()
        report = api.report(["."], Settings())
        assert report.findings
        assert len(report.endpoints) > 20
        assert alive() == before
    finally:
        gc.enable()


def alive() -> Counter[str]:
    """How many objects of configurations there are; directives of templates and of what several sites include stay."""
    kinds = (Configuration, Endpoint, ServedBundle, Socket, Store, Tree, VirtualServer)
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


def test_what_a_file_includes_is_known_without_its_directives(tree: Path) -> None:
    reader = Reader(Files([tree]))
    for path in sorted(tree.glob("s*/*")):
        file = reader.load(str(path))
        assert isinstance(file, SourceFile)
        written = reader.tree([file], str(tree))
        names, problems = [each.name for each in file.walk()], list(file.problems)
        comments = file.comments
        reader.forget(file)
        assert reader.reach(file, str(tree)) == written.files
        assert [each.name for each in file.walk()] == names
        assert (file.problems, file.comments) == (problems, comments)
