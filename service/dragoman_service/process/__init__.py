"""The service as operating-system processes: a single process, or a supervisor with workers."""
