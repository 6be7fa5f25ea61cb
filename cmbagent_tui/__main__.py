"""`python -m cmbagent_tui` is `cmbagent-tui`."""

import sys

from cmbagent_tui.cli import main

sys.exit(main())
