# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One chip, four algorithms: can they share it?
#
# A molecule, an excited level, a graph and a linear system are four different algorithms, but on the chip each is a
# circuit and an observable. One campaign trains them side by side.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from qalgs.backends import DeviceSnapshot
from qalgs.circuits import molecule
from qalgs.cli.flows import play
from qalgs.cli.jobsfile import load_jobs
from qalgs.eigengame import ExcitedStates

FAST = os.environ.get("QALGS_FAST") == "1"
# A notebook has no file of its own: it runs beside the jobs file or one folder above.
here = next(p for p in (Path(), Path("examples"), Path(__file__).parent if "__file__" in globals() else Path())
            if (p / "mixed.toml").exists())  # fmt: skip

# %%
campaign = load_jobs(here / "mixed.toml").campaign(fast=FAST)
result = campaign.run()
for row in result.table():
    print(
        f"{row['job']:14s} {row['kind']:14s} {row['evaluations']:4d} evaluations, ESP {row['esp_first']:.3f} -> {row['esp_last']:.3f}, "
        f"value {row['reference']:.4f}, exact {row['exact']:.4f}"
    )

# %%
fig, axes = plt.subplots(1, 2, figsize=(13, 5))
result.plot_chip(0, ax=axes[0])
result.plot_esp(ax=axes[1])
fig.tight_layout()
plt.show()

# %% [markdown]
# Left: who holds which qubits in the first cycle (the grey ones stay idle as a buffer). Right: every job climbs from
# forgiving to good qubits, dashed the target, solid what the chip had free.
#
# ## Players of a game, as tenants
#
# In a parallel EigenGame each state is found by its own player, who needs only the latest snapshots of the players
# below. The players of a round are co-located jobs; a parent's error corrects itself as rounds go on.

# %%
h2 = molecule("H2", 0.735, mapping="parity")
game = play(
    ExcitedStates(k=3, method="hotelling", seed=2),
    h2,
    DeviceSnapshot.from_backend("fake_fez"),
    rounds=2 if FAST else 4,
    evaluations=30 if FAST else 60,
    shots=0,
    seed=5,
)
exact = np.linalg.eigvalsh(h2.hamiltonian.to_matrix())[:3]
for number, energies in enumerate(game.energies):
    print(
        f"round {number + 1}: energies",
        np.round(energies, 4),
        " errors (mHa)",
        np.round(1000 * (energies - exact), 1),
    )

# %%
fig, ax = plt.subplots(figsize=(7, 4))
errors = 1000 * np.abs(np.array([np.asarray(e) for e in game.energies]) - exact)
for level, column in enumerate(errors.T):
    ax.semilogy(range(1, len(errors) + 1), np.maximum(column, 1e-3), "o-", label=f"level {level}")
ax.axhline(1.6, color="black", ls=":", lw=0.8, label="chemical accuracy")
ax.set(
    xlabel="round", ylabel="distance to the exact level (mHa)", title="players of one round are co-located jobs"
)
ax.set_xticks(range(1, len(errors) + 1))
ax.legend()
fig.tight_layout()
plt.show()

# %% [markdown]
# **Answer.** They can: regions stay disjoint with a buffer in every cycle, each job keeps its own optimiser and budget,
# and the ledger knows every evaluation of all of them.
