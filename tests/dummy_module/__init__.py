"""A complete plug-in that exists to test the door."""
