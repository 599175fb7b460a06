"""Made-up people, each with a picture and two questions."""

import numpy as np

from metareval.protocols import Sample

SPLITS = {
    "forget": ("ada", "ben"),
    "retain": ("cleo", "dan", "eva"),
    "nonmember": ("finn",),
    "test": ("gil", "hana"),
}
COLOURS = ("red", "green", "dark blue")


class ToyBenchmark:
    name = "toy"

    def splits(self):
        rng = np.random.default_rng(0)
        out = {}
        for split, people in SPLITS.items():
            out[split] = []
            for person in people:
                image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                colour = COLOURS[rng.integers(len(COLOURS))]
                for question, answer in (("who is this", person), ("which colour", colour)):
                    sample_id = f"{person}-{question.split()[0]}"
                    out[split].append(Sample(sample_id, person, question, answer, image))
        return out
