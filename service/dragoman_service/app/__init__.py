"""Assembles the service: the only room that knows all of its parts."""

from dragoman_service.app.running import Running as Running
from dragoman_service.app.running import running as running
