"""Import of a parametrised circuit from OpenQASM 3."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from qiskit import QuantumCircuit

from qalgs.errors import InvalidInputError, expect


def read_qasm3(source: str | os.PathLike[str]) -> QuantumCircuit:
    """Read an OpenQASM 3 program from a file or from its text.

    Free parameters are ``input float`` or ``input angle`` declarations; final measurements are removed, so that
    the circuit can serve as an ansatz.

    Args:
        source: A path (anything with a ``.qasm``/``.qasm3`` ending or an existing file), or the program itself,
            recognised by a line break, a semicolon or ``OPENQASM``.

    Returns:
        The circuit.

    Raises:
        InvalidInputError: If the file cannot be read, or the program cannot be parsed (with line and column), or
            it measures or resets in the middle, or has no qubit.

    Example:
        >>> circuit = read_qasm3('OPENQASM 3.0; include "stdgates.inc"; input float a; qubit q; ry(a) q;')
        >>> circuit.num_qubits, [p.name for p in circuit.parameters]
        (1, ['a'])
    """
    expect(str, os.PathLike, source=source)
    name, text = _text(source)
    from qiskit import qasm3

    # The parser writes line and column to stderr and raises an empty error.
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            circuit = qasm3.loads(text)
    except Exception as error:
        # The importer raises parser, converter and lookup errors of several unrelated packages.
        reason = " ".join(f"{error} {complaints.getvalue()}".split()).strip("' \"") or type(error).__name__
        raise InvalidInputError(f"{name} is not OpenQASM 3 that can be imported: {reason}") from error
    circuit.remove_final_measurements()
    if circuit.num_qubits == 0:
        raise InvalidInputError(f"{name} declares no qubit; add a line such as 'qubit[2] q;'")
    for item in circuit.data:
        if item.operation.name in {"measure", "reset", "if_else", "while_loop", "for_loop", "switch_case"}:
            raise InvalidInputError(
                f"{name} must be unitary to serve as an ansatz, but contains {item.operation.name!r}; remove it"
            )
    return circuit


def _text(source: str | os.PathLike[str]) -> tuple[str, str]:
    """Return a name for messages, and the program."""
    if isinstance(source, str) and any(mark in source for mark in ("\n", ";", "OPENQASM")):
        return "the OpenQASM 3 text", source
    path = Path(source)
    name = str(path) if str(path).isprintable() else repr(str(path))
    try:
        return name, path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        unreadable = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        reason = error.strerror if isinstance(error, OSError) else unreadable
        raise InvalidInputError(f"cannot read {name}: {reason}; give the path of an OpenQASM 3 file") from error
