"""HTTP/1.1 to upstreams, on bare asyncio protocols: its bytes, one connection, a pool, and how connections open."""
