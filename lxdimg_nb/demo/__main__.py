"""Runs `python -m lxdimg_nb.demo`."""

from __future__ import annotations

import sys

from .command_line import main

if __name__ == "__main__":
    sys.exit(main())
