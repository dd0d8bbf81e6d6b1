"""A person in a structure: added, confirmed, moved, suspended, over."""
