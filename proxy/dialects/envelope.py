"""Recognises an event that differs from a sound one in nothing but its text, without parsing it again.

Most providers send the same JSON around each piece of text. To parse it costs 1 us while the parser is in the
processor's caches, and three on a busy gateway, where it seldom is; to compare costs a third of that.
"""

from __future__ import annotations

import re

MAX_LEARNED = 16
"""Times a stream's envelope may change (from reasoning to text, say) before it is no longer looked for.

OpenAI puts a random field into each event: there every event is another one.
"""

_TEXT = b'"content":"'
"""In sound JSON a key and the beginning of its value: inside a string its quotes would be escaped."""
_ESCAPED = re.compile(rb'(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*')
"""The inside of a JSON string. Source: RFC 8259, section 7."""
_NOTHING_YET = b"\n"
"""No line begins like this."""


class Envelope:
    """Of one stream."""

    __slots__ = ("_learned", "prefix", "suffix")

    def __init__(self) -> None:
        self.prefix = self.suffix = _NOTHING_YET
        """What is around the text of a line; another object when it changes."""
        self._learned = 0

    def text_of(self, line: bytes) -> bytes | None:
        """The text of `line`, an event of one line without its end, if that is all it has of its own: as JSON has it.

        `None` also for text that is not obviously sound.
        """
        prefix, suffix = self.prefix, self.suffix
        if not (line.startswith(prefix) and line.endswith(suffix)) or len(line) < len(prefix) + len(suffix):
            return None
        text = line[len(prefix) : -len(suffix)]
        if text.find(b"\\") >= 0:
            if _ESCAPED.fullmatch(text) is None:
                return None
        elif text.find(b'"') >= 0:
            return None
        try:
            return text if text.decode().isprintable() else None
        except UnicodeDecodeError:
            return None

    def learn(self, line: bytes) -> None:
        """Remember what is around the text of `line`, which has been parsed and found sound."""
        if self._learned >= MAX_LEARNED:
            self.prefix = _NOTHING_YET
            return
        start = line.find(_TEXT) + len(_TEXT)
        end = line.find(b'"', start)
        if start < len(_TEXT) or line.find(b"\\", start, end) >= 0:
            return
        self._learned += 1
        self.prefix, self.suffix = line[:start], line[end:]
