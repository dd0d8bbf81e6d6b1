"""An account: made, shown, edited, locked, given another address."""
