"""Commands: options in, exit codes out; no logic of their own."""
