"""Ways to run a merged step: Qiskit's backend interface, Aer, the runtime's local testing mode, IBM's machines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import invalid
from qalgs.seeds import keyed, simulator_seed

from .merge import MergedStep
from .submission import Finder, Job

Mode = Literal["job", "session", "batch"]

_MOST_SIMULATED = 24
_MOST_EXACT = 11
_MOST_KEPT = 500
_TAG = "qalgs:"
_FAILURES = frozenset({"RuntimeJobFailureError", "RuntimeJobMaxTimeoutError", "RuntimeInvalidStateError"})


class _Together:
    """Several local jobs that answer as one; the portions of a circuit are put together again."""

    def __init__(self, jobs: Sequence[Sequence[Any]]) -> None:
        self._jobs = [list(portions) for portions in jobs]
        self._flat = [job for portions in self._jobs for job in portions]

    def job_id(self) -> str:
        return str(self._flat[0].job_id())

    def in_final_state(self) -> bool:
        return all(job.in_final_state() for job in self._flat)

    def result(self) -> list[Any]:
        found = []
        for portions in self._jobs:
            registers: dict[str, Any] = {}
            for job in portions:
                registers.update(job.result()[0].data.items())
            found.append(SimpleNamespace(**registers))
        return found

    def cancel(self) -> None:
        for job in self._flat:
            job.cancel()


class Sampling:
    """A way to run a merged step; this one is the ``BackendV2`` interface by Qiskit's own sampler.

    Args:
        backend: The backend.
        together: Most qubits that a simulator carries at once; a merged circuit on more is simulated in portions,
            which is equivalent because no gate joins two jobs.
    """

    kind = "backend"
    finder: Finder | None = None

    def __init__(self, backend: Any, *, together: int = 8) -> None:
        self.backend, self.together = backend, together

    def send(self, merged: MergedStep, shots: int, seeds: Sequence[int], tag: str) -> Job:
        """Send all rounds; the returned job's result is the list of PUB data."""
        jobs = []
        for pub, seed in zip(merged.pubs, seeds, strict=True):
            # One run per circuit: within a run, simulators give every PUB the same random numbers.
            portions = merged.portions(pub, self.together)
            jobs.append(
                [
                    self._run(circuit, values, shots, simulator_seed(keyed(seed, "portion", k)))
                    for k, (circuit, values) in enumerate(portions)
                ]
            )
        return _Together(jobs)

    def _run(self, circuit: Any, values: Any, shots: int, seed: int) -> Any:
        from qiskit.primitives import BackendSamplerV2

        sampler = BackendSamplerV2(backend=self.backend, options={"seed_simulator": seed})
        return sampler.run([(circuit, values, shots)])

    def check_size(self, merged: MergedStep) -> None:
        """Refuse what a simulator could not hold."""
        for job in merged.jobs:
            if len(job.layout) > _MOST_SIMULATED:
                raise invalid(
                    f"qubits of job {job.name!r} on simulator {self.backend.name}",
                    len(job.layout),
                    f"must be at most {_MOST_SIMULATED}",
                    "use a machine",
                )

    def probabilities(self, merged: MergedStep) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return exact outcome probabilities of each job's bits by ``(round, job index)``."""
        raise invalid(
            "shots",
            0,
            f"must be positive on {self.backend.name}",
            "only an Aer density matrix is exact",
        )

    def close(self) -> None:
        """Release what was opened."""


class AerSampling(Sampling):
    """An ``AerSimulator``; without shots, density matrix and readout errors are carried through exactly."""

    kind = "aer"

    def probabilities(self, merged: MergedStep) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return exact outcome probabilities of each job's bits by ``(round, job index)``."""
        from qiskit_aer import AerSimulator

        widest = max(merged.jobs, key=lambda job: len(job.layout))
        if len(widest.layout) > _MOST_EXACT:
            raise invalid(
                f"qubits of job {widest.name!r} in an exact simulation",
                len(widest.layout),
                f"must be at most {_MOST_EXACT}",
                "use shots, or the compact simulators (the default executor)",
            )
        noise = self.backend.options.noise_model
        engine = AerSimulator(method="density_matrix", noise_model=noise)
        circuits: list[Any] = []
        places: list[tuple[int, int, int, list[int]]] = []
        for pub in merged.pubs:
            bases = dict(pub.parts)
            for portion, values in merged.portions(pub, min(self.together, _MOST_EXACT)):
                here = [int(register.name[1:]) for register in portion.cregs]
                for row, r in zip(values, pub.rounds, strict=True):
                    circuit = portion.assign_parameters(row)
                    circuit.remove_final_measurements()
                    for j in here:
                        job = merged.jobs[j]
                        read = [job.layout[q] for q in job.bases[bases[j]].measured]
                        circuit.save_probabilities(read, label=f"p{j}")
                        places.append((len(circuits), r, j, read))
                    circuits.append(circuit)
        result = engine.run(circuits, shots=1).result()
        flips = _readout(noise)
        return {
            (r, j): _confuse(np.asarray(result.data(c)[f"p{j}"]), [flips.get(q) for q in read])
            for c, r, j, read in places
        }


def _readout(noise: Any) -> dict[int, NDArray[np.float64]]:
    """Return the assignment matrices ``A[true, read]`` of single qubits in an Aer noise model."""
    if noise is None:
        return {}
    local = {}
    for qubits, error in noise._local_readout_errors.items():
        where = (qubits,) if isinstance(qubits, int) else tuple(qubits)
        if len(where) != 1:
            raise invalid("readout errors", list(where), "must be of single qubits", "use shots")
        local[int(where[0])] = np.asarray(error.probabilities, dtype=np.float64)
    return local


def _confuse(
    probabilities: NDArray[np.float64], matrices: Sequence[NDArray[np.float64] | None]
) -> NDArray[np.float64]:
    """Apply assignment matrices bit by bit, bit 0 being the least significant digit of the outcome."""
    w = len(matrices)
    tensor = probabilities.reshape((2,) * w)
    for bit, matrix in enumerate(matrices):
        if matrix is not None:
            axis = w - 1 - bit
            tensor = np.moveaxis(np.tensordot(matrix, tensor, axes=([0], [axis])), 0, axis)
    return tensor.reshape(-1)


class LocalSampling(Sampling):
    """A fake backend in the runtime's local testing mode, each circuit on its own qubits alone."""

    kind = "local"

    def __init__(self, backend: Any, *, together: int = 8) -> None:
        super().__init__(backend, together=together)
        self._device: Any = None
        self._small: dict[int, tuple[Any, Any, Any]] = {}

    def _run(self, circuit: Any, values: Any, shots: int, seed: int) -> Any:
        from qiskit_ibm_runtime.executor_sampler import Sampler

        from qalgs.backends.runtime_local import LocalDevice, active_qubits, shrink

        if self._device is None:
            self._device = LocalDevice(self.backend)
        if id(circuit) not in self._small:
            if len(self._small) > _MOST_KEPT:
                self._small.clear()
            active = active_qubits(circuit)
            # The circuit is kept with its entry: an id is only unique among the living.
            self._small[id(circuit)] = (circuit, active, shrink(circuit, active))
        _, qubits, small = self._small[id(circuit)]
        options = {"simulator": {"seed_simulator": seed, "angle_decimals": 14}}
        with _quiet():
            sampler = Sampler(mode=self._device.simulator(qubits), options=options)
            return sampler.run([(small, values, shots)])


class IbmSampling(Sampling):
    """An IBM machine through the runtime: single jobs, a session, or a batch, opened when first used."""

    kind = "ibm"

    def __init__(self, backend: Any, mode: Mode, sampler: Callable[..., Any] | None = None) -> None:
        super().__init__(backend)
        self.mode = mode
        self.finder = self
        self._sampler, self._opened = sampler, None

    def send(self, merged: MergedStep, shots: int, seeds: Sequence[int], tag: str) -> Job:
        """Send all rounds as one job, tagged so that a later process can find it."""
        if self._sampler is None:
            from qiskit_ibm_runtime.executor_sampler import Sampler

            self._sampler = Sampler
        sampler = self._sampler(mode=self._open(), options={"environment": {"job_tags": [_TAG + tag]}})
        return _Data(sampler.run(merged.sampler_pubs(shots)))

    def check_size(self, merged: MergedStep) -> None:
        """A machine holds its own qubits."""

    def fetch(self, remote: str) -> Job:
        """Return the job of this id."""
        return _Data(self.backend.service.job(remote))

    def find(self, tag: str) -> Job | None:
        """Return the latest job that was sent under this tag, if any."""
        held = self.backend.service.jobs(job_tags=[_TAG + tag], limit=1, backend_name=self.backend.name)
        return _Data(held[0]) if held else None

    def failed(self, error: Exception) -> bool:
        """Whether the job has failed, was cancelled or ran too long; anything else is the service's silence."""
        return type(error).__name__ in _FAILURES

    def close(self) -> None:
        """End the session or batch, if one was opened."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _open(self) -> Any:
        if self.mode == "job":
            return self.backend
        if self._opened is None:
            from qiskit_ibm_runtime import Batch, Session

            self._opened = Session(backend=self.backend) if self.mode == "session" else Batch(backend=self.backend)
        return self._opened


class _Data:
    """A runtime job whose result is the list of PUB data."""

    def __init__(self, job: Any) -> None:
        self._job = job

    def job_id(self) -> str:
        return str(self._job.job_id())

    def in_final_state(self) -> bool:
        return bool(self._job.in_final_state())

    def result(self) -> list[Any]:
        return [pub.data for pub in self._job.result()]

    def cancel(self) -> None:
        self._job.cancel()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the runtime's remark that local testing mode has no effect on some options."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no effect in local testing mode.*")
        yield


def open_sampling(backend: Any, mode: Mode = "job") -> Sampling:
    """Return the way that fits a backend."""
    module = type(backend).__module__
    if module.startswith("qiskit_aer"):
        return AerSampling(backend)
    if module.startswith("qiskit_ibm_runtime.fake_provider"):
        return LocalSampling(backend)
    if module.startswith("qiskit_ibm_runtime"):
        return IbmSampling(backend, mode)
    return Sampling(backend)
