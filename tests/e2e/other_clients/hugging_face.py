"""Hugging Face's client, which has its own HTTP and event-stream code: prints what it understood, as JSON."""

import json  # noqa: TID251 - this environment has nothing else
import sys

from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

base_url, model = sys.argv[1:]
client = InferenceClient(base_url=base_url, api_key="any", timeout=20)
messages = [{"role": "user", "content": "Which way?"}]

whole = client.chat.completions.create(model=model, messages=messages, max_tokens=50)
stream = client.chat.completions.create(model=model, messages=messages, max_tokens=50, stream=True)
text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
try:
    client.chat.completions.create(model="nobody-has-it", messages=messages)
    status = None
except HfHubHTTPError as error:
    status = error.response.status_code

said = {"whole": whole.choices[0].message.content, "tokens": whole.usage.completion_tokens}
print(json.dumps({**said, "stream": text, "unknown": status}))  # noqa: T201 - its report
