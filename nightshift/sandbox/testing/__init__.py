"""One test run: what is known before it, how it is run, and what its report is worth."""
