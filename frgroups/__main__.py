"""Run the command line with `python -m frgroups`."""

import sys

from frgroups.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
