"""The interpreter that generated code runs with, and the packages it has."""
