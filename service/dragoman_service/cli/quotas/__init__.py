"""The commands that read limits and usage."""
