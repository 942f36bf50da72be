"""Routes over HTTP that any dialect can be served on."""
