"""JSON against its schema, which is part of the package."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import nginxtls
from nginxtls.linting.settings import Settings
from nginxtls.report import Options, renderer

SCHEMA = json.loads(files("nginxtls.report").joinpath("report.schema.json").read_text("utf-8"))
render = renderer("json")


@pytest.mark.parametrize("name", ["ordinary", "hostile"])
@pytest.mark.parametrize("shown", [False, True])
def test_it_fits_its_schema(name: str, shown: bool, request: pytest.FixtureRequest) -> None:
    text = render(request.getfixturevalue(name), Options(version="1.0", status=1, show_suppressed=shown))
    assert text.isascii()
    assert "\\udcff" not in text.replace("\\\\udcff", "")  # many readers refuse lone surrogates
    document = json.loads(text)
    Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document)
    assert any(finding["suppressed"] for finding in document["findings"]) is shown


def test_the_schema_is_one_and_allows_nothing_else(ordinary: object) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert not Draft202012Validator(SCHEMA).is_valid({})


def test_an_editor_finds_the_range_and_the_fix(ordinary: object) -> None:
    finding = json.loads(render(ordinary, Options()))["findings"][0]  # type: ignore[arg-type]
    place = {"name": "nginx.conf", "file": "nginx.conf", "line": 9, "column": 19, "end_line": 9}
    assert finding["location"] == {**place, "end_column": 24, "dumped": None}
    assert finding["fix"]["edits"] == [{"location": {**place, "end_column": 25, "dumped": None}, "text": ""}]
    assert not finding["fix"]["safe"]
    assert finding["related"][0]["location"]["file"] == "sites-enabled/default.conf"


def test_a_place_in_a_dump_is_also_one_in_the_hosts_own_file(tmp_path: Path) -> None:
    dump = "# configuration file /etc/nginx/nginx.conf:\nevents {}\nhttp { include a.conf; }\n\n"
    dump += "# configuration file /etc/nginx/a.conf:\nserver {\n    listen 443 ssl;\n    ssl_protocols SSLv3;\n}\n"
    (tmp_path / "web1.txt").write_text(dump)
    report = nginxtls.check(tmp_path, settings=Settings(), select=["obsolete-ssl"])
    (finding,) = json.loads(render(report, Options()))["findings"]
    assert finding["location"]["file"].endswith("web1.txt")
    assert finding["location"]["line"] == 8
    dumped = finding["location"]["dumped"]
    assert dumped["host"].endswith("web1.txt")
    assert (dumped["file"], dumped["line"], dumped["end_line"]) == ("/etc/nginx/a.conf", 3, 3)


def test_endpoints_tell_the_days_that_are_left(ordinary: object) -> None:
    rows = json.loads(render(ordinary, Options()))["endpoints"]  # type: ignore[arg-type]
    assert [(row["not_after"], row["days_left"]) for row in rows] == [("2026-12-05T09:00:00Z", 11), (None, None)]
