"""Listeners for gRPC and HTTP, and the guard in front of each: keys, limits, errors, one log line per call."""
