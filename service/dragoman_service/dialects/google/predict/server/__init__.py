"""The side of the service: requests are decoded, answers are encoded."""
