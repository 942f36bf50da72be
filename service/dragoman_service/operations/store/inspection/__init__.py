"""Looks at a store without opening it: nothing is created, upgraded or written."""
