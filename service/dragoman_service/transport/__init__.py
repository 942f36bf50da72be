"""The gRPC and HTTP listeners, each behind a guard: authentication, limits, errors, one log line per call."""
