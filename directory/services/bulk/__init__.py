"""One action over many accounts, and what it would do with each."""
