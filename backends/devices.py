"""Devices by name: the fake backends that ship with the IBM Runtime client, IBM's own devices, any BackendV2."""

from __future__ import annotations

import difflib
import importlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from qalgs.errors import InvalidInputError, invalid

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

_NAME = re.compile(r"""^\s*backend_name\s*=\s*["']([\w-]+)["']""", re.MULTILINE)
_CLASS = re.compile(r"^class\s+(\w+)\s*\(", re.MULTILINE)


@cache
def _catalogue() -> dict[str, tuple[str, str]]:
    """Map each fake's name to (module, class), from the files alone: nothing of the provider is imported."""
    spec = find_spec("qiskit_ibm_runtime")
    if spec is None or not spec.submodule_search_locations:
        return {}
    found = {}
    root = Path(spec.submodule_search_locations[0]) / "fake_provider" / "backends"
    for path in sorted(root.glob("*/fake_*.py")):
        text = path.read_text(encoding="utf-8")
        name, kind = _NAME.search(text), _CLASS.search(text)
        if name and kind:
            module = f"qiskit_ibm_runtime.fake_provider.backends.{path.parent.name}"
            found[name.group(1)] = (module, kind.group(1))
    return found


def fake_names() -> tuple[str, ...]:
    """Return the names of all fake backends, sorted; no backend is loaded.

    Example:
        >>> "fake_brisbane" in fake_names()
        True
    """
    return tuple(sorted(_catalogue()))


def load_backend(device: str | BackendV2) -> BackendV2:
    """Return the backend called ``device``.

    Args:
        device: ``"fake_brisbane"`` and the like (a snapshot of a real device, offline), ``"ibm_..."`` (a device of
            the account that ``QiskitRuntimeService`` has saved), or a BackendV2, which is returned as it is.

    Returns:
        The backend.

    Raises:
        InvalidInputError: If there is no such fake, or the saved account cannot reach the device.
        TypeError: If ``device`` is neither a name nor a BackendV2.

    >>> load_backend("fake_manila").num_qubits
    5
    """
    if not isinstance(device, str):
        if not hasattr(device, "target"):
            raise TypeError(f"device must be a name or a BackendV2, got {type(device).__name__}")
        return device
    name = device.strip().lower()
    if name.startswith("ibm_"):
        return _from_service(name)
    if name in _catalogue():
        module, kind = _catalogue()[name]
        return getattr(importlib.import_module(module), kind)()
    raise invalid("device", device, "must be a known backend", _suggestion(name))


def _suggestion(name: str) -> str:
    plain = {known.removeprefix("fake_"): known for known in _catalogue()}
    close = difflib.get_close_matches(name.removeprefix("fake_"), plain, n=3, cutoff=0.7)
    if close:
        return "did you mean " + " or ".join(plain[c] for c in close) + "?"
    return "run 'qalgs devices' for the list"


def _from_service(name: str) -> BackendV2:
    from qiskit_ibm_runtime import QiskitRuntimeService

    try:
        return QiskitRuntimeService().backend(name)
    except Exception as error:
        # The client raises many kinds of error (account, network, authorisation); users need its first line.
        lines = str(error).strip().splitlines()
        reason = lines[0].strip("'\" ").rstrip(".") if lines else type(error).__name__
        raise InvalidInputError(
            f"device {name!r} cannot be opened: {reason}; save an account with QiskitRuntimeService.save_account "
            f"or use a fake such as {_nearest_fake(name)!r}"
        ) from error


def _nearest_fake(name: str) -> str:
    fake = "fake_" + name.removeprefix("ibm_")
    return fake if fake in _catalogue() else "fake_brisbane"
