"""The laws of a dialect, as tests that every pair of a server and a client dialect inherits."""
