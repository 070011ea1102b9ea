"""The `providers` of a converted file: one entry for each account that some deployment of the original used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from proxy.cli.importing.origins import Named, Origin
from proxy.cli.importing.values import mapping, plain, reference, text
from proxy.dialects.failure_reading import redact
from proxy.providers.table import GENERIC, ROWS, lookup

if TYPE_CHECKING:
    from proxy.cli.importing.notes import Notes

NO_KEYS = frozenset({"none", "null", "empty", "dummy", "fake", "fake-key", "not-needed", "no-key", "na", "anything"})
"""What people write where no key is needed."""
_SECRET_PARTS = ("auth", "key", "token", "secret", "password", "cookie")
_V1_VERSIONS = frozenset({"v1", "preview", "latest"})
_AZURE_TOKENS = ("tenant_id", "client_id", "client_secret")
_ELSEWHERE = ("aws_role_name", "aws_web_identity_token", "azure_ad_token", "azure_username", "litellm_credential_name")
"""Ways to a credential that ours has no setting for."""


class Accounts:
    """Entries of `providers`, each with a name of its own; equal ones are one."""

    def __init__(self, notes: Notes, taken: frozenset[str]) -> None:
        """`taken`: environment variables the original refers to."""
        self.entries: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, str] = {}
        """Variable that stands for a secret of the original -> where that stood."""
        self._notes = notes
        self._taken = taken
        self._literals: dict[str, str] = {}
        """A key as it stood in the original -> the variable that stands for it now. Never written anywhere."""

    def entry(self, wanted: Named, params: dict[str, Any], place: str, *, called: str | None = None) -> str | None:
        """The name of the account these `litellm_params` use, new or known; `called`: as it has to be named.

        `None` where there is no address to be had; a note says so.
        """
        try:
            base_url, row = self._address(wanted, params, place), wanted.origin.row
        except ValueError as error:
            self._notes.add(place, f"left out: its `api_base` is no URL ({error})")
            return None
        if wanted.prefix == "openai" and base_url is not None:
            row = _row_at(base_url)
        if row is None and base_url is None:
            self._notes.add(place, "left out: it names no `api_base`, and none is known")
            return None
        known = lookup(row) if row is not None else None
        entry: dict[str, Any] = {}
        if base_url is not None and (known is None or known.base_url != base_url):
            entry["base_url"] = base_url
        self._place_in_cloud(entry, row, params)
        usual = wanted.origin.key_variable
        if row != wanted.origin.row:
            usual = known.key_variables[0] if known is not None else None
        self._credential(entry, wanted._replace(origin=Origin(row, usual)), params, place)
        if headers := self._headers(params, place):
            entry["headers"] = headers
        return self._named(row, called or row or _dashed(wanted.prefix), entry)

    def _named(self, row: str | None, base: str, entry: dict[str, Any]) -> str | None:
        for name in _names(base):
            found = lookup(name)
            is_row = name == row if found is None else found.name == row
            made = entry if is_row or (row is None and found is None) else {"profile": row or GENERIC, **entry}
            held = self.entries.setdefault(name, made)
            if held == made:
                return name
        return None

    def _address(self, wanted: Named, params: dict[str, Any], place: str) -> str | None:
        """What our `base_url` must be for their `api_base`. Raises `ValueError` for what is no URL."""
        given = plain(params.get("api_base") or params.get("base_url") or params.get("aws_bedrock_runtime_endpoint"))
        if given is None:
            return wanted.origin.base_url
        base, row = self._without_secrets(given, place).rstrip("/"), wanted.origin.row
        for tail in ("/chat/completions", "/v1/messages", "/openai/deployments"):
            base = base.partition(tail)[0]
        if row == "azure":
            host = base.partition("/openai")[0].removesuffix("/models")
            return f"{host}/openai" if _classic(params) else f"{host}/openai/v1"
        if row in ("anthropic", "cohere"):
            return base.removesuffix("/v1").removesuffix("/v2")
        suffix = (known.address_suffix if (known := lookup(row)) is not None else "") if row is not None else ""
        return base if not suffix or base.endswith(suffix) else base + suffix

    def _without_secrets(self, url: str, place: str) -> str:
        """`url` without what may hold a key. Raises `ValueError` for what is no URL."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        if host != parts.netloc or parts.query or parts.fragment:
            self._notes.add(
                place, "a user name, a query or a fragment of `api_base` is not copied: send it as a header"
            )
        return urlunsplit((parts.scheme, host, parts.path, "", ""))

    def _place_in_cloud(self, entry: dict[str, Any], row: str | None, params: dict[str, Any]) -> None:
        fields: dict[str, Any] = {}
        if row == "azure" and _classic(params):
            fields["api_version"] = plain(params.get("api_version"))
        if row == "bedrock":
            fields["region"] = plain(params.get("aws_region_name") or params.get("region_name"))
        if row in ("vertex", "vertex-anthropic"):
            fields["project"] = plain(params.get("vertex_project"))
            fields["location"] = plain(params.get("vertex_location"))
        entry.update({name: value for name, value in fields.items() if value is not None})

    def _credential(self, entry: dict[str, Any], wanted: Named, params: dict[str, Any], place: str) -> None:
        for name in _ELSEWHERE:
            if params.get(name) is not None:
                self._notes.add(place, f"`{name}` has no counterpart; see the README for the credentials there are")
        row, key, usual = wanted.origin.row, params.get("api_key"), wanted.origin.key_variable
        if row in ("vertex", "vertex-anthropic"):
            entry["credentials"] = {"google": self._google(params, place)}
        elif row == "bedrock" and key is None:
            entry["credentials"] = {"aws": self._aws(params, place)}
        elif row == "azure" and any(params.get(name) for name in _AZURE_TOKENS):
            entra = {
                name: self._secret(params[name], f"ENTRA_{name.upper()}", place)
                for name in _AZURE_TOKENS
                if params.get(name)
            }
            entry["credentials"] = {"entra": entra}
        elif isinstance(key, str) and key.strip() and key.strip().lower() not in NO_KEYS:
            entry["api_key"] = self._secret(key, usual or _variable(_dashed(wanted.prefix)), place)
        elif key is None and row is None and wanted.prefix == "openai":
            self._notes.add(place, "names no key for its own address: LiteLLM sends OpenAI's there, this gateway none")
        elif key is None and usual is not None:
            entry["api_key"] = f"${{{usual}}}"

    def _google(self, params: dict[str, Any], place: str) -> dict[str, Any]:
        given = params.get("vertex_credentials")
        if given is None:
            return {}
        path = plain(given)
        if path is not None and not path.startswith("{"):
            return {"file": path}
        self._notes.add(place, "`vertex_credentials` holds a key itself, which is not copied: write it to a file")
        return {}

    def _aws(self, params: dict[str, Any], place: str) -> dict[str, Any]:
        fields = ("access_key_id", "secret_access_key", "session_token")
        found = {
            name: self._secret(params[f"aws_{name}"], f"BEDROCK_{name.upper()}", place)
            for name in fields
            if params.get(f"aws_{name}")
        }
        profile = plain(params.get("aws_profile_name"))
        return found | ({"profile": profile} if profile is not None and not found else {})

    def _headers(self, params: dict[str, Any], place: str) -> dict[str, str]:
        found = {"OpenAI-Organization": plain(params.get("organization"))}
        for name, value in mapping(params.get("extra_headers") or params.get("headers")).items():
            if reference(value) is None and _is_secret(name, value):
                found[name] = self._secret(str(value), _variable(name, "HEADER"), place)
            else:
                found[name] = plain(value)
        return {name: value for name, value in found.items() if value is not None}

    def _secret(self, value: Any, usual: str, place: str) -> str:
        """A reference to what `value` says; a secret that stood in the file gets a variable of its own."""
        if (found := reference(value)) is not None:
            return found
        variable = self._literals.get(str(value))
        if variable is None:
            free = (name for name in _names(usual, "_") if name not in self._taken and name not in self.variables)
            variable = next(free, usual)
            self._literals[str(value)] = variable
            self.variables[variable] = place
        self._notes.add(place, f"the secret that stands here is not copied: export it as `{variable}`")
        return f"${{{variable}}}"


def _is_secret(name: str, value: Any) -> bool:
    """Whether a header is one, by its name or by how it looks."""
    return any(part in name.lower() for part in _SECRET_PARTS) or redact(str(value)) != str(value)


def _names(base: str, joint: str = "-") -> Iterator[str]:
    """`openai`, `openai-2`, `openai-3` and so on, as many as a file of the largest size could use."""
    yield base
    for place in range(2, 100_000):
        yield f"{base}{joint}{place}"


def _dashed(prefix: str) -> str:
    return "openai-compatible" if prefix in ("openai", "openai_like", "custom_openai") else prefix.replace("_", "-")


def _variable(prefix: str, kind: str = "API_KEY") -> str:
    letters = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in prefix)
    return f"{letters.upper()}_{kind}"


def _classic(params: dict[str, Any]) -> bool:
    """Whether Azure is called by deployment and API version."""
    version = text(params.get("api_version"))
    return version is not None and version.lower() not in _V1_VERSIONS


def _row_at(base_url: str) -> str | None:
    """The row whose usual address this is."""
    host = urlsplit(base_url).hostname
    hosted = (row for row in ROWS if row.base_url is not None and not row.self_hosted)
    return next((row.name for row in hosted if host and urlsplit(row.base_url).hostname == host), None)
