"""Reads data, models and results, and tells what they say; changes none of them."""
