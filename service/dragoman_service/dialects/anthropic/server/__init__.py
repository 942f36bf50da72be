"""The server side of the dialect: decodes requests, encodes answers and errors."""
