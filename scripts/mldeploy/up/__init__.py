"""The sequence behind `scripts/up`: from a bare machine to both services smoke-tested on a real node."""
