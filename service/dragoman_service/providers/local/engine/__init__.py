"""The process that runs the embedded model: its start, its health, the connection to it."""
