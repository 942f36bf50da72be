"""Metrics of calls by the listener that takes them, and the log line at the end of each."""
