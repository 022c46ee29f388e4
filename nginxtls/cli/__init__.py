"""The command line: loads the requested command, and turns each error into one message and exit code 2."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from nginxtls.base.errors import UsageError, is_fault, nearest
from nginxtls.base.printing import shown
from nginxtls.cli.plain import PlainCommand, plain

if TYPE_CHECKING:
    from typing import NoReturn

COMMANDS = (
    "check",
    "verify",
    "rules",
    "policies",
    "explain",
    "handshake",
    "clients",
    "ciphers",
    "chain",
    "inventory",
    "diff",
    "parse",
    "fleet",
    "lsp",
    "test-rules",
    "new-rule",
)
"""Each is the function of that name (with underscores) in the module of that name, or its ``command``."""


class Commands(TyperGroup):
    """The group of commands, each imported when it is requested."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """The parameters of the group, not converted by pydantic."""
        return plain(super().get_params(ctx))

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """The names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Import and return a command; None for an unknown option.

        Raises:
            UsageError: the command does not exist.
        """
        if cmd_name not in COMMANDS:
            if cmd_name.startswith("-"):
                return None
            raise UsageError(
                f'"{cmd_name}"',
                "is not a command",
                nearest(cmd_name, COMMANDS) or f"commands: {', '.join(COMMANDS)}; to lint: nginxtls check {cmd_name}",
            )
        if cmd_name not in self.commands:
            name = cmd_name.replace("-", "_")
            module = import_module(f"nginxtls.cli.{name}")
            self.commands[cmd_name] = getattr(module, "command", None) or _command(cmd_name, getattr(module, name))
        return self.commands[cmd_name]


def _command(name: str, function: Any) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name, cls=PlainCommand)(function)
    return typer.main.get_command(app)


app = typer.Typer(
    cls=Commands,
    name="nginxtls",
    help="Lint the TLS side of nginx configurations: what nginxtls reports is what a TLS client would see.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(requested: bool) -> None:
    if requested:
        import nginxtls
        from nginxtls.base.freshness import DATE

        typer.echo(f"nginxtls {nginxtls.__version__} (facts of {DATE})")
        raise typer.Exit


@app.callback()
def nginxtls(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Lint the TLS side of nginx configurations: what nginxtls reports is what a TLS client would see."""


class _Interrupted(BaseException):
    """SIGINT; typer would end with exit code 1, which means findings."""


def main() -> NoReturn:
    """Run the command and exit at once: freeing a million objects one by one takes longer than the rest of the exit."""
    status = 2
    _prepare()
    try:
        run()
    except _Interrupted:
        status = 130
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = status or 2
    os._exit(status)


def _prepare() -> None:
    """Set up standard streams and signals as for any Unix command: a closed pipe ends it silently."""

    def interrupt(number: int, frame: object) -> NoReturn:
        raise _Interrupted

    signal.signal(signal.SIGINT, interrupt)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - stays open until the end
    if sys.stdout is None:
        print("error: standard output is closed", file=sys.stderr)
        os._exit(2)


def run() -> NoReturn:
    """Run the command; exit code 0, 1 (findings) or 2 (the request could not be carried out). Never a traceback."""
    if not _has_working_directory():
        print_error(UsageError("the working directory", "no longer exists", "change to a folder that exists"))
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if os.environ.get("_NGINXTLS_COMPLETE") == "complete_bash":
        from nginxtls.cli.completion import join_bash_words

        join_bash_words(os.environ)
    try:
        status = typer.main.get_command(app).main(prog_name="nginxtls", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except UsageError as error:
        print_error(error)
    except RecursionError:
        print_error(UsageError("nginxtls", "the input is nested too deeply"))
    except BaseException as error:
        if not is_fault(error):
            raise
        if hasattr(error, "exit_code") and hasattr(error, "show"):  # typer's, about the command line
            _print_usage(error)
            sys.exit(error.exit_code)
        print_error(_unforeseen(error))
    sys.exit(2)


def _print_usage(error: Any) -> None:
    """Write an error about the command line to standard error: a word of it may be the name of a scanned file."""
    text = StringIO()
    error.show(text)
    print("\n".join(map(shown, text.getvalue().rstrip("\n").split("\n"))), file=sys.stderr)


def _has_working_directory() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def print_error(error: UsageError) -> None:
    """Write an error and its help line to standard error."""
    lines = [shown(f"error: {error.subject}: {error.reason}")]
    if error.help:
        lines.append(shown(f"  = help: {error.help}"))
    print("\n".join(lines), file=sys.stderr)


def _unforeseen(error: BaseException) -> UsageError:
    """An error in nginxtls itself. The text of the exception is not shown: it might quote a key."""
    if isinstance(error, OSError) and error.strerror:
        return UsageError(str(error.filename or "nginxtls"), error.strerror)
    place = ""
    trace = error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module.startswith("nginxtls"):
            place = f" in {module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return UsageError(
        "nginxtls", f"stopped with {type(error).__name__}{place}", "this is a bug in nginxtls: please report it"
    )
