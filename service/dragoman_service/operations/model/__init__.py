"""What an operation is: its records, identifiers, event format, errors and change notices."""
