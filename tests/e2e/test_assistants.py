"""Coding assistants at work through the gateway, each with a provider whose format it does not know.

Their packages are large (npm unpacks 640 MB), so these tests run only where `E2E_ASSISTANTS=1` is set:
`E2E_ASSISTANTS=1 pytest -m clients tests/e2e/test_assistants.py`. The first run installs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.given import require
from e2e.installing import installed
from e2e.matrix.stage import Stage
from fakes.providers.agents import AGENTS, REPORT, USE_A_TOOL
from fakes.providers.scenes import TEXT, Ask

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(os.environ.get("E2E_ASSISTANTS") != "1", reason="E2E_ASSISTANTS=1 is not set"),
]

RUN_S = 60
PROMPTS = pytest.mark.parametrize(
    ("prompt", "answer"), [(str(Ask.PLAIN), TEXT), (USE_A_TOOL, "".join(REPORT))], ids=["text", "tool"]
)


@pytest.fixture(scope="module")
def programs(pytestconfig: pytest.Config) -> Path:
    npm = require(shutil.which("npm"), "npm")
    source = Path(__file__).parent / "assistants"
    folder = installed(pytestconfig, source, "package.json", [npm, "install", "--no-audit", "--no-fund"])
    return folder / "node_modules" / ".bin"


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("agents"), AGENTS) as stage:
        yield stage
        stage.gateway.check_unharmed()


def answer_of(command: list[str], home: Path, **environ: str) -> str:
    """What an assistant prints in the end. Fails with all it says."""
    work = home / "work"
    work.mkdir()
    done = subprocess.run(  # noqa: S603 - the assistants' own commands
        command,
        cwd=work,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=RUN_S,
        check=False,
    )
    said = done.stdout.decode()
    assert 0 == done.returncode, said + done.stderr.decode(errors="replace")[-3000:]
    return said.strip()


def claude(url: str, model: str, headers: str = "") -> dict[str, str]:
    """Claude Code's settings."""
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "any",
        "ANTHROPIC_CUSTOM_HEADERS": headers,
        "ANTHROPIC_MODEL": model,
        "ANTHROPIC_SMALL_FAST_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "IS_SANDBOX": "1",  # else it refuses to run tools as root, who is who runs containers
    }


@PROMPTS
@pytest.mark.parametrize("base", ["", "/anthropic"], ids=["v1", "anthropic"])
@pytest.mark.parametrize("model", ["openai_chat", "gemini", "bedrock_converse", "anthropic_messages-thinks"])
def test_claude_code(agents: Stage, programs: Path, tmp_path: Path, *, model: str, base: str, prompt: str, answer: str):
    """It asks for adaptive thinking, manages its context, marks its cache: a model that cannot do without."""
    command = [str(programs / "claude"), "-p", prompt, "--dangerously-skip-permissions"]
    assert answer == answer_of(command, tmp_path, **claude(agents.gateway.url + base, model))


@PROMPTS
def test_claude_code_with_thinking_that_nobody_does(
    agents: Stage, programs: Path, tmp_path: Path, prompt: str, answer: str
):
    """Of a model of this name it always wants a budget of thoughts; a header says that it can do without."""
    name = "claude-haiku-4-5"
    deployment = {"provider": "openai_chat", "model": agents.fakes["openai_chat"].models["plain"]}
    agents.gateway.use(routes={name: {"deployments": [deployment]}})
    command = [str(programs / "claude"), "-p", prompt, "--dangerously-skip-permissions"]
    assert answer == answer_of(command, tmp_path, **claude(agents.gateway.url, name, "x-pointsman-lenient: true"))


@PROMPTS
@pytest.mark.parametrize("model", ["openai_chat", "anthropic_messages", "gemini", "bedrock_converse"])
def test_codex(agents: Stage, programs: Path, tmp_path: Path, model: str, prompt: str, answer: str):
    """It offers a search that OpenAI would run, beside tools of its own: other models do without."""
    provider = f'{{name="gateway",base_url="{agents.gateway.url}/v1",wire_api="responses",env_key="GATEWAY_KEY"}}'
    said = answer_of(
        [
            *(str(programs / "codex"), "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
            *("-m", model, "-c", "model_provider=gateway", "-c", f"model_providers.gateway={provider}", prompt),
        ],
        tmp_path,
        GATEWAY_KEY="any",
    )
    assert answer == said
