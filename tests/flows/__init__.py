"""Whole days, told as sentences."""
