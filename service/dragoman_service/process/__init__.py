"""The service as operating-system processes: one process, or a supervisor and its workers."""
