"""Dragoman, a pluggable gRPC service in front of language models."""
