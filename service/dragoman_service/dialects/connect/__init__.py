"""Connect's protocol, and streams as server-sent events or lines: the native API over HTTP, without its server."""
