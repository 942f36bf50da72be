"""Wire twins: the messages of vendors' APIs in words of our own, with the vendors' field numbers."""
