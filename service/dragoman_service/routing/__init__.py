"""Which targets a request goes to, in which order and how often."""
