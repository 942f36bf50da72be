"""Clock, time limits and loops."""
