"""What a person sees in the terminal: text as it streams, progress, tables, wording."""
