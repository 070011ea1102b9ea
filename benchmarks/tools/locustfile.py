"""Chat completions for locust: `locust -f benchmarks/tools/locustfile.py --headless -u 8 -r 8 -t 10s -H URL`."""

from __future__ import annotations

from locust import HttpUser, task  # type: ignore[import-not-found]  # a tool of its own environment

BODY = {"model": "any", "max_tokens": 16, "messages": [{"role": "user", "content": "Which platform?"}]}


class Caller(HttpUser):  # type: ignore[misc]  # as above
    """Asks again as soon as it has its answer."""

    @task  # type: ignore[untyped-decorator]  # as above
    def ask(self) -> None:
        """One request."""
        self.client.post("/v1/chat/completions", json=BODY)
