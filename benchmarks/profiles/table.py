"""All profiles, in the order in which they run and are told. Some go by figures of those before them."""

from __future__ import annotations

from benchmarks.profiles import searches, single, streams, whole

PROFILES = (*single.PROFILES, *whole.PROFILES, *streams.PROFILES, *searches.PROFILES)
