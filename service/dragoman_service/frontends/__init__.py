"""Servers for one dialect each, over gRPC or HTTP, one folder per dialect."""
