"""The start: the working directory (it may be a hostile tree) off the import path, and no collecting of cycles."""

import gc
import os
import sys

gc.disable()  # one run, few cycles: what is read lives until the end anyway
try:
    here = os.getcwd()
except FileNotFoundError:
    here = ""
if sys.path and sys.path[0] in ("", here) and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):
    del sys.path[0]

from nginxtls.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
