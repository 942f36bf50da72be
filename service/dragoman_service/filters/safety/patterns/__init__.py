"""The filter `patterns`: word lists and regular expressions by category."""
