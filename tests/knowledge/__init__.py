"""Tests of the medical rules."""
