"""JSON content, hashed and compared: what names a campaign and tells two of them apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no spaces, the form under which content is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def content_hash(value: object) -> str:
    """Return the SHA-256 of :func:`canonical` JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def differences(old: object, new: object, path: str = "") -> list[str]:
    """Return the keys at which two JSON values differ, as dotted paths."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            found
            for key in sorted({*old, *new}, key=str)
            for found in differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            d for i, (a, b) in enumerate(zip(old, new, strict=True)) for d in differences(a, b, f"{path}[{i}]")
        ]
    return [] if old == new else [path or "content"]
