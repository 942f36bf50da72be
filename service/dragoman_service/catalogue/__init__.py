"""The models of all providers by every name that callers may use, what they support, and what a prompt weighs."""
