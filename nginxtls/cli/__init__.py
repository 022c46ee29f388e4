"""The command line: runs the requested command, and turns each error into one message and exit code 2."""

from __future__ import annotations

import os
import signal
import sys
from io import StringIO
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError, is_fault
from nginxtls.base.printing import shown
from nginxtls.cli.short import requested

if TYPE_CHECKING:
    from typing import Any, NoReturn


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
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:  # pygls closes them at the end of a session
                stream.flush()
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
    try:
        status = _status()
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


def _status() -> object:
    """Run the command and return its exit code, if it has one of its own."""
    completing = os.environ.get("_NGINXTLS_COMPLETE")
    request = None if completing else requested(sys.argv[1:])
    if request is not None:
        from nginxtls.cli.checking import check

        return check(request)
    if completing == "complete_bash":
        from nginxtls.cli.completion import join_bash_words

        join_bash_words(os.environ)
    from nginxtls.cli.application import application

    return application().main(prog_name="nginxtls", standalone_mode=False)


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
