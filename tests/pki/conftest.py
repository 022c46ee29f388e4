"""What the tests of certificates share: those of `fixtures/certificates`, and the day on which they are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from nginxtls.pki import Bundle, TrustStore, read_bundle

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"


@pytest.fixture(scope="session")
def certificates() -> Path:
    return CERTIFICATES


@pytest.fixture(scope="session")
def at() -> datetime:
    return datetime(2026, 6, 15, tzinfo=timezone.utc)


@pytest.fixture(scope="session")
def bundle() -> Callable[[str], Bundle]:
    def read(name: str) -> Bundle:
        return read_bundle((CERTIFICATES / f"{name}.pem").read_bytes(), f"{name}.pem")

    return read


@pytest.fixture(scope="session")
def root() -> TrustStore:
    return TrustStore.from_pem((CERTIFICATES / "root.pem").read_bytes())
