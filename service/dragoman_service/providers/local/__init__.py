"""The embedded model, which the service runs itself."""
