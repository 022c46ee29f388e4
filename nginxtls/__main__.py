"""The entry point: takes the working directory, which may be hostile, off the import path, and disables the GC."""

import gc
import os
import sys

if sys.version_info < (3, 10):  # noqa: UP036 - older ones end here, as the rest is a syntax error for them
    sys.stderr.write("error: nginxtls: requires Python 3.10 or newer\n")
    sys.exit(2)
gc.disable()  # one run makes few cycles, and its data lives until the end
try:
    here = os.getcwd()
except FileNotFoundError:
    here = ""
if sys.path and sys.path[0] in ("", here) and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):
    del sys.path[0]

import signal  # noqa: E402

signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupt during the imports ends it silently; main() sets its own

from nginxtls.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
