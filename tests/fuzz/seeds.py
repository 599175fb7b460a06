"""Sound files that are then damaged, and the words to damage them with."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save

import metareval as mr
from metareval.observations import Observations
from metareval_backends.study.config import study_of
from metareval_backends.study.plan import plan
from tests.fuzz.targets import CUT, ROLES
from tests.study_files import MICRO, toml

_HEAD = ("dataset", "method", "seed", "FA", "RA", "distance")
_ROWS = (
    ("d", "a", 1, 0.5, 0.25, 0.1),
    ("d", "b", 1, 0.25, 0.5, 0.2),
    ("e", "a", 1, 1e-3, -1.5, 0.3),
    ("e", "b", 2, 0.0, 2.0, 0.4),
)
_FRAME = pd.DataFrame(_ROWS, columns=list(_HEAD))

WORDS = (
    *("", " ", "\0", "\ufeff", "\r", "\n", "\r\n", "\u2028", "\x85", "\x1b[31m", "\u202e", "\x1a"),
    *(",", ";", "\t", '"', '""', "'", "\\", "{", "}", "[", "]", ":", "[[[[", '{"a":', "#"),
    *("NaN", "nan", "Infinity", "-inf", "null", "None", "true", "FALSE", "NA", "<NA>", "undefined"),
    *("1,5", "1_000", "1e400", "-1e400", "1e-400", "0x10", "1e", "--1", "+5", "٣", "１２", "½"),
    *("9" * 400, "9" * 5000, "0." + "3" * 400, "1e99999999999999999999", "2.5e308", "4e-324"),
    *("9007199254740993", "18446744073709551616", "-0", "00", "1.", ".5", "1 2", "1e1_0"),
    *("FA", "method", "seed", "distance", "dataset", "oracle distance", "FA,FA", "checkpoint"),
    *('"FA":', '"FA":1,"FA":2', '"\\ud800"', "\\u0000", "😀", "é", "e\u0301", "=1+1", "<script>"),
    *("metareval table", "metareval entry", "version", "kind", "number", "Int64", "x" * 300),
)
_RAW = (b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\x00\x00\xfe\xff")
PIECES: tuple[bytes, ...] = (*(w.encode() for w in WORDS), *_RAW)


def _cells() -> tuple[bytes, ...]:
    """Records of a cell that was made, and of one that failed."""
    made = plan(study_of(MICRO, source="study.toml"))[0].cells[0]
    done = {"hash": made.hash, "settings": made.settings, "seconds": 1.5}
    failed = {"cell": made.path, "settings": made.settings, "error": "ValueError: x"}
    return tuple(json.dumps(record).encode() for record in (done, failed))


def _checkpoints() -> tuple[bytes, ...]:
    """A full model, a LoRA adapter, and their parts in one."""
    ones = np.ones((2, 3), np.float32)
    full = save({"model.norm.weight": ones[0], "model.head.weight": ones.astype(np.float16)})
    place = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    factors = save({f"{place}A.weight": ones, f"{place}B.weight": ones.T.copy()})
    lora = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
    configs = ({"model_type": "opt", "architectures": ["OPTForCausalLM"]}, lora)
    return tuple(
        json.dumps(config).encode() + CUT + weights
        for config, weights in zip(configs, (full, factors), strict=True)
    )


def _pictures() -> tuple[bytes, ...]:
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    out = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind)
        out.append(stream.getvalue())
    return tuple(out)


@cache
def seeds() -> Mapping[str, tuple[bytes, ...]]:
    """Return sound data for each target."""
    stream = io.BytesIO()
    _FRAME.to_parquet(stream)
    texts = io.BytesIO()
    _FRAME.astype({"method": "category", "seed": str}).to_parquet(texts, compression=None)
    records = _FRAME.to_dict(orient="records")
    lines = "\n".join(map(json.dumps, records)).encode()
    named = [{"checkpoint": f"runs/{i}", "method": "a", "seed": i} for i in range(3)]
    listed = pd.DataFrame(named).to_csv(index=False).encode()
    with tempfile.TemporaryDirectory() as folder:
        table = mr.MetricTable.from_frame(
            _FRAME.assign(d2=[1.0, np.nan, 0.5, np.inf], note=["x", None, "1", ""]),
            metrics=["FA", "RA"],
            **{**ROLES, "oracle": ["distance", "d2"]},
        )
        saved = table.save(Path(folder, "t.json")).read_bytes()
        seen = Observations(
            "forget",
            ["s1", "s2"],
            gold=["Ada", "é"],
            answers=["Ada", ""],
            token_logprobs=np.log([0.5, 0.5, 0.125]),
            token_counts=[2, 1],
            next_logprobs=np.log(np.full((2, 3), 1 / 3)),
            hidden=np.ones((2, 2)),
            layer="last",
            provenance={"checkpoint": "runs/1"},
        )
        observed = seen.save(Path(folder, "a.safetensors")).read_bytes()
    entered = {
        **{"format": "metareval entry", "version": 1, "table": "unifiedunl", "item": "mine"},
        **{"submitter": "me", "url": "https://example.org/a"},
        "rows": [
            {
                "block": block,
                "replicate": str(seed),
                "values": {"FA": 0.5, "RA": 0.5, "MIA": 0.5, "AD": 0.5, "JS": None},
            }
            for block in mr.load_dataset("unifiedunl").levels("block")
            for seed in (1, 2)
        ],
    }
    asked = [{"question": f"Who is {i}?", "answer": "Ada", "image": f"{i}.png"} for i in range(3)]
    rows = io.BytesIO()
    pd.DataFrame(asked).to_parquet(rows)
    csv = _FRAME.to_csv(index=False).encode()
    options = ["--oracle", "distance", "--block", "dataset", "--item", "method"]
    options += ["--replicate", "seed"]
    commands = [
        *(["audit", "{file}", *options], ["audit", "unifiedunl", "--select", "MR001", "--json"]),
        *(["agreement", "{file}", *options, "--resamples", "5"], ["audit", "--explain", "all"]),
        *(["reliability", "{file}", *options, "--resamples", "5", "--seed", "1"], ["datasets"]),
        *(["uqs", "unifiedunl", "--resamples", "2", "--transform", "FA=reciprocal"], ["plugins"]),
        *(
            ["plan", "--rho", "0.5", "--models", "12"],
            ["perturb", "unifiedunl", "--resamples", "2"],
        ),
        [
            "evaluate",
            "--backend",
            "none",
            "--oracle",
            "o",
            "--checkpoints",
            "{file}",
            "--benchmark",
            "none",
            "--out",
            "/proc/none",
        ],
        ["leaderboard", "check", "{file}", "--against", "unifiedunl"],
    ]
    return {
        "csv": (csv, csv.replace(b"\n", b"\r\n"), csv.decode().encode("utf-16")),
        "tsv": (csv.replace(b",", b"\t"),),
        "json": (json.dumps(records).encode(), saved),
        "jsonl": (lines, lines.replace(b"\n", b"\r\n")),
        "parquet": (stream.getvalue(), texts.getvalue()),
        "runs": (CUT.join(json.dumps(r).encode() for r in records),),
        "observations": (observed,),
        "listing-csv": (listed,),
        "listing-json": (json.dumps(named).encode(),),
        "listing-jsonl": ("\n".join(map(json.dumps, named)).encode(),),
        "entry": (json.dumps(entered).encode(),),
        "study": (toml(MICRO).encode(),),
        "cell": _cells(),
        "checkpoint": _checkpoints(),
        "records-json": (json.dumps(asked).encode(),),
        "records-jsonl": ("\n".join(map(json.dumps, asked)).encode(),),
        "records-parquet": (rows.getvalue(),),
        "picture": _pictures(),
        "command": tuple("\n".join(c).encode() + CUT + csv for c in commands),
    }


@st.composite
def damaged(draw: st.DrawFn, target: str) -> bytes:
    """Data for a target: sound, with a few pieces put in, taken out, doubled or exchanged."""
    data = draw(st.sampled_from(seeds()[target]))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 5, 20, len(data)])))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=4) | st.just(data[start:end] * 2))
        data = data[:start] + piece + data[end:]
    return data
