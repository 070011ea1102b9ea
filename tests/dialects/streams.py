"""One stream of each provider family, re-typed from what the providers send, and what a reader must know of it."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.dialects.quirks import Quirks
from proxy.usage import Usage

XAI = Quirks(reasoning_outside_completion=True, cost_field="cost_in_usd_ticks", cost_unit_nano_usd=1, cost_divisor=10)
OPENROUTER = Quirks(cost_field="cost")
PERPLEXITY = Quirks(reasoning_outside_completion=True, cost_field="cost.total_cost")
MINIMAX = Quirks(errors_in_body="base_resp")
PLAIN = Quirks()


@dataclass(frozen=True)
class Stream:
    """`data` is what came; `dropped` what must not pass when the gateway itself asked for usage."""

    name: str
    data: bytes
    usage: Usage | None
    finish_reason: str | None
    quirks: Quirks = PLAIN
    dropped: bytes = b""
    saw_content: bool = True
    saw_done: bool = True
    is_complete: bool = True
    error: str | None = None
    """Part of the reported error's text."""


def chunk(choices: str, rest: str = "") -> bytes:
    return f'data: {{"id":"c1","model":"m-1","choices":[{choices}]{rest}}}\n\n'.encode()


def text(value: str, finish: str = "null") -> str:
    return f'{{"index":0,"delta":{{"content":"{value}"}},"finish_reason":{finish}}}'


ROLE = chunk('{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}')
STOP = chunk('{"index":0,"delta":{},"finish_reason":"stop"}')
DONE = b"data: [DONE]\n\n"
USAGE = chunk("", ',"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}')
NINE_THREE = Usage(input_tokens=9, output_tokens=3)

OPENAI = Stream(
    "openai",
    ROLE
    + chunk(text('H\u00e9llo \\"usage\\":{\\"a\\":1} '), ',"usage":null')
    + chunk(text('\U0001f642 [DONE] \\"error\\"'), ',"usage":null')
    + STOP
    + USAGE
    + DONE,
    NINE_THREE,
    "stop",
    dropped=USAGE,
)
SPACED = Stream(
    "spaces after colons",
    b'data: {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": null}], '
    b'"usage": null}\n\n'
    b'data: {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], '
    b'"usage": null}\n\n'
    b'data: {"id": "c1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}\n\n' + DONE,
    NINE_THREE,
    "length",
    dropped=b'data: {"id": "c1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}\n\n',
)
WIDE = Stream(
    "unusual spaces",
    b'data: {"choices" : [{"delta" :  {"content" : "a"}, "finish_reason" : null}]}\n\n'
    b'data: {"choices" : [{"delta" :  {"content" : "b"}, "finish_reason" : "stop"}]}\n\n'
    b'data: {"choices" : [], "usage" : {"prompt_tokens" : 9, "completion_tokens" : 3}}\n\n',
    NINE_THREE,
    "stop",
    dropped=b'data: {"choices" : [], "usage" : {"prompt_tokens" : 9, "completion_tokens" : 3}}\n\n',
    saw_done=False,
)
AZURE = Stream(
    "azure",
    b'data: {"choices":[],"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}\n\n'
    + ROLE
    + chunk(text("Hi"))
    + STOP
    + chunk(
        "",
        ',"usage":{"prompt_tokens":19,"total_tokens":1739,"completion_tokens":1720,"prompt_tokens_details":null,'
        '"reasoning_tokens":7}',
    )
    + DONE,
    Usage(input_tokens=19, output_tokens=1720, reasoning_tokens=7),
    "stop",
    dropped=chunk(
        "",
        ',"usage":{"prompt_tokens":19,"total_tokens":1739,"completion_tokens":1720,"prompt_tokens_details":null,'
        '"reasoning_tokens":7}',
    ),
)
CRLF = Stream(
    "carriage return and line feed, a BOM before",
    b"\xef\xbb\xbf" + (ROLE + chunk(text("a\u00e9")) + STOP + USAGE + DONE).replace(b"\n", b"\r\n"),
    NINE_THREE,
    "stop",
    dropped=USAGE.replace(b"\n", b"\r\n"),
)
CR = Stream(
    "carriage return alone, no space after the colon",
    (ROLE + chunk(text("a")) + STOP + USAGE + DONE).replace(b"\n", b"\r").replace(b"data: ", b"data:"),
    NINE_THREE,
    "stop",
    dropped=USAGE.replace(b"\n", b"\r").replace(b"data: ", b"data:"),
)
MANTLE = Stream(
    "data before event, several data lines, blank lines between",
    b'data: {"choices":[{"delta":\ndata: {"content":"a"}}]}\nevent: message\n\n\n\n'
    b'\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\nevent: message\n\n'
    b'data: {"choices":[],\ndata: "usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n\n' + DONE,
    NINE_THREE,
    "stop",
    dropped=b'data: {"choices":[],\ndata: "usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n',
)
XAI_STREAM = Stream(
    "xai",
    ROLE
    + b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":""}]}\n\n'
    + chunk(text("a"))
    + STOP
    + (
        xai_usage := chunk(
            "",
            ',"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":303,"prompt_tokens_details":'
            '{"text_tokens":12,"audio_tokens":0,"image_tokens":0,"cached_tokens":11},"completion_tokens_details":'
            '{"reasoning_tokens":290},"num_sources_used":0,"cost_in_usd_ticks":1466250}',
        )
    )
    + DONE,
    Usage(input_tokens=1, output_tokens=291, cache_read_tokens=11, reasoning_tokens=290, cost_nano_usd=146_625),
    "stop",
    quirks=XAI,
    dropped=xai_usage,
)
DEEPSEEK = Stream(
    "deepseek",
    b": keep-alive\n\n: keep-alive\n\n"
    + ROLE
    + b'data: {"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"so"},"finish_reason":null}],'
    b'"usage":null}\n\n: keep-alive\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"finish_reason":"tool_calls"}],'
    b'"usage":{"prompt_tokens":339,"completion_tokens":83,"total_tokens":422,"prompt_tokens_details":'
    b'{"cached_tokens":320},"completion_tokens_details":{"reasoning_tokens":39},"prompt_cache_hit_tokens":320,'
    b'"prompt_cache_miss_tokens":19}}\n\n' + DONE,
    Usage(input_tokens=19, output_tokens=83, cache_read_tokens=320, reasoning_tokens=39),
    "tool_calls",
)
GROQ = Stream(
    "groq",
    b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"x_groq":{"id":"req_1"}}\n\n'
    + chunk('{"index":0,"delta":{"reasoning":"hm","channel":"analysis"},"finish_reason":null}')
    + b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req_1","usage":'
    b'{"queue_time":0.17,"prompt_tokens":17,"completion_tokens":970,"total_tokens":987,'
    b'"completion_tokens_details":{"reasoning_tokens":963}}}}\n\n' + DONE,
    Usage(input_tokens=17, output_tokens=970, reasoning_tokens=963),
    "stop",
)
GROQ_ERROR = Stream(
    "groq's tool failure",
    chunk(text("a"))
    + b'event: error\ndata: {"error":{"message":"Failed to call a function.","type":"invalid_request_error",'
    b'"code":"tool_use_failed","status_code":400}}\n\n',
    None,
    None,
    saw_done=False,
    is_complete=False,
    error="Failed to call",
)
MISTRAL = Stream(
    "mistral",
    b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":[{"type":"thinking","thinking":'
    b'[{"type":"text","text":"hm"}]}]},"finish_reason":null}]}\n\n'
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":null,"tool_calls":[{"id":"gSIMJiOkT","function":'
    b'{"name":"weather","arguments":"{\\"location\\": \\"San Francisco\\"}"}}]},"finish_reason":"tool_calls"}],'
    b'"usage":{"prompt_tokens":124,"total_tokens":146,"completion_tokens":22,"service_tier":"standard"}}\n\n' + DONE,
    Usage(input_tokens=124, output_tokens=22, tier="standard"),
    "tool_calls",
)
TOGETHER = Stream(
    "together",
    chunk('{"index":0,"text":"a","delta":{"content":"a","token_id":3},"finish_reason":null}')
    + chunk(
        text("", '"eos"'),
        ',"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13,"cached_tokens":4}',
    )
    + DONE,
    Usage(input_tokens=6, output_tokens=3, cache_read_tokens=4),
    "eos",
)
OPENROUTER_STREAM = Stream(
    "openrouter",
    b": OPENROUTER PROCESSING\n\n"
    + ROLE
    + chunk(text("a"))
    + chunk(text("", '"stop"'))
    + b": OPENROUTER PROCESSING\n\n"
    + chunk(
        text("", '"stop"'),
        ',"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"cost":0.00014,'
        '"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":1}}',
    )
    + DONE,
    Usage(input_tokens=6, output_tokens=3, cache_read_tokens=2, cache_write_tokens=1, cost_nano_usd=140_000),
    "stop",
    quirks=OPENROUTER,
)
OPENROUTER_ERROR = Stream(
    "openrouter's error beside choices",
    chunk(text("a"))
    + b'data: {"id":"c","error":{"code":502,"message":"Provider disconnected"},"choices":[{"index":0,"delta":'
    b'{"content":""},"finish_reason":"error"}]}\n\n',
    None,
    "error",
    quirks=OPENROUTER,
    saw_done=False,
    error="Provider disconnected",
)
FINISH_ERROR = Stream(
    "a finish reason that is an error",
    chunk(text("a")) + chunk(text("", '"error"')) + DONE,
    None,
    "error",
    error="ended the answer",
)
GEMINI = Stream(
    "gemini's compatible endpoint, usage on every chunk, hidden thoughts",
    chunk(text("a"), ',"usage":{"prompt_tokens":35,"completion_tokens":4,"total_tokens":90}')
    + chunk(text("b", '"stop"'), ',"usage":{"prompt_tokens":35,"completion_tokens":12,"total_tokens":109}')
    + DONE,
    Usage(input_tokens=35, output_tokens=74),
    "stop",
)
GEMINI_ERROR = Stream(
    "gemini's bare error",
    chunk(text("a")) + b'[{\n  "error": {\n    "code": 503,\n    "message": "The model is overloaded."\n  }\n}]\n',
    None,
    None,
    saw_done=False,
    is_complete=False,
    error="overloaded",
)
PERPLEXITY_STREAM = Stream(
    "perplexity",
    b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"message":{"content":"a"},"delta":'
    b'{"role":"assistant","content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":11,"completion_tokens":1,'
    b'"total_tokens":12}}\r\n\r\n'
    b'data: {"object":"chat.completion.done","choices":[{"index":0,"delta":{"role":"assistant","content":""},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":434,"total_tokens":445,'
    b'"citation_tokens":5,"reasoning_tokens":7,"cost":{"total_cost":0.006}}}\r\n\r\n',
    Usage(input_tokens=16, output_tokens=441, reasoning_tokens=7, cost_nano_usd=6_000_000),
    "stop",
    quirks=PERPLEXITY,
    saw_done=False,
)
MOONSHOT = Stream(
    "moonshot's older form",
    chunk(text("a")) + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":9,'
    b'"completion_tokens":3,"total_tokens":12,"cached_tokens":4}}]}\n\n' + DONE,
    Usage(input_tokens=5, output_tokens=3, cache_read_tokens=4),
    "stop",
)
MINIMAX_ERROR = Stream(
    "minimax's error in the body",
    chunk(text("a"), ',"base_resp":{"status_code":0,"status_msg":""}')
    + chunk("", ',"base_resp":{"status_code":1027,"status_msg":"output sensitive"}')
    + DONE,
    None,
    None,
    quirks=MINIMAX,
    error="output sensitive",
)
RESPONSES = Stream(
    "responses",
    b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","model":"m","error":null,'
    b'"service_tier":"auto","usage":null}}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"a\xc3\xa9"}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":" error"}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"bc"}\n\n'
    b'event: response.output_text.done\ndata: {"type":"response.output_text.done","text":"a\xc3\xa9 errorbc"}\n\n'
    b": ping\n\n"
    b'event: response.output_item.done\ndata: {"type":"response.output_item.done","item":{"id":"i"}}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_1","status":"completed",'
    b'"service_tier":"flex","usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":4,'
    b'"cache_write_tokens":6},"output_tokens":8,"output_tokens_details":{"reasoning_tokens":5},'
    b'"total_tokens":28}}}\n\n',
    Usage(input_tokens=10, output_tokens=8, cache_read_tokens=4, cache_write_tokens=6, reasoning_tokens=5, tier="flex"),
    "completed",
    saw_done=False,
)
RESPONSES_ERROR = Stream(
    "responses that fail",
    b'data: {"type":"response.output_text.delta","delta":"a"}\n\n'
    b'data: {"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"No money",'
    b'"param":null},"sequence_number":2}\n\n'
    b'data: {"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"insufficient_quota",'
    b'"message":"No money left"}}}\n\n',
    None,
    "failed",
    saw_done=False,
    error="No money left",
)
COMPLETIONS = Stream(
    "text completions",
    b'data: {"id":"cmpl","object":"text_completion","choices":[{"text":"a","index":0,"finish_reason":null}]}\n\n'
    b'data: {"id":"cmpl","choices":[{"text":"","index":0,"finish_reason":"stop"}]}\n\n' + USAGE + DONE,
    NINE_THREE,
    "stop",
    dropped=USAGE,
)
CUT = Stream(
    "cut before its end",
    ROLE + chunk(text("a")) + chunk(text("b")),
    None,
    None,
    saw_done=False,
    is_complete=False,
)
EMPTY = Stream("no content at all", ROLE + STOP + USAGE + DONE, NINE_THREE, "stop", dropped=USAGE, saw_content=False)
MIXED = Stream(
    "line ends of every kind",
    b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\r\n\r'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\r\n'
    b"data:[DONE]\r\n\n",
    NINE_THREE,
    None,
    dropped=b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\r\n',
)

ALL = [
    OPENAI, SPACED, WIDE, AZURE, CRLF, CR, MANTLE, XAI_STREAM, DEEPSEEK, GROQ, GROQ_ERROR, MISTRAL, TOGETHER,
    OPENROUTER_STREAM, OPENROUTER_ERROR, FINISH_ERROR, GEMINI, GEMINI_ERROR, PERPLEXITY_STREAM, MOONSHOT,
    MINIMAX_ERROR, RESPONSES, RESPONSES_ERROR, COMPLETIONS, CUT, EMPTY, MIXED,
]  # fmt: skip
