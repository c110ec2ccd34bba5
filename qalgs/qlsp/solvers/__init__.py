"""Inner solvers: one protocol, six methods."""
