"""Upstreams that implement OpenAI's API."""
