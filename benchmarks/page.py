"""How long a browser takes to open, search and regroup the HTML report of many findings, beside a plain page of them.

npm install --prefix modules playwright-core
python benchmarks/page.py --modules modules/node_modules --findings 100 1000 10000
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from statistics import median

SERVER = """    server {{
        listen 443 ssl;
        server_name name{number}.example.com;
        ssl_protocols TLSv1 TLSv1.2 TLSv1.3;
    }}
"""


def configuration(servers: int) -> str:
    """Servers with a finding each, and a few more on all of them."""
    text = "".join(SERVER.format(number=number) for number in range(servers))
    return f"# configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{\n{text}}}\n"


def lint(text: str, form: str) -> str:
    command = [sys.executable, "-m", "nginxtls", "check", "-", "--format", form, "--exit-zero", "--no-config"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", required=True, help="the folder node_modules with playwright-core")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--findings", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pages: list[tuple[int, Path, Path]] = []
        for wanted in options.findings:
            text = configuration(wanted)
            lines = lint(text, "concise").splitlines()
            page, plain = Path(folder, f"page{wanted}.html"), Path(folder, f"plain{wanted}.html")
            page.write_text(lint(text, "html"), encoding="utf-8")
            plain.write_text("\n".join(f"<p>{escape(line)}</p>" for line in lines), encoding="utf-8")
            pages.append((len(lines) - 1, page, plain))
        files = [str(file) for _, page, plain in pages for file in (page, plain)]
        script = str(Path(__file__).with_suffix(".mjs"))
        command = ["node", script, str(Path(options.modules).resolve()), options.chromium, str(options.runs), *files]
        times = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print("| findings | kB | opened ms | processor ms | plain paragraphs ms (ratio) | searched ms | grouped ms |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for (number, page, _), own, plain_times in zip(pages, times[::2], times[1::2], strict=True):
            keys = ("opened", "processor", "searched", "grouped")
            opened, processor, searched, grouped = (median(time[key] for time in own) for key in keys)
            beside = median(time["opened"] for time in plain_times)
            size = page.stat().st_size // 1000
            print(
                f"| {number:,} | {size:,} | {opened:.0f} | {processor:.0f} | {beside:.0f} ({opened / beside:.2f}) "
                f"| {searched:.0f} | {grouped:.0f} |"
            )


if __name__ == "__main__":
    main()
