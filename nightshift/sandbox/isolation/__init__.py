"""Which walls stand around a process, what it can see between them, and whether they hold."""
