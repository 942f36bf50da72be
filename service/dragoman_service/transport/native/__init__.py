"""A gRPC server for asyncio on the HTTP/2 session of `dragoman_http2`. It knows nothing of this service."""
