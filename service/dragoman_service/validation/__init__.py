"""Is a request sound? Every wrong field is named at once, before any provider is asked."""

from __future__ import annotations

from dragoman_service.validation.request import check, check_request, violations

__all__ = ["check", "check_request", "violations"]
