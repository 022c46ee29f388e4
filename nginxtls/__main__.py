"""``python -m nginxtls``: the command, with the working directory (it may be a hostile tree) off the import path."""

import os
import sys

if sys.path and sys.path[0] in ("", os.getcwd()) and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):
    del sys.path[0]

from nginxtls.cli import main

main()
