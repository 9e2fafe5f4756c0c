"""Interfaces: what speaks to the outside for the rooms below."""
