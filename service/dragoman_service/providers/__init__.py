"""Clients of one upstream each, found through entry points, one folder per provider."""
