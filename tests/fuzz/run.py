"""Fuzz the targets with atheris, guided by the coverage of our code.

python -m tests.fuzz.run TARGET [--seconds N] [--corpus FOLDER]

Needs ``pip install atheris``. What makes a target fail is written to the working folder by
libFuzzer as ``crash-*``; put it into ``tests/fuzz/corpus/TARGET`` with the mend.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import warnings
from pathlib import Path

PACKAGES = ["metareval", "metareval_backends", "metareval_benchmarks"]


def main() -> None:
    """Fuzz one target for some time."""
    import atheris

    with atheris.instrument_imports(include=PACKAGES, enable_loader_override=False):
        from tests.fuzz import targets as found
        from tests.fuzz.seeds import PIECES, seeds

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=[*found.TARGETS])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", help="folder that keeps what is found; default: a new one")
    options = parser.parse_args()
    # As in the test suite: a warning of numpy or pandas is a defect too.
    warnings.simplefilter("error")
    run = found.TARGETS[options.target]
    folder = Path(options.corpus or tempfile.mkdtemp())
    for number, data in enumerate(seeds()[options.target]):
        (folder / f"seed-{number}").write_bytes(data)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.5:
            return atheris.Mutate(data, most)  # type: ignore[no-any-return]
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice([0, 0, 1, 2, 5, 20]))
        return (data[:start] + rng.choice(PIECES) + data[end:])[:most]

    arguments = [sys.argv[0], str(folder), f"-max_total_time={options.seconds}"]
    arguments += ["-max_len=4096", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]
    stored = Path(__file__).parent / "corpus" / options.target
    if stored.is_dir():
        arguments.insert(2, str(stored))
    atheris.Setup(arguments, run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
