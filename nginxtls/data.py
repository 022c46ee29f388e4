"""The tables that come with the packages."""

from __future__ import annotations

from pkgutil import get_data


def read_data(package: str, name: str) -> str:
    """The text of a data file of a package. (importlib.resources takes longer to import than most tables to read.)"""
    content = get_data(package, name)
    assert content is not None, f"{package} has no {name}"
    return content.decode()
