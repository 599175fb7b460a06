"""Put the table of a finished study into the library, with what made it.

metareval study run small --out /tmp/small
metareval study table small --out /tmp/small
python benchmarks/studies/embed.py /tmp/small study-small
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd

import metareval as mr
from metareval.files import write_atomic

DATA = Path(mr.__file__).parent / "datasets" / "data"


def provenance(out: Path) -> dict[str, Any]:
    """Collect the study's file, its reference models, its versions and its computing time."""
    study = json.loads((out / "study.json").read_text(encoding="utf-8"))
    cells = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((out / "cells").glob("*/*/*/cell.json"))
    ]
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=DATA, capture_output=True, text=True, check=True
    )
    references = pd.read_csv(out / "references.csv")
    return {
        "made_by": "metareval study run",
        "commit": commit.stdout.strip(),
        "study": study["study"],
        "versions": study["versions"],
        "cells": len(cells),
        "cell_seconds": round(sum(cell["seconds"] for cell in cells), 1),
        "references": references.to_dict(orient="records"),
    }


def main() -> None:
    """Write the table and its provenance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the study")
    parser.add_argument("name", help="name of the embedded table")
    options = parser.parse_args()
    stem = options.name.replace("-", "_")
    table = mr.read_table(options.out / "table.json", name=options.name)
    table.save(DATA / f"{stem}.json")
    text = json.dumps(provenance(options.out), indent=1, allow_nan=False)
    write_atomic(DATA / f"{stem}_provenance.json", text + "\n")
    print(f"Wrote {stem}.json and {stem}_provenance.json to {DATA}.")


if __name__ == "__main__":
    main()
