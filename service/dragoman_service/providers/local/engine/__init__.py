"""The engine process of the embedded model: its start, its health, the connection to it."""
