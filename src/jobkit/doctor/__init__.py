"""What `jobkit doctor` checks: the machine, the app, its settings, its storage and its jobs."""
