"""Clients of one kind of upstream each, found through entry points, one folder per provider."""
