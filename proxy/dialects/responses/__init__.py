"""OpenAI's Responses API, for clients that speak it and for providers that speak nothing else. Stateless."""
