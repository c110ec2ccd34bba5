"""Circuits, ansätze and Hamiltonians: plain Qiskit objects that nothing here executes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
