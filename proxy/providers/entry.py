"""From an entry of `providers` to its row of the table, its address and its credential. Refusals name a way out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.config import CLIENT_KEY as CLIENT_KEY_WORD
from proxy.dialects.names import DialectName
from proxy.dialects.request import Operation
from proxy.providers.address import usual_address
from proxy.providers.credential import CLIENT_KEY, NO_KEY, Credential, KeyMode
from proxy.providers.environment import has_evidence, usual_key
from proxy.providers.profile import NO_AUTH, Cloud, Profile
from proxy.providers.sources import aws_source, entra_source, google_source
from proxy.providers.table import GENERIC, lookup, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.config import ProviderConfig
    from proxy.providers.sources import AwsKeys, RefreshedSource

API_VERSION = "{api_version}"
_RESPONSES = frozenset({Operation.RESPONSES})
_WITHOUT_FETCHING = frozenset({DialectName.BEDROCK, DialectName.OLLAMA})
"""Whose servers take images and documents only within the request."""
_PLACES = ("region", "project", "location", "resource")
"""Settings that fill the placeholders of an address."""


def profile_of(name: str, config: ProviderConfig) -> Profile:
    """The row whose quirks apply, as the entry changes it; a `dialect` that is written out is the only one.

    Raises `ValueError`.
    """
    profile = _versioned(_row(name, config), config)
    if config.dialect is None:
        return profile
    dialect = DialectName(config.dialect)
    paths = profile.paths if dialect is profile.dialect else profile.also.get(dialect)
    operations = profile.operations if dialect is DialectName.OPENAI_RESPONSES else profile.operations - _RESPONSES
    quirks = profile.quirks
    if config.profile is None and dialect in _WITHOUT_FETCHING:
        quirks = replace(quirks, fetches_urls=False)
    return replace(profile, dialect=dialect, paths=paths, also={}, operations=operations, quirks=quirks)


def _row(name: str, config: ProviderConfig) -> Profile:
    wanted = config.profile or name
    profile = lookup(wanted)
    if profile is not None:
        return profile
    nearest = suggest(wanted)
    hint = f"; did you mean `{nearest}`?" if nearest else "."
    if config.profile is not None:
        raise ValueError(f"no such row in the provider table as `profile: {config.profile}`{hint}")
    if config.base_url is None:
        raise ValueError(f"no such row in the provider table{hint} Give `base_url` for one of your own.")
    generic = lookup(GENERIC)
    assert generic is not None  # noqa: S101 - the table has it, or nothing works
    return generic


def _versioned(profile: Profile, config: ProviderConfig) -> Profile:
    """The row for the API version that is asked for."""
    if config.api_version is not None and profile.versioned is not None:
        if config.base_url is not None and config.base_url.rstrip("/").endswith("/v1"):
            raise ValueError("`api_version` belongs to addresses that end in `/openai`; those in `/v1` take none.")
        profile = lookup(profile.versioned) or profile
    has_version = profile.paths is not None and API_VERSION in profile.paths.whole
    if has_version and profile.paths is not None:
        if config.api_version is None:
            raise ValueError("it needs `api_version`, e.g. `api_version: 2024-10-21`.")
        whole = profile.paths.whole.replace(API_VERSION, config.api_version)
        return replace(profile, paths=profile.paths._replace(whole=whole))
    if config.api_version is not None:
        raise ValueError(f"`{profile.name}` has no API versions: leave `api_version` out.")
    return profile


def address_of(profile: Profile, config: ProviderConfig, environ: Mapping[str, str]) -> str:
    """The base URL of the entry, or the row's usual one. Raises `ValueError` when it is not known."""
    given = {place: value for place in _PLACES if (value := getattr(config, place)) is not None}
    # a signature names a region, whatever the address
    known = {*profile.placeholders, *(("region",) if profile.cloud is Cloud.AWS else ())}
    unknown = [place for place in given if place not in known]
    if unknown:
        raise ValueError(f"`{profile.name}` has no `{unknown[0]}` in its address: leave it out.")
    if config.base_url is not None:
        return config.base_url
    if (address := usual_address(profile, environ, given)) is not None:
        return address
    variables = [*profile.address_variables, *(v for names in profile.placeholders.values() for v in names)]
    settings = "".join(f", or `{place}`" for place in profile.placeholders if place not in given)
    ways = "".join(f", or set `{variable}`" for variable in variables)
    raise ValueError(f"its address is not known: give `base_url`{settings}{ways}.")


def credential_of(profile: Profile, config: ProviderConfig, environ: Mapping[str, str]) -> Credential:
    """Whose key goes upstream. A usual key only goes to a usual address. Raises `ValueError`."""
    if config.credentials is not None:
        if config.api_key is not None:
            raise ValueError("`api_key` and `credentials` are two ways: keep one.")
        return Credential(KeyMode.OWN, source=_source(profile, config, environ))
    if config.api_key is not None:
        secret = config.api_key.get_secret_value()
        if profile.auth == NO_AUTH:
            raise ValueError(f"`{profile.name}` takes no `api_key`.")
        return CLIENT_KEY if secret == CLIENT_KEY_WORD else Credential(KeyMode.OWN, secret)
    if profile.auth == NO_AUTH or config.base_url is not None:
        return NO_KEY
    usual = usual_key(profile, environ)
    if usual is not None:
        return Credential(KeyMode.OWN, usual)
    if profile.cloud is not None and (profile.cloud is not Cloud.ENTRA or has_evidence(profile.cloud, environ)):
        # a machine's own identity leaves no trace in the environment: Google's and AWS's tools look for it unasked
        return Credential(KeyMode.OWN, source=_source(profile, config, environ))
    if profile.self_hosted:
        return NO_KEY
    variables = " or ".join(f"`{variable}`" for variable in profile.key_variables)
    cloud = f", or `credentials: {{{profile.cloud}: ...}}`" if profile.cloud is not None else ""
    raise ValueError(f"it has no key: give `api_key`{cloud}, or set {variables}.")


def _source(profile: Profile, config: ProviderConfig, environ: Mapping[str, str]) -> AwsKeys | RefreshedSource:
    given = config.credentials
    if given is not None:
        kind = next(cloud for cloud in Cloud if getattr(given, cloud.value) is not None)
        if profile.cloud is None:
            raise ValueError(f"`{profile.name}` takes no `credentials`, but an `api_key`.")
        if kind is not profile.cloud:
            raise ValueError(f"`{profile.name}` takes `credentials` of kind `{profile.cloud}`, not `{kind}`.")
    if profile.cloud is Cloud.AWS:
        return aws_source(given.aws if given is not None else None, environ)
    if profile.cloud is Cloud.ENTRA:
        return entra_source(given.entra if given is not None else None, environ, profile.scope)
    return google_source(given.google if given is not None else None, environ, profile.scope)
