"""The typer application: its commands, each imported when it is requested."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nginxtls.base.errors import UsageError, nearest
from nginxtls.cli.plain import PlainCommand, plain

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


@cache
def application() -> Any:
    """The commands as typer runs them: made once in a process, which takes longer than many a command."""
    return typer.main.get_command(app)
