"""The vocabulary of operations: records, ids, event format, conditions, requests, errors and changes."""
