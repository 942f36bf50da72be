"""The client side of the dialect: encodes requests, decodes answers and errors."""
