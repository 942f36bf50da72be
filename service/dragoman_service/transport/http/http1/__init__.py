"""HTTP/1.1 as a server speaks it: requests from bytes, and responses to bytes."""
