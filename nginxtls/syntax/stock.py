"""Stock files: what nginx and its packages put into the configuration folder. None of it is about TLS."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache

from nginxtls.base.data import read_data
from nginxtls.base.lazy import NamedTuple


class StockFile(NamedTuple):
    """A row of ``stock.tsv``: the end of a path or the pattern of an include, what it holds, and where that is seen."""

    path: str
    holds: str
    source: str

    def is_named_by(self, path: str) -> bool:
        """Whether a path, or the pattern of an include, names it."""
        return fnmatchcase(path, self.path) or (self.path[0] != "/" and fnmatchcase(path, f"*/{self.path}"))


@cache
def stock_files() -> tuple[StockFile, ...]:
    """The table."""
    rows = [row for row in read_data("nginxtls.syntax", "stock.tsv").splitlines() if not row.startswith("#")]
    return tuple(StockFile(*row.split("\t")) for row in rows[1:])


def is_stock(path: str) -> bool:
    """Whether an include names files that have no TLS in them as they are installed, so that they need not be read."""
    return any(file.is_named_by(path) for file in stock_files() if file.holds != "drop-ins")


def is_drop_in_folder(pattern: str) -> bool:
    """Whether an include names a folder that is installed without TLS, for the user's own files."""
    return any(pattern in (file.path, f"/etc/nginx/{file.path}") for file in stock_files() if file.holds == "drop-ins")


def is_stock_name(name: str) -> bool:
    """Whether a file of this name comes with nginx."""
    return any(fnmatchcase(name, file.path) for file in stock_files() if "/" not in file.path)
