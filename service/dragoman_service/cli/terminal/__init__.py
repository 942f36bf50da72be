"""What a person sees in the terminal: streamed text, progress, tables and wording."""
