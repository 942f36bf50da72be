"""`python -m dragoman_service` is the command `dragoman`."""

from dragoman_service.cli import main

main()
