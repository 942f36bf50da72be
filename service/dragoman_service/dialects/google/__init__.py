"""Google's dialects: what they have in common, and a folder for each."""
