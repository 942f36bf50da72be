"""Replicas of the service on a store of operations, in this process and in others. They need no extra."""
