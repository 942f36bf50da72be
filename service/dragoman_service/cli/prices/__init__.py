"""`dragoman prices`: what models cost, and tables of prices from other projects' lists."""

from dragoman_service.cli.prices.command import app

__all__ = ["app"]
