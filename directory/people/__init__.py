"""Lists of people, on a directory of any size."""
