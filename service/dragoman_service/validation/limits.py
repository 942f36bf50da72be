"""The limits of requests: one table for the code, the tests and the documentation."""

from __future__ import annotations

MESSAGES = 1024
PARTS = 64
ALL_PARTS = 8192  # of all messages together
AUTHOR = 64  # characters
PROMPT = 1_048_576  # characters
TOOLS = 128
TOOL_NAME = 64  # characters
TOOL_DESCRIPTION = 65_536  # characters
STOP_SEQUENCES = 16
STOP_SEQUENCE = 256  # characters
CHOICES = 8
LABELS = 64
LABEL_KEY = 64  # characters
LABEL_VALUE = 512  # characters
EXTENSIONS = 64
EXTENSION_KEY = 128  # characters
SAFETY_SETTINGS = 32
SAFETY_CATEGORY = 64  # characters
END_USER = 256  # characters
OUTPUT_TOKENS = 1_000_000
TOP_K = 1000
TOP_LOGPROBS = 20
SCHEMA = 65_536  # characters, of a JSON schema or a grammar
TEXT = 1_048_576  # characters, of Tokenize
REQUEST_ID = 128  # characters
LEAST_TTL = 1  # second
TTL = 30 * 86_400  # seconds
ATTEMPTS = 100
PRIORITY = 100  # from -100 to 100
SESSION = 256  # characters
ONLY = 32
TARGET = 256  # characters
LEAST_HEARTBEAT = 1  # second
HEARTBEAT = 60  # seconds
PAGE = 1000  # items
MODELS_PAGE = 100  # models, by default
OPERATIONS_PAGE = 50  # operations, by default
USAGE_PAGE = 100  # attempts, by default
USAGE_GROUPS = 3
USAGE_SUMS = 10_000  # groups in one answer
USAGE_NAME = 256  # characters
