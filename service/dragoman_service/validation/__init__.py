"""Is a request valid? All wrong fields are reported at once, before any provider is called."""

from __future__ import annotations

from dragoman_service.validation.request import check, check_request, violations

__all__ = ["check", "check_request", "violations"]
