"""What it costs to translate between dialects, an event and a request, beside passing OpenAI's own through."""
