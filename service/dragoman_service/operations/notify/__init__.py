"""How processes and readers learn that an operation changed."""
