"""Wire twins: the messages of vendors' APIs, with the vendors' field numbers and our own comments."""
