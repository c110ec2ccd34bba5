"""Low-rank Max-3-Cut enumeration, refinement, bounds and the quantum bridge."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
