"""Damaged OpenQASM 3: imported as a unitary circuit with qubits, or refused in one line."""

from __future__ import annotations

from pathlib import Path

from fuzzing import Refused, budget, outcome, scrambled
from hypothesis import example, given
from hypothesis import strategies as st

from qalgs.circuits import read_qasm3

PROGRAM = """\
OPENQASM 3.0;
include "stdgates.inc";
input float theta;
input angle[16] phi;
qubit[3] q;
bit[3] c;
gate twist(a) x, y { cx x, y; rz(a / 2) y; }
ry(theta) q[0];
twist(2 * phi + pi) q[0], q[1];
ctrl @ x q[1], q[2];
barrier q;
for uint i in [0:2] { h q[i]; }
c = measure q;
"""
STATEMENTS = [
    "qubit[{n}] r;",
    "qreg r[{n}];",
    "input float {w};",
    "input int {w};",
    "output bit {w};",
    "const int k = {n};",
    "rz({w}) q[{n}];",
    "U({w}, 1/0, -{n}) q;",
    "cx q[0], q[{n}];",
    "cx q[0], q[0];",
    "reset q[{n}];",
    "c[{n}] = measure q[0];",
    "if (c[0]) {{ x q[0]; }}",
    "while (c[{n}] == 1) {{ x q[0]; }}",
    "def f(int a) -> int {{ return a + {n}; }}",
    "gphase({w});",
    "pow({n}) @ x q[0];",
    "inv @ s q[0];",
    "negctrl({n}) @ x q[0], q[1];",
    "delay[{n}ns] q[0];",
    "let s = q[0:{n}];",
    'include "{w}";',
    "gate {w} a {{ {w} a; }}",
    "{w} q[0];",
    "opaque {w} a;",
    "#pragma {w}",
    "box {{ x q[0]; }}",
    "array[float, {n}] t;",
    "extern {w}(int) -> int;",
    "cal {{ {w} }}",
    "@{w}",
    "/* {w}",
    "OPENQASM {n}.0;",
    "switch ({n}) {{ case 1 {{ x q[0]; }} }}",
    "ctrl({n}) @ x q;",
    "break;",
    "stretch s;",
    'bit[{n}] b = "01";',
]
filled = st.builds(
    lambda text, n, w: text.format(n=n, w=w),
    st.sampled_from(STATEMENTS),
    st.sampled_from([-1, 0, 1, 2, 3, 10**6, 10**30]),
    st.sampled_from(
        ["theta", "phi", "pi", "q", "x", "stdgates.inc", "9x", "é", "", "q[0]", "1e999", "c", "gate", "sqrt(-1)"]
    ),
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Lines of a program removed, repeated, moved, and others put between them."""
    lines = PROGRAM.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines)))
        action = draw(st.sampled_from(["insert", "insert", "remove", "repeat"]))
        if action == "insert":
            lines.insert(at, draw(filled))
        elif action == "remove":
            del lines[at : at + 1]
        else:
            lines[at:at] = lines[at : at + 1]
    return "\n".join(lines) + ";"


def judge(source: str | Path) -> None:
    circuit = outcome(lambda: read_qasm3(source))
    if isinstance(circuit, Refused):
        return
    names = set(circuit.count_ops())
    assert circuit.num_qubits > 0
    assert not names & {"measure", "reset", "if_else", "while_loop", "for_loop", "switch_case", "delay"}


def test_the_program_is_accepted_before_it_is_damaged() -> None:
    circuit = read_qasm3(PROGRAM.replace("for uint i in [0:2] { h q[i]; }\n", ""))
    assert (circuit.num_qubits, circuit.num_parameters) == (3, 2)


@given(text=programs())
@budget(1.0)
def test_damaged_programs(text: str) -> None:
    judge(text)


@given(content=scrambled(st.just(PROGRAM)))
@budget(1.0)
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ansatz.qasm"
    path.write_bytes(content)
    judge(path)


@given(text=st.text(max_size=30))
@example(text="")
@example(text="\x00")
@example(text="\r")
@example(text="a" * 5000)
@budget(0.5)
def test_any_text(text: str) -> None:
    judge(text)
