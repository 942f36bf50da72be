"""Answers are encoded: the response, its items, its events, and what it was asked with."""
