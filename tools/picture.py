"""Writes the picture of a report that the README shows: a run on the showcase, as a terminal draws it.

python tools/picture.py docs/report.svg
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

SHOWCASE = Path(__file__).parents[1] / "fixtures" / "showcase"
COMMAND = "nginxtls check nginx.conf --quiet --select missing-intermediate,name-mismatch,unknown-cipher"
COLUMNS = 118
DARK = TerminalTheme(
    (24, 28, 34),
    (222, 226, 232),
    [(60, 66, 76), (255, 120, 110), (120, 214, 150), (242, 191, 94), (120, 180, 255), (214, 150, 240), (110, 214, 220),
     (222, 226, 232)],
)  # fmt: skip
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>A report of nginxtls on the showcase</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-variant-ligatures: none; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect fill="#181c22" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, 20)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.parse_args().file.write_text(picture(), encoding="utf-8")


def picture() -> str:
    """The SVG."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LC_ALL": "C.UTF-8"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(
        [sys.executable, "-m", "nginxtls", *COMMAND.split()[1:], "--color", "always", "--at", "2026-11-24"],
        cwd=SHOWCASE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor", legacy_windows=False
    )
    console.print(Text(f"$ {COMMAND}\n", style="bold"))
    console.print(Text.from_ansi(done.stdout.rstrip("\n")))
    return console.export_svg(theme=DARK, code_format=FORMAT, unique_id="report")


if __name__ == "__main__":
    main()
