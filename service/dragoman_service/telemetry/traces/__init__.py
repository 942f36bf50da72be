"""Traces: spans of calls, of attempts at providers and of operations, and how they are sent. Needs OpenTelemetry."""
