"""The HTTP listener and its guard."""
