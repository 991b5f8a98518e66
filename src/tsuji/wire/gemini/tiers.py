"""Service tiers, both ways. Core uses OpenAI's words (https://ai.google.dev/gemini-api/docs/flex-inference)."""

from typing import Final

TIERS: Final = {"standard": "default", "flex": "flex", "priority": "priority"}
TIER_NAMES: Final = {core: wire for wire, core in TIERS.items()} | {"standard_only": "standard"}
