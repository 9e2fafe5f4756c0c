"""Staff: accounts, roles, grants and sign-in."""
