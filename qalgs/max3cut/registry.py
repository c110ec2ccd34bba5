"""Best-known Max-3-Cut values of the G-set with their sources, and fingerprints of its graphs."""

from __future__ import annotations

from dataclasses import dataclass

from qalgs.errors import expect

_MOH = "Ma and Hao 2017, multiple operator heuristic"
_SEARCH = "partition found by simulated annealing and recounted, above the recalled literature value 660"


@dataclass(frozen=True, slots=True)
class BestKnown:
    """A best-known cut.

    Attributes:
        cut: The value.
        source: Where it comes from.
        confirmed: Whether the value was read in a source or recounted; the others are recalled from the
            literature and may be off by a little.
        optimal: Whether the value is proved optimal (it equals the number of edges, say).
    """

    cut: int
    source: str
    confirmed: bool
    optimal: bool = False


_RECALLED = {
    "G2": 15172,
    "G3": 15173,
    "G4": 15184,
    "G5": 15193,
    "G6": 2632,
    "G7": 2409,
    "G8": 2428,
    "G9": 2478,
    "G10": 2407,
    "G13": 686,
    "G15": 3984,
    "G16": 3991,
    "G17": 3983,
    "G18": 1207,
    "G19": 1081,
    "G20": 1122,
    "G21": 1109,
    "G22": 17167,
    "G23": 17168,
    "G24": 17162,
    "G25": 17163,
    "G26": 17154,
    "G27": 4020,
    "G28": 3973,
    "G29": 4106,
    "G30": 4119,
    "G31": 4003,
    "G32": 1653,
    "G33": 1625,
    "G34": 1607,
    "G35": 10046,
    "G36": 10039,
    "G37": 10052,
    "G38": 10040,
    "G39": 2903,
    "G40": 2870,
    "G41": 2887,
    "G42": 2980,
    "G43": 8573,
    "G44": 8571,
    "G45": 8566,
    "G46": 8568,
    "G47": 8572,
    "G51": 5037,
    "G52": 5040,
    "G53": 5039,
    "G54": 5036,
    "G55": 12429,
    "G56": 4752,
    "G57": 4083,
    "G58": 25195,
    "G59": 7262,
    "G60": 17076,
    "G61": 6853,
    "G62": 5685,
    "G63": 35322,
    "G64": 10443,
    "G65": 6490,
    "G66": 7416,
    "G70": 9999,
    "G72": 8192,
    "G77": 11578,
}
_CONFIRMED = {
    "G1": 15165,
    "G11": 669,
    "G14": 4012,
    "G48": 6000,
    "G49": 6000,
    "G50": 6000,
    "G67": 8086,
    "G81": 16321,
}

BEST_KNOWN: dict[str, BestKnown] = {
    **{name: BestKnown(cut, _MOH, False) for name, cut in _RECALLED.items()},
    **{name: BestKnown(cut, _MOH, True, name in {"G48", "G49", "G50"}) for name, cut in _CONFIRMED.items()},
    "G12": BestKnown(661, _SEARCH, True),
}
"""Best-known cuts of G-set instances by name, with their sources."""

FINGERPRINTS: dict[str, str] = {
    "G1": "9ba0def45024a82f1bba14185e8c13f73b63fbf69c087bb9b90b90c71579dd5d",
    "G6": "438856bd14b9dc001fc01b307728b4bc3384f1ce2ac81607cc0fc4b45b9156ab",
    "G11": "c715b49487699e8d4745009f47539e1a16426b2a07855b0b1b1e9ed9cc64bc29",
    "G14": "1641bf6775a88ba5fbfebd906779b0d417e3f94a2a3f1408bcf9aab0fcb8d6e9",
    "G22": "d373c78fec95c2e27bec3e7701f8c666f89016891fb0dc747813803a3953058f",
    "G43": "8e36a760affdf21f5b037b3f82e09ba73923d086848e544219b005f9da6cf06f",
    "G48": "58ea7b620b13a50962acdf26242125176cb803f5f91a8483d2916297f7100540",
    "G49": "2168c3669c387f97722a0bf8acd9dc11e25e4d341df24ea319aca910d1b206b5",
    "G50": "2a46f8719985c70f1b5bf44f76f997458a45ca963e94633e6447f0c8fb271246",
    "G51": "38a6aeb5cd9f4f5b1fafd8a7a3dd37a68b94f63813903beef7bb9e60a9e80a90",
    "G67": "64728d10fce69d02e3fc3d6bae0bf7568bf773bf0df2b1f0eabba7d6ab170f95",
    "G81": "8a8955476a70c3d2c17945b23450fecd7c5dbe06d4934b62e44b0509481ec12b",
}


def best_known(name: str) -> BestKnown | None:
    """Return the best-known cut of a G-set instance such as ``"G1"``, or None if there is none on record.

    Args:
        name: The instance, in any case.

    Example:
        >>> best_known("G1").cut
        15165
    """
    expect(str, name=name)
    return BEST_KNOWN.get(name.upper())
