"""The entry point: takes the working directory, which may be hostile, off the import path, and disables the GC."""

import gc
import os
import sys

gc.disable()  # one run makes few cycles, and its data lives until the end
try:
    here = os.getcwd()
except FileNotFoundError:
    here = ""
if sys.path and sys.path[0] in ("", here) and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):
    del sys.path[0]

from nginxtls.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
