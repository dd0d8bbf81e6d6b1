"""The shapes of forms: what a field may hold, never who may send it."""
