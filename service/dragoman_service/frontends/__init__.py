"""Frontends: each serves one dialect, over gRPC, HTTP or both."""
