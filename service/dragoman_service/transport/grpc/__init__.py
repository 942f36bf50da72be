"""The gRPC listener and its guard."""
