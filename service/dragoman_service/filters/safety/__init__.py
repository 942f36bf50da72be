"""Filters that rate prompts and answers, and hold text back until it is known that it may leave."""
