"""xAI's API over gRPC, in both directions."""
