"""Lists of operations: filters, their fields, and pages."""
