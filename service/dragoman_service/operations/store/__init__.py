"""Stores of operations: the protocol, the SQL and memory stores, and how a URL chooses one."""
