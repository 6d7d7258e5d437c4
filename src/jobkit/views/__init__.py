"""Records in, something to show out; no I/O."""
