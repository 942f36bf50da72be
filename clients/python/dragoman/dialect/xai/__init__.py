"""Wire twins of xAI's chat."""
