"""Applications, their roles, who holds them, who may give them, who asks for them."""
