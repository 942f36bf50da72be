"""The counters of limits and the ledger of usage, in the database of operations."""
