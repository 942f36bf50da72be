"""Command-line options and arguments that several commands share."""
