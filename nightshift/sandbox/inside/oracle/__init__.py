"""The two ends of the link between tests and code, each in a jail of its own."""
