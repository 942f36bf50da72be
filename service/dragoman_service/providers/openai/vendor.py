"""What is known of one vendor."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman_service.dialects.openai.client.quirks import Quirks

RESOURCE = "RESOURCE"
"""What stands in an address for the name that each customer has."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row."""

    quirks: Quirks
    base_url: str = ""
    """Includes the version of the API. Empty: the settings must name it."""
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    models_path: str = "/models"
    """The endpoint that lists its models. Empty: it has none, and the settings must name them."""
    deployments: bool = False
    """With a version of its API in the settings, its paths name the model and the query names the version."""

    @property
    def is_one_address(self) -> bool:
        """All its customers have one address; otherwise `base_url` shows its form, and the settings must have it."""
        return bool(self.base_url) and RESOURCE not in self.base_url
