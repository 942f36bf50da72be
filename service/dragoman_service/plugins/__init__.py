"""Entry points: found, loaded on demand, opened, and reported when broken."""
