"""Lists as files: read in batches, sent while they are read."""
