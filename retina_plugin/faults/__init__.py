"""Faults made on purpose, many times over, and what comes of them: the rows of tools/torture.py."""
