"""The program of a warm cell."""
