"""What holds for every tier."""

from __future__ import annotations

import signal

# A script's `&` has what it starts ignore Ctrl-C, and everything that is started from there: what an interruption does
# could not be seen then.
signal.signal(signal.SIGINT, signal.default_int_handler)
