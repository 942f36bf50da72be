"""xAI as an upstream."""
