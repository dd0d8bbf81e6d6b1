"""What concerns a person and nobody else: his password, what is known of him, what he is told."""
