"""What not every model can do: the names that `lacks` takes in the configuration, and a refusal gives."""

from __future__ import annotations

from enum import StrEnum


class Need(StrEnum):
    """One of them."""

    VISION = "vision"
    DOCUMENTS = "documents"
    AUDIO_INPUT = "audio_input"
    AUDIO_OUTPUT = "audio_output"
    IMAGE_OUTPUT = "image_output"
    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"
    PREFILL = "prefill"
    """The last message is the assistant's, to be gone on from."""
