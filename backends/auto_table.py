"""Measured seconds per call; written by ``python -m qalgs.backends.auto_measure``, not by hand."""

from __future__ import annotations

SECONDS: dict[str, dict[int, dict[str, float]]] = {
    "energy": {
        4: {"aer": 0.00229, "compiled": 2.42e-05, "lightning": 0.00156},
        6: {"aer": 0.00336, "compiled": 3.24e-05, "lightning": 0.0022},
        8: {"aer": 0.00373, "compiled": 4.06e-05, "lightning": 0.00269},
        10: {"aer": 0.00441, "compiled": 5.56e-05, "lightning": 0.00354},
        12: {"aer": 0.00606, "compiled": 0.000101, "lightning": 0.00391},
        14: {"aer": 0.0122, "compiled": 0.000312, "lightning": 0.0065},
        16: {"aer": 0.0296, "compiled": 0.00126, "lightning": 0.0122},
        18: {"aer": 0.0961, "compiled": 0.00672, "lightning": 0.04},
        20: {"aer": 0.573, "compiled": 0.0603, "lightning": 0.275},
    },
    "gradient": {
        4: {"compiled": 2.57e-05, "lightning": 0.00391},
        6: {"compiled": 3.58e-05, "lightning": 0.00511},
        8: {"compiled": 5.02e-05, "lightning": 0.00662},
        10: {"compiled": 8.63e-05, "lightning": 0.00864},
        12: {"compiled": 0.000218, "lightning": 0.0115},
        14: {"compiled": 0.000811, "lightning": 0.0169},
        16: {"compiled": 0.00364, "lightning": 0.0373},
        18: {"compiled": 0.018, "lightning": 1.5},
        20: {"compiled": 0.247, "lightning": 1.57},
    },
}
