"""Vertex AI's predictions of text, chat and code models as an upstream."""
