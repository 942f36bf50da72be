"""Lists of operations: filters, their fields, pages."""
