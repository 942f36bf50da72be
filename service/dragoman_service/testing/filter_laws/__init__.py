"""The laws of a filter, as tests that every filter inherits."""
