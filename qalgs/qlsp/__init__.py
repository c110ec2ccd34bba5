"""Quantum linear systems: inner solvers and the proximal-point meta-solver."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
