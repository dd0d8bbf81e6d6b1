"""The directory (AIA): who the people are, what they may open, and who may change that."""
