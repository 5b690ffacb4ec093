"""Puts one process behind its walls; started in a bare interpreter."""
