"""Where settings come from: files, environment variables, and the text in them."""
