"""The real process, as an operator has it: started by its command line, known by its port, its logs and its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Self, TypeVar

import httpx2
import orjson
import yaml

T = TypeVar("T")

PATIENCE_S = 20.0
"""A fact a test waits for comes long before this, or never."""
POLL_S = 0.01
LISTENING = re.compile(r"listening on (http://\S+?):(\d+): ")
KEY_VARIABLES = re.compile(r"_(API_KEY|TOKEN|BASE_URL|API_BASE|HOST)$")


class Gateway:
    """`python -m proxy serve --config FILE`. Its standard output is read as facts, its standard error as lines."""

    def __init__(self, file: Path, document: Mapping[str, Any], *options: str, **environ: str) -> None:
        self.file = file
        self.document: dict[str, Any] = dict(document)
        """What it is started with."""
        self._served = self.document
        self.said: list[str] = []
        """Lines of standard error."""
        self.facts: list[dict[str, Any]] = []
        """Access log lines, decoded."""
        self.raw_facts: list[bytes] = []
        self.port = 0
        self._options = options
        self._environ = environ
        self._news = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._readers: list[threading.Thread] = []
        self._generation = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        """Run it until it says where it listens."""
        self._write(self.document)
        inherited = {name: value for name, value in os.environ.items() if not KEY_VARIABLES.search(name)}
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "proxy", "serve", *self._source(), "--listen", "127.0.0.1:0", *self._options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=inherited | self._environ,
        )
        for stream, take in ((self._process.stdout, self._take_fact), (self._process.stderr, self._take_line)):
            reader = threading.Thread(target=self._read, args=(stream, take), daemon=True)
            reader.start()
            self._readers.append(reader)
        try:
            found = self.wait_for(lambda: next(filter(None, map(LISTENING.search, self.said)), None), "its address")
        except AssertionError:
            self.process.kill()
            self._reap()
            raise
        self.port = int(found[2])
        return self

    def _source(self) -> tuple[str, ...]:
        return ("--config", str(self.file))

    def stop(self) -> int:
        """SIGTERM, and the exit code. Fails if the process logged a traceback."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end, give the exit code. Fails if the process logged a traceback."""
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            code = self._reap()
        self.check_unharmed()
        return code

    def _reap(self) -> int:
        """The exit code, once everything it wrote is read."""
        for reader in self._readers:
            reader.join(PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return self.process.wait(PATIENCE_S)

    def check_unharmed(self, since: int = 0) -> None:
        """No traceback in the lines from number `since`."""
        complaints = [line for line in self.said[since:] if "Traceback" in line or "failed inside the gateway" in line]
        assert not complaints, "\n".join(self.said[since:])

    def use(self, **changes: Any) -> None:
        """Serve another document: `providers` and `routes` are added to what is served, other sections replace it.

        Returns when the new one is in force.
        """
        document = dict(self._served)
        for section, value in changes.items():
            document[section] = {**document.get(section, {}), **value} if section in {"providers", "routes"} else value
        self.replace(document)

    def replace(self, document: Mapping[str, Any]) -> None:
        """Serve `document` and nothing else. Returns when it is in force."""
        self._served = dict(document)
        self._generation += 1
        mark = f"generation-{self._generation}"
        routes = {**document["routes"], mark: {"deployments": [{"provider": next(iter(document["providers"]))}]}}
        self._write({**document, "routes": routes})
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.get(f"/v1/models/{mark}").status_code == httpx2.codes.OK, f"the route `{mark}`")

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return httpx2.get(self.url + path, headers={**self.auth(), **headers}, timeout=PATIENCE_S)

    def post(self, path: str, document: object, **headers: str) -> httpx2.Response:
        return httpx2.post(self.url + path, json=document, headers={**self.auth(), **headers}, timeout=PATIENCE_S)

    def auth(self) -> dict[str, str]:
        """The first key of the document, if it has any."""
        keys = self.document.get("auth", {}).get("keys", [])
        return {"Authorization": f"Bearer {keys[0]['key']}"} if keys else {}

    def metrics(self) -> dict[str, float]:
        """Series with their values."""
        lines = [line for line in self.get("/metrics").text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all series of that name that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for series, value in self.metrics().items()
            if series.partition("{")[0] == name and all(each in series for each in wanted)
        )

    def fact(self, request_id: str) -> dict[str, Any]:
        """The access log's line on a request, once it is written."""

        def found() -> dict[str, Any] | None:
            return next((fact for fact in self.facts if fact["request_id"] == request_id), None)

        return self.wait_for(found, f"the access log line of `{request_id}`")

    def line(self, text: str, since: int = 0) -> str:
        """The line of standard error that has `text`, once it is written."""
        return self.wait_for(lambda: next((line for line in self.said[since:] if text in line), None), repr(text))

    def wait_for(self, fact: Callable[[], T | None], called: str) -> T:
        """Poll until `fact` is truthy."""
        until_s = time.monotonic() + PATIENCE_S
        while not (value := fact()):
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > until_s:
                raise AssertionError(f"{called} did not come; the gateway said:\n" + "\n".join(self.said))
            with self._news:
                self._news.wait(POLL_S)
        return value

    def _write(self, document: Mapping[str, Any]) -> None:
        draft = self.file.with_suffix(".draft")
        draft.write_text(yaml.safe_dump(dict(document), sort_keys=False))
        draft.replace(self.file)

    def _read(self, stream: IO[bytes], take: Callable[[bytes], None]) -> None:
        for line in stream:
            take(line)
            with self._news:
                self._news.notify_all()

    def _take_fact(self, line: bytes) -> None:
        self.raw_facts.append(line)
        self.facts.append(orjson.loads(line))

    def _take_line(self, line: bytes) -> None:
        self.said.append(line.decode().rstrip("\n"))
