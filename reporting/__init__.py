"""Reporting: the personal report as data, on paper and on screen."""
