"""Raises a BaseException of its own as soon as it is imported."""

from broken_provider import OwnBaseError

raise OwnBaseError("mine")
