"""Warm cells: processes that have pytest ready, and give each candidate a child of its own."""
