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
# # Six quantum linear solvers, each alone and under every meta-solver
#
# All are executed as circuits behind one interface: swapping the inner solver changes no other line. Costs are
# compared at matched true error.

# %%
import os

from qalgs.qlsp import (
    HHL,
    VQLS,
    ChebyshevLCU,
    ClassicalPreconditioner,
    DiscreteAdiabatic,
    GradientDescent,
    KernelReflection,
    ProximalPoint,
    QSVTInversion,
    ResidualCorrection,
    compare,
    random_system,
)

FAST = os.environ.get("QALGS_FAST") == "1"
system = random_system(4, 6 if FAST else 20, seed=3)
inner = [QSVTInversion(), ChebyshevLCU(), HHL(), DiscreteAdiabatic(), KernelReflection(), VQLS()]
print(compare(inner, system, epsilon=2e-2))

# %%
start = GradientDescent(10)
for solver in inner:
    metas = [
        solver,
        ProximalPoint(solver, initial_guess=start),
        ProximalPoint(solver, form="residual"),
        ResidualCorrection(solver, initial_guess=start),
        ClassicalPreconditioner(solver, "jacobi"),
        ClassicalPreconditioner(solver, "ilu"),
    ]
    print(compare(metas, system, epsilon=2e-2, matched=False), end="\n\n")
