"""Meta-solvers: each wraps any solver and is a solver itself."""
