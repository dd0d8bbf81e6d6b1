"""What is deleted: what would become of it, the bin, and the way back."""
