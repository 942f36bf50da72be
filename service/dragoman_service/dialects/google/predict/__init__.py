"""Predictions: the dialect of text, chat and code models."""
