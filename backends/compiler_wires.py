"""Which qubits and bits every instruction of a circuit acts on, read without making Python objects of them.

Qiskit's C interface shows the instructions in place. Where an installation has none, or one that reads otherwise
than Python does, the same list is made in Python, a few times slower.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, njit, types
from numba.core.extending import intrinsic
from qiskit import QuantumCircuit

Integers = npt.NDArray[np.int64]
_WORD = ir.IntType(64)


@intrinsic
def _view(typing_context, function, circuit, index, out):  # type: ignore[no-untyped-def]
    """Call the C function at address ``function``; all arguments are integers."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.VoidType(), [_WORD, _WORD, _WORD])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), list(args[1:]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def _load(typing_context, address):  # type: ignore[no-untyped-def]
    """Read the unsigned 32-bit integer at an address."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.zext(builder.load(builder.inttoptr(args[0], ir.IntType(32).as_pointer())), _WORD)

    return types.int64(types.int64), codegen


# to type checkers an intrinsic has one argument more than its callers give
_call_view: Callable[..., Any] = _view
_load_word: Callable[..., Any] = _load


@njit(cache=True)
def _read(function: int, circuit: int, count: int, fields: Integers, out: Integers) -> int:
    """Write for each instruction the numbers of its qubits and bits, then their indices; return the length.

    ``fields`` are the offsets of qubits, clbits and their numbers in the view. Nothing is written past the end of
    ``out``, and -1 is returned as soon as an entry differs from what ``out`` holds, unless that is negative.
    """
    view = np.zeros(16, dtype=np.int64)
    address = np.int64(view.ctypes.data)
    n = 0
    for k in range(count):
        _call_view(function, circuit, k, address)
        for part in range(2):
            length = _load_word(address + fields[2 + part])
            start = view[fields[part] // 8]
            for j in range(-1, length):
                entry = length if j < 0 else _load_word(start + 4 * j)
                if n < out.shape[0]:
                    if out[n] < 0:
                        out[n] = entry
                    elif out[n] != entry:
                        return -1
                n += 1
    return n


class Wires:
    """The qubits and bits of a circuit's instructions, in order, remembered."""

    __slots__ = ("_found",)

    def __init__(self, circuit: QuantumCircuit) -> None:
        interface = _interface()
        self._found: Integers | list[object]
        if interface is None:
            self._found = _listed(circuit)
            return
        size = 5 * len(circuit._data) + 8
        while True:
            found = np.full(size, -1, dtype=np.int64)
            size = interface.read(circuit, found)
            if size <= len(found):
                self._found = found[:size].copy()
                return

    def same(self, circuit: QuantumCircuit) -> bool:
        """Return whether ``circuit`` has its instructions on the same qubits and bits."""
        if isinstance(self._found, list):
            return self._found == _listed(circuit)
        interface = _interface()
        return interface is not None and interface.read(circuit, self._found) == len(self._found)


def _listed(circuit: QuantumCircuit) -> list[object]:
    return [(item.qubits, item.clbits) for item in circuit._data[:]]  # one slice is quicker than iterating


class _Interface:
    """Qiskit's C interface, if this installation has one that shows instructions in place.

    Raises:
        AttributeError, ImportError: If it has none, or none that can be called.
    """

    def __init__(self) -> None:
        import ctypes

        import qiskit.capi

        if getattr(config, "DISABLE_JIT", 0):
            raise AttributeError("machine code")

        library, view = qiskit.capi.LIB, qiskit.capi.QkCircuitInstructionView
        address = ctypes.cast(library.qk_circuit_view_instruction, ctypes.c_void_p).value
        if address is None or ctypes.sizeof(view) > 128:
            raise AttributeError("qk_circuit_view_instruction")
        self._function: int = address
        prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)
        self._borrow = prototype(("qk_circuit_borrow_from_python", library))
        names = ("qubits", "clbits", "num_qubits", "num_clbits")
        self._fields = np.array([getattr(view, name).offset for name in names], dtype=np.int64)

    def read(self, circuit: QuantumCircuit, out: Integers) -> int:
        data = circuit._data
        found: int = _read(self._function, self._borrow(data), len(data), self._fields, out)
        return found


@cache
def _interface() -> _Interface | None:
    """Return the C interface once it has read a circuit as Python does."""
    trial = QuantumCircuit(4, 2)
    trial.cx(3, 1)
    trial.measure([0, 2], [1, 0])
    trial.barrier()
    expected = [2, 3, 1, 0, 1, 0, 1, 1, 1, 2, 1, 0, 4, 0, 1, 2, 3, 0]
    found = np.full(32, -1, dtype=np.int64)
    try:
        interface = _Interface()
        length = interface.read(trial, found)
    except (AttributeError, ImportError):
        return None
    return interface if found[: max(length, 0)].tolist() == expected else None
