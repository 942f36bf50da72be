"""The laws of a provider, as tests that every provider inherits."""
