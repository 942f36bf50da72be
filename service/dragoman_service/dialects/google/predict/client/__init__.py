"""The side of a provider: requests are encoded, answers are decoded."""
