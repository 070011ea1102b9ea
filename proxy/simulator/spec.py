"""What a simulated provider is like, as settings. The same seed and the same requests give the same behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import yaml
from pydantic import Field, SecretStr, TypeAdapter, ValidationError

from proxy.config import ModelName, Name, PriceConfig, Section

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_MODEL = "simulated-model"
"""What a provider that answers to any name lists."""

Share = Annotated[float, Field(ge=0, le=1)]


class SimulatedProvider(Section):
    """One provider. Every fault is off unless asked for."""

    name: Name = "simulated"
    models: tuple[ModelName, ...] = Field((), description="Served models; empty: any name is answered.")
    seed: int = Field(0, description="Of texts, jitter and faults. Equal seeds give equal texts.")
    api_key: SecretStr | None = Field(None, description="Refuse every other bearer key; any or none when absent.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(0, description="0: a free one.")

    ttft_s: Annotated[float, Field(ge=0, le=600)] = Field(0.2, description="Mean time to the first token.")
    tokens_per_second: Annotated[float, Field(gt=0)] | None = Field(60.0, description="`null`: as fast as it goes.")
    jitter: Share = Field(0.1, description="Both delays vary evenly by up to this share.")
    words: Annotated[int, Field(ge=1, le=10_000)] = Field(60, description="Mean length of a text; a word is a token.")

    error_rate: Share = Field(0.0, description="Requests that fail with 500.")
    break_rate: Share = Field(0.0, description="Streams cut off in the middle.")
    fail_first: Annotated[int, Field(ge=0)] = Field(0, description="The first so many requests fail with 503.")

    price: PriceConfig | None = Field(None, description="Told by `GET /v1/models`; the simulator itself bills nobody.")
    flex: bool = Field(default=False, description="Sells `service_tier: flex`; others answer such requests as default.")
    flex_unavailable: Share = Field(0.0, description="Flex requests refused with 429 `Resource Unavailable`.")
    rpm: Annotated[int, Field(gt=0)] | None = Field(None, description="Requests a minute, then 429.")
    context_window: Annotated[int, Field(gt=0)] | None = Field(None, description="Longer prompts are refused.")
    max_output_tokens: Annotated[int, Field(gt=0)] = 4096

    def listed_models(self) -> tuple[str, ...]:
        """What `GET /v1/models` names."""
        return self.models or (DEFAULT_MODEL,)

    def serves(self, model: str) -> bool:
        """Whether requests for `model` are answered."""
        return not self.models or model in self.models


_LIST = TypeAdapter(tuple[SimulatedProvider, ...])


def load_file(path: Path) -> tuple[SimulatedProvider, ...]:
    """Read a YAML or JSON list of providers.

    Raises `ValueError` with every problem and its place, `OSError` if the file cannot be read.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"`{path}` is neither YAML nor JSON: {error}") from error
    if not isinstance(document, list) or not document:
        raise ValueError(
            f"`{path}` must hold a list with at least one provider, such as `[{{name: fast, ttft_s: 0.1}}]`"
        )
    try:
        providers = _LIST.validate_python(document)
    except ValidationError as error:
        problems = (f"  {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False))
        raise ValueError("\n".join([f"`{path}` does not describe providers:", *problems])) from error
    names = [provider.name for provider in providers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"`{path}` names `{'`, `'.join(twice)}` more than once: names must differ")
    return providers
