"""``python -m qalgs``."""

import sys

from qalgs.cli import main

sys.exit(main())
