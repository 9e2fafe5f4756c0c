"""Tests of chief review."""
