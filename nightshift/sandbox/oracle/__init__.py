"""A pass is confirmed with the tests in one jail and the code in another."""
