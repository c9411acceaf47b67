"""`python -m frgroups` is the command `frgroups`."""

import sys

from frgroups.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
