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
# # Which states does a molecule have while its bond breaks?
#
# The ground state of H₂ is textbook material. A photochemist wants the next levels too: where the first
# singlet lies, when the triplet becomes degenerate with the ground state, and which of the transitions light can
# drive. Four levels along the bond answer that.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

from qalgs.circuits import molecule
from qalgs.eigengame import ExcitedStates, scan

FAST = os.environ.get("QALGS_FAST") == "1"

# %% [markdown]
# ## One geometry first
#
# The players of the EigenGame minimise the energy one after another, each pushed out of the span of its parents.
# The sector (two electrons, Sz = 0) comes from the molecule: a level of the ion is never returned by mistake.

# %%
h2 = molecule("H2", 0.735)
result = ExcitedStates(k=4, seed=1).run(h2)
print(result.status)
print("energies (Ha):  ", np.round(result.energies, 6))
print("exact (Ha):     ", np.round(result.exact_energies(), 6))
print("variance (Ha²): ", result.variances)
print("oscillator strengths from the ground state:", np.round(result.oscillator_strengths(), 4))

# %% [markdown]
# The variance is a certificate: an exact level lies within its square root of each energy, without knowing the
# answer. Only one transition is bright.

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 4))
result.plot_levels(ax=axes[0])
result.plot_history(ax=axes[1])
axes[0].set_title("H₂ at 0.735 Å: four levels")
axes[1].set_title("how each player found its level (peaks: restarts)")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Along the bond
#
# Each geometry starts from its neighbour's parameters; blocks of geometries run in parallel, and a scan that is
# interrupted continues from its file.

# %%
lengths = np.linspace(0.4, 2.5, 5 if FAST else 22)
curve = scan("H2", lengths, ExcitedStates(k=4, seed=1), n_jobs=1 if FAST else 2)
exact = np.array([molecule("H2", p.length).energies(4) for p in curve.points])
found = np.array([p.energies for p in curve.points])
worst = np.abs(found - exact).max()
print(f"largest error of {found.size} levels: {worst * 1000:.5f} mHa (chemical accuracy is 1.6)")
assert worst < 1.6e-3

fig, ax = plt.subplots(figsize=(8, 5))
curve.plot(ax=ax)
ax.plot([p.length for p in curve.points], exact, "k:", lw=0.8, label="_exact")
fig.tight_layout()
plt.show()

# %% [markdown]
# **Answer.** The triplet meets the ground state beyond 2 Å: a single determinant cannot describe the broken bond.
# The dotted lines are exact diagonalisation; the circuit's levels lie on them.
