"""All client dialects, in the order of the matrix."""

from __future__ import annotations

from e2e.matrix.clients.anthropic import Anthropic
from e2e.matrix.clients.client import Client
from e2e.matrix.clients.gemini import Gemini
from e2e.matrix.clients.oneinfer import OneInfer
from e2e.matrix.clients.openai_chat import OpenAIChat, Oxen
from e2e.matrix.clients.openai_responses import OpenAIResponses

CLIENTS: tuple[Client, ...] = (OpenAIChat(), OpenAIResponses(), Anthropic(), Gemini(), OneInfer(), Oxen())
