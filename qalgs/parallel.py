"""Embarrassingly parallel work: ordered results, any joblib backend, Dask by address, same numbers everywhere.

Whatever loops over seeds, geometries, devices, solvers or chunks takes ``parallel``: a number of workers, or the
address of a Dask scheduler. A task's randomness comes from its own arguments (see :mod:`qalgs.seeds`), so where
and in how many processes it runs cannot change a result.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from qalgs.errors import invalid

T = TypeVar("T")
R = TypeVar("R")
Parallel = int | str
"""Where tasks run: ``4`` (worker processes), ``-1`` (one per core), ``"threading:4"`` (a joblib backend with its
number of workers; all cores without), or ``"tcp://host:8786"`` (a Dask scheduler)."""


def resolve_jobs(n_jobs: int | None) -> int:
    """Return the number of workers: None and 0 mean 1, negative counts from the number of cores as in joblib.

    Args:
        n_jobs: Number of workers as the user gives it.

    Raises:
        TypeError: If ``n_jobs`` is not an int.

    Example:
        >>> resolve_jobs(None), resolve_jobs(3)
        (1, 3)
    """
    if n_jobs is None or n_jobs == 0:
        return 1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int):
        raise TypeError(f"n_jobs must be an int or None, got {type(n_jobs).__name__}")
    return n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)


def placement(
    parallel: Parallel | None, n_jobs: int | None = None, backend: str | None = None
) -> tuple[int | None, str | None]:
    """Return number of workers and backend as joblib knows them; without ``parallel`` those given.

    Args:
        parallel: See :data:`Parallel`; None leaves the others as they are.
        n_jobs: Number of workers, for functions that take it beside ``parallel``.
        backend: A joblib backend or the address of a Dask scheduler, likewise.

    Raises:
        InvalidInputError: If ``parallel`` is neither a number nor a name, or comes with one of the others.

    Example:
        >>> placement(2), placement("threading:4"), placement("tcp://127.0.0.1:8786")
        ((2, None), (4, 'threading'), (None, 'tcp://127.0.0.1:8786'))
    """
    if parallel is None:
        return n_jobs, backend
    rule = "must be a number of workers, a joblib backend such as 'threading:4', or a Dask address"
    if n_jobs not in (None, 1) or backend is not None:
        raise invalid("parallel", parallel, "must stand alone", "leave out n_jobs and backend")
    if isinstance(parallel, bool) or not isinstance(parallel, int | str):
        raise invalid("parallel", parallel, rule)
    if isinstance(parallel, int):
        return resolve_jobs(parallel), None
    if "://" in parallel:
        return None, parallel
    name, _, count = parallel.partition(":")
    if not name.isidentifier() or not (count == "" or (count.isascii() and count.isdigit() and int(count) > 0)):
        raise invalid("parallel", parallel, rule)
    return int(count) if count else -1, name


def run_iter(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    n_jobs: int | None = 1,
    backend: str | None = None,
    parallel: Parallel | None = None,
) -> Iterator[R]:
    """Yield ``function(item)`` for each item, in the order of the items, as results arrive.

    Args:
        function: A picklable function of one argument.
        items: The arguments.
        n_jobs: Number of workers; 1 runs in this process, -1 uses all cores.
        backend: ``"loky"`` (default), ``"threading"``, another registered joblib backend, or the address of a
            Dask scheduler such as ``"tcp://host:8786"``.
        parallel: Both in one: see :data:`Parallel`.

    Yields:
        The results, in order. Closing the generator early cancels what has not started.

    Raises:
        InvalidInputError: If ``parallel`` breaks its rule, or names no registered backend.

    Example:
        >>> list(run_iter(abs, [-1, -2]))
        [1, 2]
    """
    n_jobs, backend = placement(parallel, n_jobs, backend)
    workers = resolve_jobs(n_jobs)
    is_address = backend is not None and "://" in backend
    if workers == 1 and not is_address:
        for item in items:
            yield function(item)
        return
    import joblib

    with contextlib.ExitStack() as stack:
        if is_address:
            from distributed import Client

            client = stack.enter_context(Client(backend))  # type: ignore[no-untyped-call]
            stack.enter_context(joblib.parallel_config(backend="dask", client=client))
        else:
            inner = None if backend == "threading" else 1
            try:
                chosen = joblib.parallel_config(
                    backend=backend or "loky", n_jobs=workers, inner_max_num_threads=inner
                )
            except ValueError as error:
                raise invalid("parallel", backend, "must name a registered joblib backend") from error
            stack.enter_context(chosen)
        results = joblib.Parallel(return_as="generator")(joblib.delayed(function)(item) for item in items)
        try:
            yield from results
        finally:
            results.close()


def run_all(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    n_jobs: int | None = 1,
    backend: str | None = None,
    parallel: Parallel | None = None,
    callback: Callable[[int, R], None] | None = None,
) -> list[R]:
    """Return ``[function(item) for item in items]`` computed as :func:`run_iter` does.

    Args:
        function: A picklable function of one argument.
        items: The arguments.
        n_jobs: Number of workers.
        backend: As in :func:`run_iter`.
        parallel: As in :func:`run_iter`.
        callback: Called as ``callback(index, result)`` when each result arrives, in order.

    Example:
        >>> run_all(abs, [-1, -2])
        [1, 2]
    """
    collected = []
    for index, result in enumerate(run_iter(function, items, n_jobs=n_jobs, backend=backend, parallel=parallel)):
        if callback is not None:
            callback(index, result)
        collected.append(result)
    return collected
