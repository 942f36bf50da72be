"""What a frontend over HTTP is made of: a service, its methods, and a route for the completions of any dialect."""

from dragoman_service.frontends.http.completions import Completions
from dragoman_service.frontends.http.event_stream import EventStream
from dragoman_service.transport.http.guard import HttpService, Method

__all__ = ["Completions", "EventStream", "HttpService", "Method"]
