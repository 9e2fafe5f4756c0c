"""The catalogue: departments, items, groups, packages and tubes, versioned."""
