"""The data files of the packages."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def read_data(package: str, name: str) -> str:
    """The text of a data file of a package. (Importing pkgutil or importlib.resources takes longer than reading it.)"""
    module = import_module(package)
    loader: Any = module.__spec__ and module.__spec__.loader
    content: bytes = loader.get_data(os.path.join(os.path.dirname(module.__file__ or ""), name))
    return content.decode()
