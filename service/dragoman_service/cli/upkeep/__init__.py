"""Commands for those who run the service: `dragoman doctor` and `dragoman migrate`."""
