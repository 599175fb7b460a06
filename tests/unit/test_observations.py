"""What observations hold, refuse, store and give back."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from metareval.errors import ObservationError, OutputError
from metareval.observations import Observations, fields, storage

COUNTS = [2, 1, 3]


def arguments(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    fields: dict[str, Any] = {
        "split": "forget",
        "sample_ids": ["s1", "s2", "s3"],
        "gold": ["Ada", "Paris", "a\ud800é"],
        "answers": ["Ada", "", "x"],
        "token_logprobs": np.log([0.5, 0.25, 0.125, 1.0, 0.5, 0.25]),
        "token_counts": COUNTS,
        "next_logprobs": np.log(rng.dirichlet(np.ones(5), 3)),
        "hidden": rng.normal(size=(3, 4)),
        "layer": "layers.1",
        "provenance": {"checkpoint": "c1", "backend": "toy"},
    }
    return {**fields, **changes}


def make(**changes: Any) -> Observations:
    return Observations(**arguments(**changes))


def test_fields_become_read_only_copies_of_one_type() -> None:
    given_logs = np.log(np.full((3, 2), 0.5))
    seen = make(next_logprobs=given_logs)
    given_logs[:] = 7
    assert seen.sample_ids == ("s1", "s2", "s3")
    assert seen.next_logprobs is not None
    assert np.exp(seen.next_logprobs).max() == 0.5
    for name, dtype in (
        ("token_logprobs", np.float32),
        ("token_counts", np.int64),
        ("next_logprobs", np.float32),
        ("hidden", np.float32),
    ):
        array = seen.need(name)
        assert array.dtype == dtype
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(TypeError):
        seen.provenance["checkpoint"] = "other"  # type: ignore[index]
    with pytest.raises(AttributeError):
        seen.split = "test"  # type: ignore[misc]


def test_tokens_by_sample() -> None:
    seen = make(token_logprobs=[-1.0, -3.0, -np.inf, 0.0, -1.0, -2.0])
    assert seen.mean_logprob.tolist() == [-2.0, -np.inf, -1.0]
    assert [seen.logprobs_of(i).tolist() for i in range(3)] == [
        [-1.0, -3.0],
        [-np.inf],
        [0.0, -1.0, -2.0],
    ]
    for i in (-1, 3):
        with pytest.raises(ObservationError, match=rf"number {i}: expected 0 to 2"):
            seen.logprobs_of(i)


def test_parts_may_be_missing() -> None:
    seen = Observations("retain", ["a"], ["x"], ["y"])
    assert repr(seen) == "Observations(split='retain', n=1)"
    with pytest.raises(ObservationError, match="retain observations have no token_logprobs"):
        _ = seen.mean_logprob
    with pytest.raises(ObservationError, match="no hidden"):
        seen.need("hidden")


def test_repr_is_short() -> None:
    shown = "Observations(split='forget', n=3, tokens=6, vocabulary=5, width=4, layer='layers.1')"
    assert repr(make()) == shown


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "train"}, r"split: found 'train'; expected one of forget, retain"),
        ({"split": ["forget"]}, r"split: found \['forget'\]"),
        ({"sample_ids": "abc"}, r"sample_ids: found type str; expected a sequence of strings"),
        ({"sample_ids": 3}, r"sample_ids: found type int"),
        ({"sample_ids": ["a", 1, "b"]}, r"sample_ids: found type int at position 1"),
        ({"sample_ids": ["a", "b", "a"]}, r"sample_ids: found 'a' twice; expected unique"),
        ({"sample_ids": ["a", "", "b"]}, r"sample_ids: found an empty id at position 1"),
        ({"sample_ids": []}, r"sample_ids: found none; expected at least one"),
        ({"gold": ["x"]}, r"gold: found 1 texts; expected 3"),
        ({"answers": [None, "", ""]}, r"answers: found type NoneType at position 0"),
        ({"layer": None}, r"layer: found type NoneType"),
        ({"layer": ""}, r"layer: found no name"),
        ({"provenance": {"seed": 3}}, r"provenance: found 'seed': 3; expected strings"),
        ({"provenance": "x"}, r"provenance: found type str; expected a mapping"),
        ({"token_counts": None}, r"token_counts: found None; expected both"),
        ({"token_logprobs": None}, r"token_logprobs: found None; expected both"),
        ({"token_counts": [2, 4]}, r"token_counts: found 2 counts; expected 3"),
        ({"token_counts": [6, 0, 0]}, r"token_counts: found 0 for sample 's2'"),
        ({"token_counts": [7, -2, 1]}, r"token_counts: found -2 for sample 's2'"),
        ({"token_counts": [2, 2, 3]}, r"token_counts: found a sum of 7; expected 6"),
        ({"token_counts": [2**62, 2**62, 2**62]}, r"found a sum of 13835058055282163712"),
        ({"token_counts": [2.0, 1.0, 3.0]}, r"token_counts: found an array of float64"),
        ({"token_counts": [True, True, True]}, r"token_counts: found an array of bool"),
        ({"token_logprobs": np.zeros((6, 1))}, r"token_logprobs: found shape \(6, 1\)"),
        ({"token_logprobs": np.zeros(0)}, r"token_counts: found a sum of 6; expected 0"),
        ({"token_logprobs": ["a"] * 6}, r"token_logprobs: found an array of <U1"),
        ({"token_logprobs": [[1.0], [1.0, 2.0]]}, r"token_logprobs: found a list that numpy"),
        ({"token_logprobs": [0, 0, 0, np.nan, 0, 0]}, r"token_logprobs: found nan at \[3\]"),
        ({"token_logprobs": [0, 0, 0, 0, 0, 0.1]}, r"token_logprobs: found 0.1 at \[5\]"),
        ({"token_logprobs": [np.inf, 0, 0, 0, 0, 0]}, r"token_logprobs: found inf at \[0\]"),
        ({"next_logprobs": np.zeros((2, 1))}, r"next_logprobs: found 2 rows; expected 3"),
        ({"next_logprobs": np.zeros((3, 0))}, r"next_logprobs: found rows without a number"),
        (
            {"next_logprobs": np.log([[0.5, 0.5], [0.5, 0.4], [0.5, 0.5]])},
            r"next_logprobs: found probabilities of sample 's2' that add up to 0.9; expected 1",
        ),
        ({"next_logprobs": [[-np.inf, -np.inf]] * 3}, r"'s1' that add up to 0;"),
        ({"hidden": np.full((3, 2), np.inf)}, r"hidden: found inf at \[0, 0\]"),
        ({"hidden": [[0, 0], [0, 1e300], [0, 0]]}, r"hidden: found 1e\+300 at \[1, 1\]"),
        ({"hidden": np.zeros((3, 2), dtype=complex)}, r"hidden: found an array of complex128"),
        ({"hidden": np.zeros(3)}, r"hidden: found shape \(3,\); expected 2 dimensions"),
    ],
)
def test_constructor_names_field_found_and_expected(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ObservationError, match=message):
        make(**changes)


def test_rounding_is_allowed_for() -> None:
    seen = make(token_logprobs=np.full(6, 9e-5), next_logprobs=np.log(np.full((3, 2), 0.5004)))
    assert seen.mean_logprob == pytest.approx(9e-5)


def test_checks_see_every_block_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_NUMBERS_AT_ONCE", 4)
    make()
    with pytest.raises(ObservationError, match=r"sample 's3' that add up to 0\.5"):
        make(next_logprobs=np.log([[0.5, 0.5], [0.5, 0.5], [0.25, 0.25]]))
    with pytest.raises(ObservationError, match=r"nan at \[2, 3\]"):
        make(hidden=[[0.0] * 4, [0.0] * 4, [0.0, 0.0, 0.0, np.nan]])


def test_hash_is_of_the_content_alone() -> None:
    seen = make()
    assert len(seen.content_hash) == 64
    assert make(provenance={}).content_hash == seen.content_hash
    assert make(provenance={}) != seen
    assert make() == seen
    assert hash(make()) == hash(seen)
    assert seen != "x"
    changed = [
        make(split="retain"),
        make(layer="layers.2"),
        make(sample_ids=["s1", "s2", "s4"]),
        make(gold=["Ada", "Paris", ""]),
        make(answers=["Ada", "x", ""]),
        make(token_counts=[1, 2, 3]),
        make(token_logprobs=np.zeros(6)),
        make(hidden=np.zeros((3, 4))),
        make(hidden=np.zeros((3, 5))),
        make(hidden=None),
        make(next_logprobs=None),
    ]
    hashes = {other.content_hash for other in changed}
    assert len(hashes | {seen.content_hash}) == len(changed) + 1


def test_hash_does_not_change_between_versions() -> None:
    plain = Observations("test", ["a"], ["x"], ["y"], hidden=[[1.0, -2.0]], layer="l")
    assert plain.content_hash == (
        "002af2170381f3e6e9d06dc3d97eec9ebca4033b2b1f3cd24ed667b1fe432e00"
    )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])  # noqa: S301
def test_copies_for_workers(copied: Callable[[Observations], Observations]) -> None:
    assert copied(make()) == make()
    assert not copied(make()).need("hidden").flags.writeable


def test_subset_keeps_each_sample_whole() -> None:
    part = make().subset(["s3", "s1"])
    assert part.sample_ids == ("s3", "s1")
    assert part.answers == ("x", "Ada")
    assert part.need("token_counts").tolist() == [3, 2]
    for new, old in ((0, 2), (1, 0)):
        assert part.logprobs_of(new).tolist() == make().logprobs_of(old).tolist()
        for name in ("hidden", "next_logprobs"):
            assert part.need(name)[new].tolist() == make().need(name)[old].tolist()
    assert dict(part.provenance) == {"checkpoint": "c1", "backend": "toy"}
    assert make().subset(["s1", "s2", "s3"]) == make()


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["s1", "s9"], "No sample 's9' in the forget observations"),
        (["s1", "s1"], "found 's1' twice"),
        ([], "at least one"),
        ("s1", "found type str"),
    ],
)
def test_subset_refuses(ids: Any, message: str) -> None:
    with pytest.raises(ObservationError, match=message):
        make().subset(ids)


def test_merge_undoes_subsets() -> None:
    seen = make()
    assert Observations.merge([seen.subset(["s1"]), seen.subset(["s2", "s3"])]) == seen
    assert Observations.merge([seen]) == seen


def test_merge_keeps_what_differs_in_the_provenance() -> None:
    a = Observations("test", ["a"], ["x"], ["y"], provenance={"checkpoint": "c", "time": "1"})
    b = Observations("test", ["b"], ["x"], ["y"], provenance={"checkpoint": "c", "time": "2"})
    c = Observations("test", ["c"], ["x"], ["y"], provenance={"checkpoint": "c", "gpu": "g"})
    merged = Observations.merge(iter([a, b, c]))
    assert dict(merged.provenance) == {"checkpoint": "c", "gpu": "g", "time": "1 | 2"}
    assert merged.token_counts is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"Part 2 of 2 repeats sample 's1' of part 1"),
        ({"split": "retain"}, r"Part 2 of 2 has the split 'retain'; part 1 has 'forget'"),
        ({"layer": "layers.2"}, r"the layer 'layers.2'"),
        ({"provenance": {"checkpoint": "c2"}}, r"the checkpoint 'c2'; part 1 has 'c1'"),
        ({"provenance": {}}, r"the checkpoint None"),
        ({"hidden": np.zeros((3, 9))}, r"width of hidden 9; part 1 has 4"),
        ({"next_logprobs": np.zeros((3, 1))}, r"vocabulary of next_logprobs 1; part 1 has 5"),
        ({"hidden": None}, r"Part 2 of 2 lacks hidden, which part 1 has"),
        ({"token_logprobs": None, "token_counts": None}, r"lacks token_logprobs"),
    ],
)
def test_merge_names_the_part(changes: dict[str, Any], message: str) -> None:
    other = make(**changes) if not changes else make(**changes, sample_ids=["t1", "t2", "t3"])
    with pytest.raises(ObservationError, match=message):
        Observations.merge([make(), other])


def test_merge_refuses_what_is_no_part() -> None:
    with pytest.raises(ObservationError, match="Nothing to merge"):
        Observations.merge([])
    with pytest.raises(ObservationError, match="Part 2 of 2 is a dict"):
        Observations.merge([make(), {}])  # type: ignore[list-item]


# Files


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return make().save(tmp_path / "forget.safetensors")


def test_files_give_back_everything(stored: Path, tmp_path: Path) -> None:
    loaded = Observations.load(stored)
    assert loaded == make()
    assert dict(loaded.provenance) == {"checkpoint": "c1", "backend": "toy"}
    assert loaded.gold[2] == "a\ud800é"
    assert not loaded.need("hidden").flags.writeable
    bare = Observations("test", ["a"], ["x"], ["y"])
    assert Observations.load(bare.save(tmp_path / "bare")) == bare


def test_equal_observations_give_equal_files(stored: Path, tmp_path: Path) -> None:
    flipped = {"backend": "toy", "checkpoint": "c1"}
    again = make(provenance=flipped).save(tmp_path / "again")
    assert again.read_bytes() == stored.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again", "forget.safetensors"]


def test_save_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Create the folder first"):
        make().save(tmp_path / "none" / "x")


def test_texts_too_long_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_MOST_HEADER_BYTES", 100)
    with pytest.raises(ObservationError, match="texts of 3 samples are too long"):
        make().save(tmp_path / "x")
    assert not list(tmp_path.iterdir())


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch exploded",)


def test_pickle_is_named_and_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in range(2, 6):
        (tmp_path / "p").write_bytes(pickle.dumps(Bomb(), protocol=protocol))
        with pytest.raises(ObservationError, match=r"p is a pickle or zip file.*not\s+opened"):
            Observations.load("p")
    (tmp_path / "p").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ObservationError, match="pickle or zip"):
        Observations.load("p")
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_files_that_are_not_there_or_no_files(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(ObservationError, match=r"none could not be read: No such file"):
        Observations.load(tmp_path / "none")
    with pytest.raises(ObservationError, match="is not a file"):
        Observations.load(tmp_path)
    with pytest.raises(ObservationError, match="could not be read"):
        Observations.load("a\0b")
    with pytest.raises(ObservationError, match=r"bytes, more than the limit of 100\."):
        Observations.load(stored, max_bytes=100)
    assert Observations.load(stored, max_bytes=None) == make()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ObservationError, match="is not a file"):
        Observations.load(tmp_path / "pipe")


def test_every_truncation_is_found(stored: Path, tmp_path: Path) -> None:
    whole = stored.read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ObservationError, match="cut") as caught:
            Observations.load(tmp_path / "cut")
        assert str(tmp_path / "cut") in str(caught.value)


def test_other_safetensors_files_are_foreign(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(save({"w": np.zeros(3, np.float16)}, {"format": "pt"}))
    with pytest.raises(ObservationError, match="weights is a safetensors file, but not one of"):
        Observations.load(tmp_path / "weights")
    for junk in (b"", b"\x80", b"text that is no header", bytes(8), b"\x02" + bytes(7) + b"[]"):
        (tmp_path / "junk").write_bytes(junk)
        with pytest.raises(ObservationError, match=r"junk .*is not a whole safetensors file"):
            Observations.load(tmp_path / "junk")


def forged(path: Path, record: object, arrays: dict[str, Any] | None = None) -> Path:
    """A file with metadata of our choosing, sealed like a real one."""
    if isinstance(record, dict):
        record.setdefault("seal", storage._seal(record))
    text = record if isinstance(record, str) else json.dumps(record)
    path.write_bytes(save(arrays or {}, {storage._METADATA_KEY: text}))
    return path


def genuine(seen: Observations, **changes: Any) -> dict[str, Any]:
    record = {
        "version": 1,
        "content_hash": seen.content_hash,
        "texts": seen._named_texts(),
        "provenance": {},
    }
    return {**record, **changes}


BARE = Observations("test", ["a"], ["x"], ["y"])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (genuine(BARE, version=2), "written in format 2 of a newer metareval; .* Upgrade"),
        (genuine(BARE, version=10**4000), "written in format 10000000000"),
        (genuine(BARE, version=0), "damaged: its metadata do not match"),
        (genuine(BARE, version="1"), "damaged: its metadata cannot be read"),
        (genuine(BARE, version=True), "damaged: its metadata cannot be read"),
        (genuine(BARE, seal="x"), "damaged: its metadata do not match their hash"),
        (genuine(BARE, content_hash="0" * 64), "damaged: its content does not match its hash"),
        (genuine(BARE, texts=[]), "damaged: its texts are not"),
        (genuine(BARE, texts={"split": "test"}), "damaged: its texts are not"),
        ({"version": 1, "texts": BARE._named_texts()}, "damaged: its metadata are not"),
        (genuine(BARE, provenance=[1]), "Observations.provenance: found type list"),
        ("{", "damaged: its metadata cannot be read"),
        ("[]", "damaged: its metadata cannot be read"),
        ("[" * 100_000, "damaged: its metadata cannot be read"),
        ("9" * 10_000, "damaged: its metadata cannot be read"),
    ],
)
def test_metadata_are_verified(tmp_path: Path, record: object, message: str) -> None:
    with pytest.raises(ObservationError, match=message) as caught:
        Observations.load(forged(tmp_path / "f", copy.deepcopy(record)))
    assert "f" in str(caught.value)


def test_nesting_that_parses_but_cannot_be_hashed(tmp_path: Path) -> None:
    for depth in (500, 900, 990, 1000, 5000):
        text = '{"version": 1, "seal": "x", "a": ' + "[" * depth + "]" * depth + "}"
        with pytest.raises(ObservationError, match="damaged"):
            Observations.load(forged(tmp_path / "f", text))


@pytest.mark.parametrize(
    "arrays",
    [
        {"hidden": np.zeros((1, 2), np.float64)},
        {"hidden": np.zeros((1, 2), np.int64)},
        {"token_counts": np.zeros(1, np.float32)},
        {"other": np.zeros(1, np.float32)},
    ],
)
def test_arrays_of_another_name_or_type_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    with pytest.raises(ObservationError, match="not a part of observations"):
        Observations.load(forged(tmp_path / "f", genuine(BARE), arrays))


def test_arrays_are_checked_even_with_the_right_hash(tmp_path: Path) -> None:
    arrays = {"next_logprobs": np.zeros((1, 3), np.float32)}
    digest = storage.content_hash(BARE._named_texts(), arrays)
    path = forged(tmp_path / "f", genuine(BARE, content_hash=digest), arrays)
    with pytest.raises(ObservationError, match=r"f: Observations\.next_logprobs: .* add up to 3"):
        Observations.load(path)


DAMAGED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=300,
)


@DAMAGED
@given(st.data())
def test_damage_never_goes_unseen(stored: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(make().save(stored).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] ^= data.draw(st.integers(1, 255))
    end = data.draw(st.just(len(whole)) | st.integers(0, len(whole)))
    (tmp_path / "damaged").write_bytes(whole[:end])
    # White space that pads the header may change unseen, and nothing else.
    with contextlib.suppress(ObservationError):
        assert Observations.load(tmp_path / "damaged") == make()


@DAMAGED
@given(st.binary(max_size=200))
def test_any_bytes_give_our_error(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "junk").write_bytes(junk)
    with pytest.raises(ObservationError, match="junk"):
        Observations.load(tmp_path / "junk")


@DAMAGED
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "x"]), inner)
        ),
        max_leaves=8,
    ),
    st.sampled_from(["__metadata__", "hidden", "token_counts"]),
)
def test_any_header_gives_our_error(tmp_path: Path, value: object, key: str) -> None:
    texts = storage._canonical({**genuine(BARE), "seal": storage._seal(genuine(BARE))})
    header = {"__metadata__": {storage._METADATA_KEY: texts}, key: value}
    head = json.dumps(header).encode()
    (tmp_path / "junk").write_bytes(len(head).to_bytes(8, "little") + head)
    with pytest.raises(ObservationError, match="junk"):
        Observations.load(tmp_path / "junk")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F4", "BOOL", "U64"])
def test_types_that_numpy_lacks(tmp_path: Path, dtype: str) -> None:
    record = {**genuine(BARE), "seal": storage._seal(genuine(BARE))}
    header = {
        "__metadata__": {storage._METADATA_KEY: storage._canonical(record)},
        "hidden": {"dtype": dtype, "shape": [1, 0], "data_offsets": [0, 0]},
    }
    head = json.dumps(header).encode()
    (tmp_path / "f").write_bytes(len(head).to_bytes(8, "little") + head)
    with pytest.raises(ObservationError, match="not a part of observations"):
        Observations.load(tmp_path / "f")


@pytest.mark.parametrize("shape", [[0, 2**62], [2**63, 0], [1] * 70, [2**32, 2**32]])
def test_impossible_shapes(tmp_path: Path, shape: list[int]) -> None:
    record = {**genuine(BARE), "seal": storage._seal(genuine(BARE))}
    size = 4 if 0 not in shape else 0
    header = {
        "__metadata__": {storage._METADATA_KEY: storage._canonical(record)},
        "hidden": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]},
    }
    head = json.dumps(header).encode()
    (tmp_path / "f").write_bytes(len(head).to_bytes(8, "little") + head + bytes(size))
    with pytest.raises(ObservationError, match="f is damaged"):
        Observations.load(tmp_path / "f")


THIRD_PARTY = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "scipy.stats", "sklearn"):
            raise AssertionError(f"{name} was imported")
sys.meta_path.insert(0, NoTorch())

import numpy as np
from metareval.metrics import BUILTIN, compute
from metareval.observations import Observations

class Hesitation:
    name = "hesitation"
    direction, low, high = "higher", 0.0, np.inf
    reads, fields = ("forget",), ("next_logprobs",)
    needs_oracle = False

    def __call__(self, observed, oracle=None):
        logs = observed["forget"].next_logprobs
        return float(-(np.exp(logs) * logs).sum(axis=1).mean())

seen = {"forget": Observations.load(sys.argv[1])}
names = [m for m, metric in BUILTIN.items() if metric.reads == ("forget",)]
print(compute([Hesitation(), *names], seen, seen)["hesitation"])
assert "scipy.stats" not in sys.modules
"""


def test_a_metric_of_ten_lines_runs_on_stored_observations_without_torch(stored: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", THIRD_PARTY, str(stored)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    logs = make().need("next_logprobs")
    assert float(run.stdout) == pytest.approx(-(np.exp(logs) * logs).sum(axis=1).mean())
