"""The battery: the same checks for every item of the registry."""

from __future__ import annotations

import copy
import functools
import inspect
import json
import pickle
import re
import warnings
from typing import Any

import numpy as np
import pytest
from registry import Item, content, every

from qalgs.errors import QalgsError
from qalgs.results import Result

ITEMS = every()
ENGINES = ("aer", "pennylane", "statevector")


def items(*kinds: str, **wanted: Any) -> pytest.MarkDecorator:
    """Parametrise over the items of some kinds (all if none is named) with the wanted attributes."""
    chosen = [i for i in ITEMS if not kinds or i.kind in kinds]
    chosen = [i for i in chosen if all(bool(getattr(i, name)) is value for name, value in wanted.items())]
    assert chosen, "the check applies to nothing"
    return pytest.mark.parametrize("item", chosen, ids=lambda item: item.key)


pytestmark = pytest.mark.filterwarnings("ignore")


@functools.cache
def first(key: str) -> Any:
    """The outcome of an item under seed 1, computed once."""
    return next(i for i in ITEMS if i.key == key).outcome(1)


@items()
def test_builds_and_repeats_under_one_seed(item: Item) -> None:
    made = item.build(**({"seed": 1} if item.seeded else {}))
    assert made is not None
    assert content(item.run(made, 1)) == content(first(item.key))


@items(random=True)
def test_another_seed_gives_another_result(item: Item) -> None:
    assert content(item.outcome(2)) != content(first(item.key))


@items(copies=True)
def test_copies_say_the_same(item: Item) -> None:
    made = item.build(**({"seed": 1} if item.seeded else {}))
    expected = content(made)
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert content(copied) == expected
    # what was copied also does the same
    assert content(item.run(copied, 1)) == content(first(item.key))


@items(plain=True)
def test_repr_is_an_expression_for_an_equal_object(item: Item) -> None:
    from qalgs import nest, optimizers, qlsp

    made = item.build()
    known = {**vars(optimizers), **{name: getattr(nest, name) for name in nest.__all__}}
    known |= {name: getattr(qlsp, name) for name in ("GradientDescent", "ConjugateGradient")}
    assert eval(repr(made), known) == made
    assert hash(made) == hash(copy.deepcopy(made))


@items()
def test_repr_is_for_people(item: Item) -> None:
    text = repr(item.build(**({"seed": 1} if item.seeded else {})))
    assert not re.search(r"<qalgs\S* object at 0x", text), text[:80]


def results(value: Any) -> list[Result]:
    """The results inside an outcome."""
    parts = value if isinstance(value, tuple | list) else [value]
    return [part for part in parts if isinstance(part, Result)]


@items()
def test_results_survive_json(item: Item) -> None:
    for result in results(first(item.key)):
        text = result.to_json()
        again = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert again == result.to_dict()
        assert type(result).__name__ in result._repr_html_()
        loaded = pickle.loads(pickle.dumps(result))
        assert content(loaded) == content(result)


@items(workers=True)
def test_the_number_of_workers_changes_nothing(item: Item) -> None:
    several = "threading:2" if item.workers == "parallel" else 2
    assert content(item.outcome(1, **{item.workers: several})) == content(item.outcome(1, **{item.workers: 1}))


def cases() -> list[Any]:
    found = []
    for item in ITEMS:
        for number, (changes, text) in enumerate(item.refused):
            found.append(pytest.param(item, changes, text, id=f"{item.key}-{'-'.join(changes)}-{number}"))
    return found


@pytest.mark.parametrize(("item", "changes", "text"), cases())
def test_bad_input_is_refused_in_one_line(item: Item, changes: dict[str, Any], text: str) -> None:
    with pytest.raises((QalgsError, ValueError, TypeError)) as caught:
        item.build(**changes)
    message = str(caught.value)
    assert re.search(text, message), message
    assert len(message.splitlines()) == 1
    assert isinstance(caught.value, QalgsError | TypeError) or "seed" in changes, type(caught.value)


@pytest.mark.parametrize("kind", sorted({i.kind for i in ITEMS}))
def test_every_item_with_arguments_refuses_something(kind: str) -> None:
    for item in ITEMS:
        if item.kind == kind and wrong(item):
            assert item.refused, item.key


WRONG: dict[type, list[Any]] = {int: [-7], float: [float("nan")], str: ["nonsense\n"]}


def wrong(item: Item) -> list[tuple[str, Any]]:
    """Every number and word that the item takes, with a value that it cannot have."""
    given, found = item.given(), []
    for name, parameter in inspect.signature(item.make).parameters.items():
        if name not in item.accepted and parameter.kind is not parameter.VAR_KEYWORD:
            found += [(name, value) for value in WRONG.get(type(given.get(name, parameter.default)), [])]
    return found


@items()
def test_every_number_and_word_is_checked(item: Item) -> None:
    for name, value in wrong(item):
        try:
            item.outcome(1, **{name: value})
        except (QalgsError, TypeError, ValueError) as error:
            refusal: Exception = error
        else:
            pytest.fail(f"{name}={value!r} is accepted")
        assert name in str(refusal), f"{name}={value!r}: {refusal}"
        assert len(str(refusal).splitlines()) == 1, f"{name}={value!r}: {str(refusal)!r}"
        assert isinstance(refusal, QalgsError) or name == "seed", f"{name}={value!r}: a bare {refusal!r}"


@items("circuit", "encoding")
@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree(item: Item, engine: str, rng: np.random.Generator) -> None:
    from qiskit import QuantumCircuit

    from qalgs.backends import compile_circuit, exact_program

    made = item.build()
    circuit = made if isinstance(made, QuantumCircuit) else getattr(made, "circuit", None)
    circuit = circuit() if callable(circuit) else circuit
    if circuit is None:
        return
    point = rng.uniform(-np.pi, np.pi, (2, circuit.num_parameters))
    found = exact_program(circuit, engine).states(point)
    assert np.abs(found - compile_circuit(circuit).states(point)).max() < 1e-9


@items("job")
@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree_on_jobs(item: Item, engine: str, rng: np.random.Generator) -> None:
    from qalgs.backends import CompiledEstimator, exact_program

    job = item.build()
    point = rng.uniform(-np.pi, np.pi, job.circuit.num_parameters)
    state = exact_program(job.circuit, engine).states(point)[0]
    matrix = job.observable.to_matrix(sparse=True)
    value = CompiledEstimator().run([(job.circuit, job.observable, point)]).result()[0].data.evs
    assert abs(float(value) - np.vdot(state, matrix @ state).real) < 1e-9


def test_every_warning_of_a_run_is_the_packages_own() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        for item in ITEMS:
            if item.kind in {"circuit", "operator", "schedule", "generator"}:
                item.outcome(1)
