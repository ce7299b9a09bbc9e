"""``python -m service`` is the same as ``pneumonia``."""

import sys

from service.cli import main

sys.exit(main())
