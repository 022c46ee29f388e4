"""What a server negotiates, asked of real nginx of each generation with random keys, strings, groups and versions.

A sample by default; 1,000 settings per generation with NGINXTLS_CONFORMANCE=full:

    NGINXTLS_CONFORMANCE=full pytest tests/conformance/test_negotiation.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.negotiations import agree, draw, make_keys, predicted, seen


@pytest.fixture(scope="module")
def keys(generations: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(generations[-1]["openssl"], folder)
    return folder


def test_suites_by_version_are_those_of_real_handshakes(generation: dict[str, Any], keys: Path, full: bool) -> None:
    version = tuple(map(int, generation["nginx_version"].split(".")))
    differences = []
    for seed in range(1000 if full else 40):
        setting = draw(seed, version)
        ours, theirs = predicted(setting, generation), seen(setting, generation, keys)
        if not agree(ours, theirs):
            differences.append((seed, setting, ours, theirs))
    assert differences == []
