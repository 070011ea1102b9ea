"""Providers whose model works for a coding assistant: it calls one of the tools it is offered, then says what came."""

from __future__ import annotations

from typing import Any, ClassVar

from fakes.providers.anthropic import Anthropic
from fakes.providers.bedrock import Bedrock
from fakes.providers.gemini import Gemini
from fakes.providers.openai_chat import OpenAIChat
from fakes.providers.provider import FakeProvider
from fakes.providers.scenes import PIECES, STATE, THOUGHTS, Answer, Asked, Refused

USE_A_TOOL = "Make use of a tool."
"""A prompt that has this is answered with a call."""
COMMAND, OUTPUT = "echo left-$((40 + 2))", "left-42"
"""What only a shell makes of it."""
REPORT = ("The tool ", "has said ", f"{OUTPUT}.")


class Agent(FakeProvider):
    """Mixed into a provider: its requests are read as strictly, only the conversation is another."""

    work: ClassVar[dict[str, dict[str, Any]]] = {
        "Bash": {"command": COMMAND, "description": "Say it."},
        "exec_command": {"cmd": COMMAND},
    }
    """Its calls, of the first of these tools that it is offered. Sources: Claude Code, "Tools available to Claude";
    Codex, `exec_command`."""

    def decide(self, asked: Asked) -> Answer:
        thoughts = THOUGHTS if asked.thinks and asked.shows_thoughts else ()
        state = STATE if asked.thinks and self.wants_state else None
        if asked.results:
            if not any(OUTPUT in said for _, said in asked.results):
                raise Refused(f"the tools have said {asked.results}")
            return Answer(REPORT, thoughts, state, stream=asked.stream)
        tool = next((name for name in self.work if name in asked.tools), None)
        if tool is None or USE_A_TOOL not in asked.text:
            return Answer(PIECES, thoughts, state, stream=asked.stream)
        return Answer((), thoughts, state, (self.work[tool],), tool, stream=asked.stream)


class AnthropicAgent(Agent, Anthropic):
    insists = False  # thoughts without text are not brought back by every assistant


class BedrockAgent(Agent, Bedrock): ...


class GeminiAgent(Agent, Gemini): ...


class OpenAIChatAgent(Agent, OpenAIChat): ...


AGENTS: tuple[type[FakeProvider], ...] = (AnthropicAgent, BedrockAgent, GeminiAgent, OpenAIChatAgent)
