"""Names of xAI's API: its package and its methods."""

from __future__ import annotations

from collections.abc import Mapping

PACKAGE = "xai_api"
TWINS = "dragoman/dialect/xai/v1"
PACKAGES: Mapping[str, str] = {
    f"{TWINS}/{name}.proto": PACKAGE for name in ("auth", "chat", "completion", "message", "models", "tokenize", "tool")
}
"""The vendor's package for each file of wire twins."""

COMPLETION = f"/{PACKAGE}.Chat/GetCompletion"
COMPLETION_CHUNK = f"/{PACKAGE}.Chat/GetCompletionChunk"
TOKENIZE = f"/{PACKAGE}.Tokenize/TokenizeText"
LIST_MODELS = f"/{PACKAGE}.Models/ListLanguageModels"
