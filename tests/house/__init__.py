"""The house itself: structure, routes, documents."""
