"""Decodes errors: the status of a call or of an operation."""

from __future__ import annotations

from dragoman_service.dialects.upstream_errors import error_of_status as decode_error

__all__ = ["decode_error"]
