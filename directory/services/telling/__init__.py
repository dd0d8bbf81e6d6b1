"""The journal in words: what was done, and by whom, as far as a reader may know."""
