"""A tiny Qwen2.5-VL for tests, for the recipe `cpu-smoke`, and for the learning check."""

from geoseek.training.tiny.model import (
    FIRST_SPECIAL_ID,
    SPECIAL_TOKENS,
    TINY_TEMPLATE,
    TINY_TEMPLATE_PATH,
    TinyShape,
    build_tiny,
    register_tiny_template,
    texts_of,
)

__all__ = [
    "FIRST_SPECIAL_ID",
    "SPECIAL_TOKENS",
    "TINY_TEMPLATE",
    "TINY_TEMPLATE_PATH",
    "TinyShape",
    "build_tiny",
    "register_tiny_template",
    "texts_of",
]
