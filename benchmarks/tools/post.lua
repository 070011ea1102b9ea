wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model": "any", "max_tokens": 16, "messages": [{"role": "user", "content": "Which platform?"}]}'
