"""Quantum algorithms for noisy hardware: fidelity-map scheduling, excited states, linear systems, Max-3-Cut."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# A checkout without symbolic links (core.symlinks=false) still finds qalgs.circuits and qalgs.backends.
if not (Path(__file__).parent / "circuits").is_dir():
    __path__.append(str(Path(__file__).resolve().parent.parent))

try:
    __version__ = version("qalgs")
except PackageNotFoundError:
    __version__ = "0+unknown"

__all__ = ["__version__"]
