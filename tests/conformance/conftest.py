"""What the conformance tests share: the installed generations of real nginx and OpenSSL, and how much is asked of them.

NGINXTLS_GENERATIONS names their folder; NGINXTLS_REQUIRE_CONFORMANCE=1 makes a missing one a failure instead of a skip;
NGINXTLS_CONFORMANCE=full asks everything instead of a sample.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    full = f"nginxtls_conformance_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


_FOUND: list[Any] = _load("generations").installed()
_NAMES: tuple[str, ...] = tuple(_load("generations").PACKAGES)
_OPTIONAL: tuple[str, ...] = tuple(g.name for g in _FOUND if g.name in _load("generations").OPTIONAL)


def _missing(names: list[str]) -> None:
    where = _load("generations").folder()
    text = f"no {', '.join(names)} in {where}: run python tests/conformance/generations.py {where}"
    if os.environ.get("NGINXTLS_REQUIRE_CONFORMANCE") == "1":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@pytest.fixture(scope="session")
def generations() -> list[dict[str, Any]]:
    """Each generation but the optional ones: a dict of name, nginx, openssl, modules (paths), nginx_version,
    openssl_version.
    """
    have = {g.name for g in _FOUND}
    if lacking := [n for n in _NAMES if n not in have]:
        _missing(lacking)
    return [{name: getattr(g, name) for name in g.__slots__} for g in _FOUND if g.name in _NAMES]


@pytest.fixture(scope="session")
def openssl4() -> dict[str, Any]:
    """The optional generation with OpenSSL 4, as an entry of ``generations``; skips where it is not installed."""
    for g in _FOUND:
        if g.name in _OPTIONAL:
            return {name: getattr(g, name) for name in g.__slots__}
    pytest.skip("the generation experimental is not installed")


@pytest.fixture(params=(*_NAMES, *_OPTIONAL), scope="session")
def generation(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each generation in turn, the optional ones that are installed among them, as an entry of ``generations``."""
    for g in _FOUND:
        if g.name == request.param:
            return {name: getattr(g, name) for name in g.__slots__}
    _missing([request.param])
    raise AssertionError


@pytest.fixture(scope="module")
def bench(generation: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A ``lab.Bench`` of the generation, with certificates in ``certs``."""
    lab, folder = _load("lab"), tmp_path_factory.mktemp("bench")
    lab.make_certificates(folder / "certs")
    return lab.Bench(_load("generations").Generation(**generation), folder)


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether everything is asked rather than a sample."""
    return os.environ.get("NGINXTLS_CONFORMANCE") == "full"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.conformance)
