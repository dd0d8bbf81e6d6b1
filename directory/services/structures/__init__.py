"""The tree of structures: shown, changed, closed."""
