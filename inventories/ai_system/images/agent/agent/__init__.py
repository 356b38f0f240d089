"""The reference agent runtime: stands in for a user's own agents (see README.md beside this package)."""
