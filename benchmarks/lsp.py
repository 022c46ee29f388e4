"""Times the language server as an editor sees it, beside a plain check of the same tree; and its memory.

    python benchmarks/lsp.py --sites 10 1000 --runs 20 [--checks 40000] [--documents 3000]

Ratios are to ``nginxtls check`` of the same file as a whole process, in elapsed and in CPU time; the CPU time is that
of the server for all that a key causes, and does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from random import Random

from lsprotocol import types as lsp
from memory import CONFIGURATION, GROUPS, SUITES, certificate
from pygls.lsp.client import LanguageClient

HERE = Path(__file__).parent
NGINXTLS = str(Path(sysconfig.get_path("scripts")) / "nginxtls")
SITE = "sites-enabled/site00005.example.com.conf"
KEY, CPU = "diagnostics after a key (pause 50)", "  CPU of the server"
VERSIONS = {"nginx-version": "1.26.3", "openssl-version": "3.5.1"}


class Editor:
    """A session with one open document, which is changed again and again."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.folder, self.settings = folder, settings
        self.client = LanguageClient("benchmark", "1")
        self.uri = (folder / SITE).as_uri()
        self.text = (folder / SITE).read_text()
        self.version = 0
        self.arrived: asyncio.Queue[int | None] = asyncio.Queue()

    async def start(self) -> None:
        """Start the server."""

        def published(params: lsp.PublishDiagnosticsParams) -> None:
            if params.uri == self.uri:
                self.arrived.put_nowait(params.version)

        self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(published)
        self.client.feature(lsp.WINDOW_SHOW_MESSAGE)(lambda params: None)
        await self.client.start_io(NGINXTLS, "lsp", cwd=self.folder)
        await self.client.initialize_async(
            lsp.InitializeParams(
                capabilities=lsp.ClientCapabilities(),
                initialization_options={"settings": {"trust": ["certificates/root.pem"], **self.settings}},
                workspace_folders=[lsp.WorkspaceFolder(self.folder.as_uri(), "tree")],
            )
        )
        self.client.initialized(lsp.InitializedParams())

    async def stop(self) -> None:
        """End the server."""
        await self.client.shutdown_async(None)
        self.client.exit(None)
        await self.client.stop()  # type: ignore[no-untyped-call]

    def open(self) -> None:
        """Open the document."""
        self.version = 1
        document = lsp.TextDocumentItem(self.uri, "nginx", 1, self.text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(document))

    def change(self, old: str = "http2 on;", new: str = "http2 on; ssl_session_timeout {}m;") -> None:
        """Another line in the text, as if it was just typed."""
        self.version += 1
        text = self.text.replace(old, new.format(self.version))
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(uri=self.uri, version=self.version),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def diagnostics(self) -> None:
        """Wait for the diagnostics of the text of now."""
        while await self.arrived.get() != self.version:
            pass

    async def hover(self) -> None:
        """Ask for the text at a certificate."""
        params = lsp.HoverParams(lsp.TextDocumentIdentifier(self.uri), lsp.Position(20, 8))
        await self.client.text_document_hover_async(params)

    async def complete(self) -> None:
        """Ask for the directives of the block."""
        params = lsp.CompletionParams(lsp.TextDocumentIdentifier(self.uri), lsp.Position(20, 4))
        await self.client.text_document_completion_async(params)

    @property
    def memory(self) -> float:
        """What the server has in memory now, in MB."""
        return int(self._of_process("status").partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def cpu(self) -> float:
        """The seconds that the server has worked, without other processes that it started."""
        user, system = self._of_process("stat").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _of_process(self, name: str) -> str:
        server = self.client._server
        assert server is not None
        return Path(f"/proc/{server.pid}/{name}").read_text()


async def latencies(folder: Path, runs: int, settings: dict[str, object]) -> dict[str, float]:
    """Seconds until the answer: diagnostics at first, after a change, and of the whole; hover; completion."""
    editor = Editor(folder, settings)
    await editor.start()
    taken: dict[str, list[float]] = {}

    async def timed(name: str, work: object) -> None:
        start = time.perf_counter()
        await work  # type: ignore[misc]
        taken.setdefault(name, []).append(time.perf_counter() - start)

    editor.open()
    await timed("first diagnostics", editor.diagnostics())
    editor.change()
    await editor.diagnostics()
    before = editor.cpu
    for _ in range(runs):
        editor.change()
        await timed(KEY, editor.diagnostics())
    taken[CPU] = [(editor.cpu - before) / runs]
    for _ in range(runs):
        await timed("hover", editor.hover())
        await timed("completion", editor.complete())
    try:
        # Of a large configuration the whole follows, with the same version of the document.
        await timed("the whole, after a key", asyncio.wait_for(editor.arrived.get(), 60))
    except asyncio.TimeoutError:
        pass
    await editor.stop()
    return {name: statistics.median(times) for name, times in taken.items()}


def check(folder: Path, runs: int, settings: dict[str, object]) -> tuple[float, float]:
    """Seconds of a plain check of the same file, elapsed and of CPU."""
    command = [NGINXTLS, "check", SITE, "--trust", "certificates/root.pem", "--exit-zero", "--no-config"]
    for key, value in settings.items():
        command += [f"--{key}", str(value)]
    taken, before = [], os.times()
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - start)
    after = os.times()
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    return statistics.median(taken), worked / runs


async def long_session(folder: Path, checks: int) -> None:
    """Memory of the server over many checks; a hover makes each of them happen at once."""
    editor = Editor(folder, {**VERSIONS})
    await editor.start()
    editor.open()
    print(f"\n{'checks':>8}{'MB':>8}")
    for number in range(1, checks + 1):
        editor.change()
        await editor.hover()
        while not editor.arrived.empty():
            editor.arrived.get_nowait()
        if number in (1, 100, 1000) or number % max(1, checks // 8) == 0:
            print(f"{number:8,}{editor.memory:8.1f}", flush=True)
    await editor.stop()


async def many_documents(folder: Path, documents: int) -> None:
    """Memory of the server over documents that are opened, changed, asked about and closed one after the other.

    Each differs in everything and has a new certificate; every fourth is not on disk, and every fourth has settings of
    its own, of which half cannot be used. Three are open at a time.
    """
    random, editor = Random(1), Editor(folder, {**VERSIONS})
    await editor.start()
    opened: list[str] = []
    print(f"\n{'documents':>9}{'MB':>8}{'CPU s':>8}")
    for number in range(1, documents + 1):
        place = folder / f"d{number}"
        place.mkdir()
        (place / ".git").mkdir()
        for name, content in zip(("c.pem", "c.key"), certificate(number), strict=True):
            (place / name).write_bytes(content)
        ciphers, groups = ":".join(random.sample(SUITES, 5)), ":".join(random.sample(GROUPS, 3))
        editor.text = CONFIGURATION.format(n=number, port=1000 + number, ciphers=ciphers, groups=groups)
        editor.uri = (place / "nginx.conf").as_uri() if number % 4 else f"untitled:{number}"
        if number % 4:
            (place / "nginx.conf").write_text(editor.text)
        if number % 4 == 1:
            (place / ".nginxtls.yaml").write_text("pedantic: true\n" if number % 8 == 1 else f"unknown{number}: 1\n")
        document = lsp.TextDocumentIdentifier(editor.uri)
        everything = lsp.Range(lsp.Position(0, 0), lsp.Position(100, 0))
        editor.open()
        await editor.hover()
        for _ in range(3):
            editor.text += "\n"
            editor.change("listen 80;", "listen 80; ssl_protocols SSLv3;")
            await editor.hover()
        await editor.complete()
        context = lsp.CodeActionContext([])
        await editor.client.text_document_code_action_async(lsp.CodeActionParams(document, everything, context))
        await editor.client.text_document_inlay_hint_async(lsp.InlayHintParams(document, everything))
        opened.append(editor.uri)
        if len(opened) == 3:
            closed = lsp.TextDocumentIdentifier(opened.pop(0))
            editor.client.text_document_did_close(lsp.DidCloseTextDocumentParams(closed))
        while not editor.arrived.empty():
            editor.arrived.get_nowait()
        if number in (1, 10, 100, 200, 500) or number % max(1, documents // 6) == 0:
            print(f"{number:9,}{editor.memory:8.1f}{editor.cpu:8.1f}", flush=True)
    await editor.stop()


def tree(folder: Path, sites: int) -> Path:
    numbers = ("--sites", str(sites), "--certificates", str(max(1, sites // 10)))
    subprocess.run([sys.executable, HERE / "sites.py", folder / str(sites), *numbers], check=True)
    (folder / str(sites) / ".git").mkdir()
    return folder / str(sites)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="*", default=[10, 1000], metavar="N")
    parser.add_argument("--runs", type=int, default=20, help="changes of the document")
    parser.add_argument("--checks", type=int, default=0, metavar="N", help="print the memory over so many checks")
    parser.add_argument("--documents", type=int, default=0, metavar="N", help="print the memory over so many documents")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nginxtls-benchmark-") as scratch:
        for sites in options.sites:
            folder = tree(Path(scratch), sites)
            for title, settings in (("versions not known", {}), ("versions given", VERSIONS)):
                plain, worked = check(folder, min(options.runs, 5), dict(settings))
                print(f"\n{f'{sites:,} sites, {title}':<36}{'ms':>8}{'ratio':>8}")
                print(f"{'nginxtls check, a process':<36}{plain * 1000:8.0f}{1:8.2f}")
                print(f"{'  CPU':<36}{worked * 1000:8.0f}{1:8.2f}")
                for name, seconds in asyncio.run(latencies(folder, options.runs, dict(settings))).items():
                    base = worked if name == CPU else plain
                    print(f"{name:<36}{seconds * 1000:8.0f}{seconds / base:8.2f}", flush=True)
        if options.checks:
            asyncio.run(long_session(tree(Path(scratch) / "memory", 6), options.checks))
        if options.documents:
            asyncio.run(many_documents(tree(Path(scratch) / "documents", 6), options.documents))


if __name__ == "__main__":
    main()
