"""Metrics and log lines: what is measured, under which names, and how it is written."""
