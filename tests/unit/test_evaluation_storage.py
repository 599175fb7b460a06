"""What is stored is used again, and only where it is that of the same model and samples."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metareval.errors import LoadError, ObservationError
from metareval.evaluation import Evaluation, evaluate
from metareval.evaluation.identity import Identity, files_hash
from metareval.evaluation.samples import samples_hash
from metareval.evaluation.storage import slug
from metareval.observations import Observations
from metareval.protocols import Sample
from tests.fake_models import (
    FakeBackend,
    FakeBenchmark,
    MeasuringBackend,
    make_checkpoint,
    make_study,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(tmp_path: Path) -> tuple[list[str], list[str]]:
    return make_study(tmp_path / "runs", n=2, oracles=1)


def again(
    study: Any, tmp_path: Path, backend: Any = None, **options: Any
) -> tuple[Any, Evaluation]:
    backend = FakeBackend() if backend is None else backend
    given = {"benchmark": FakeBenchmark(), "out": tmp_path / "out", **options}
    done = evaluate(backend, study[0], oracle=study[1], **given)
    return backend, done


def observed(backend: FakeBackend) -> list[str]:
    return [line.removeprefix("observe ") for line in backend.log if line.startswith("observe")]


def test_nothing_is_computed_twice(study: Any, tmp_path: Path) -> None:
    first, one = again(study, tmp_path)
    table = (tmp_path / "out" / "table.json").read_bytes()
    second, two = again(study, tmp_path)
    assert len(observed(first)) == 8
    assert not second.log
    np.testing.assert_array_equal(one.table.values, two.table.values)
    assert (tmp_path / "out" / "table.json").read_bytes() == table
    assert {*two.rows[0].sources.values()} == {"stored"}


def test_a_new_metric_costs_only_its_splits(study: Any, tmp_path: Path) -> None:
    again(study, tmp_path, metrics=["FA"])
    backend, _ = again(study, tmp_path, metrics=["FA", "RA"])
    assert observed(backend) == ["model-0 retain", "model-1 retain"]


def test_a_changed_checkpoint_is_observed_again(study: Any, tmp_path: Path) -> None:
    again(study, tmp_path)
    make_checkpoint(Path(study[0][1]), knows=0.3, seed=5)
    backend, done = again(study, tmp_path)
    assert {line.split()[0] for line in observed(backend)} == {"model-1"}
    assert any("model-1" in note and "files changed" in note for note in done.notes)


def test_a_changed_fingerprint_is_observed_again(study: Any, tmp_path: Path) -> None:
    class Other(MeasuringBackend):
        def fingerprint(self, *_: Any) -> str:
            return "other"

    again(study, tmp_path, MeasuringBackend())
    backend, _ = again(study, tmp_path, MeasuringBackend())
    assert not backend.log
    backend, done = again(study, tmp_path, Other())
    assert len(observed(backend)) == 8
    assert "fingerprint changed" in done.rows[0].sources["forget"]


def test_changed_samples_are_observed_again(study: Any, tmp_path: Path) -> None:
    again(study, tmp_path)
    backend, done = again(study, tmp_path, benchmark=FakeBenchmark(suffix="!"))
    assert len(observed(backend)) == 8
    assert "samples changed" in done.rows[0].sources["forget"]


@pytest.mark.parametrize("option", [{"base": "b"}, {"layer": "x"}, {"limit": 4}])
def test_settings_do_not_replace_each_other(
    study: Any, tmp_path: Path, option: dict[str, Any]
) -> None:
    again(study, tmp_path)
    backend, _ = again(study, tmp_path, **option)
    assert len(observed(backend)) == 8
    backend, _ = again(study, tmp_path)
    assert not backend.log


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "pickle", "link", "other split"])
def test_damaged_files_are_observed_again(study: Any, tmp_path: Path, damage: str) -> None:
    _, before = again(study, tmp_path)
    files = sorted((tmp_path / "out").glob("observations/model-0-*/forget.safetensors"))
    assert len(files) == 1
    path, data = files[0], files[0].read_bytes()
    if damage == "link":
        path.unlink()
        path.symlink_to("nowhere")
    elif damage == "other split":
        path.write_bytes(path.with_name("retain.safetensors").read_bytes())
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes(
            {"cut": data[:-9], "flip": flipped, "empty": b"", "pickle": b"\x80\x04."}[damage]
        )
    backend, done = again(study, tmp_path)
    assert observed(backend) == ["model-0 forget"]
    assert any("Observed again" in note and "forget" in note for note in done.notes)
    np.testing.assert_array_equal(done.table.values, before.table.values)
    assert path.read_bytes() == data


def test_observations_outlive_their_checkpoints(study: Any, tmp_path: Path) -> None:
    _, before = again(study, tmp_path)
    (tmp_path / "runs").rename(tmp_path / "moved")
    backend, done = again(study, tmp_path)
    assert not backend.log
    np.testing.assert_array_equal(done.table.values, before.table.values)
    assert any("not here to be compared" in note for note in done.notes)


def test_a_link_out_of_the_folder_is_refused(study: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "observations").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="link that leaves"):
        again(study, tmp_path)
    assert not any((tmp_path / "elsewhere").iterdir())


# A process that is killed, and one that must stay light

SCRIPT = """
    import sys
    from pathlib import Path
    from metareval.evaluation import evaluate
    from tests.fake_models import FakeBackend, FakeBenchmark
    root = Path(sys.argv[1])
    done = evaluate(
        FakeBackend(journal=root / "journal", pause=float(sys.argv[2])),
        sorted(map(str, (root / "runs").glob("model-*"))),
        oracle=str(root / "runs" / "oracle-0"), benchmark=FakeBenchmark(), out=root / "out",
    )
    assert not done.failed
"""


def script(root: Path, pause: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(root), str(pause)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def journal(root: Path) -> list[str]:
    path = root / "journal"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.startswith("observe")]


def test_killed_and_resumed_with_nothing_observed_twice(tmp_path: Path) -> None:
    make_study(tmp_path / "runs", n=3, oracles=1)
    process = script(tmp_path, 0.3)
    try:
        for _ in range(600):
            # The oracle is stored by now, and the first model is half done.
            if len(journal(tmp_path)) >= 4:
                break
            time.sleep(0.05)
        # In the middle of the next split's pause.
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    before = journal(tmp_path)
    assert 4 <= len(before) < 11
    assert not (tmp_path / "out" / "table.json").exists()
    files = list((tmp_path / "out").rglob("*.safetensors"))
    # What is there is whole.
    assert len([Observations.load(path) for path in files]) == len(before)
    assert script(tmp_path, 0.0).wait() == 0
    after = journal(tmp_path)
    assert len(after) == len(set(after)) == 11
    assert (tmp_path / "out" / "table.json").exists()


def test_stored_observations_need_no_backend(study: Any, tmp_path: Path) -> None:
    """By its name, a backend whose import would load torch is not even looked for."""

    class Named(FakeBackend):
        name = "llava"

    again(study, tmp_path, Named())
    code = f"""
        import sys
        import metareval as mr
        from tests.fake_models import FakeBenchmark
        done = mr.evaluate(
            "llava", {study[0]!r}, oracle={study[1]!r}, benchmark=FakeBenchmark(),
            out={str(tmp_path / "out")!r},
        )
        assert len(done.table) == 2
        heavy = ("torch", "transformers", "metareval_backends", "scipy.stats", "statsmodels", "PIL")
        print(*(name for name in heavy if name in sys.modules))
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == ""


# Names and hashes


def test_slugs_are_safe_and_told_apart() -> None:
    names = ["a/b", "a-b", "a b", "../../etc/passwd", "/", "..", "C:\\x", "é" * 300, ".hidden"]
    slugs = [slug({"checkpoint": name}) for name in names]
    assert len(set(slugs)) == len(names)
    for each in slugs:
        assert each.isascii()
        assert len(each) <= 60
        assert not each.startswith((".", "-"))
        assert "/" not in each
        assert "\\" not in each
    assert slug({"checkpoint": "a", "base": "x"}) != slug({"checkpoint": "a", "base": "y"})


def test_hash_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    make_checkpoint(folder)
    whole = files_hash(str(folder))
    assert files_hash(str(tmp_path / "none")) is None
    assert files_hash("org/name") is None
    (folder / ".lock").write_text("x")
    make_checkpoint(folder / "checkpoint-100")
    (folder / "checkpoint-100" / "config.json").write_text("{}")
    assert files_hash(str(folder)) == whole
    (folder / "out").mkdir()
    (folder / "out" / "a").write_text("x")
    assert files_hash(str(folder), leave_out=folder / "out") == whole
    assert files_hash(str(folder)) != whole
    # A large file is looked at in places: a stretch that changes shows.
    monkeypatch.setattr("metareval.evaluation.identity._WHOLE_BYTES", 2**16)
    big = tmp_path / "big.bin"
    data = np.random.default_rng(0).integers(0, 256, 40 * 2**20, dtype=np.uint8)
    data.tofile(big)
    first = files_hash(str(big))
    data[15 * 2**20 : 15 * 2**20 + 2**15] += 1
    data.tofile(big)
    assert files_hash(str(big)) != first


def test_unreadable_checkpoint_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    make_checkpoint(tmp_path / "model")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(
            LoadError, match=r"model\.json: the checkpoint cannot be read: Permission"
        ):
            files_hash(str(tmp_path / "model"))


def test_identity_compares_what_is_known() -> None:
    stored = {"checkpoint": "a", "backend": "b", "checkpoint files": "1", "base files": ""}
    names = {"checkpoint": "a", "backend": "b"}
    assert Identity(names, {"checkpoint files": "1"}).difference(stored) == ""
    assert Identity(names, {"checkpoint files": None}).difference(stored) == ""
    assert "changed" in Identity(names, {"checkpoint files": "2"}).difference(stored)
    assert "changed" in Identity(names, {"base files": "2"}).difference(stored)
    assert "another backend" in Identity({**names, "backend": "c"}, {}).difference(stored)


def test_hash_of_samples_sees_every_part() -> None:
    def one(**changes: Any) -> str:
        given = {"sample_id": "s", "subject_id": "x", "question": "q", "answer": "a"}
        return samples_hash([Sample(**{**given, "image": None, **changes})])

    class Picture:
        mode, size = "P", (1, 1)

        def __init__(self, palette: list[int]) -> None:
            self.palette = palette

        def tobytes(self) -> bytes:
            return b"x"

        def getpalette(self) -> list[int]:
            return self.palette

    array = np.zeros((2, 2, 3), dtype=np.uint8)
    hashes = [
        one(),
        one(sample_id="t"),
        one(question="r"),
        one(answer="b"),
        one(image=array),
        one(image=array.reshape(4, 1, 3)),
        one(image=array.astype(np.float32)),
        one(image=b"\0" * 12),
        one(image="path"),
        one(image=Picture([1])),
        one(image=Picture([2])),
    ]
    assert len(set(hashes)) == len(hashes)
    assert one(image=array.tolist()) == one(image=array.astype(int))
    assert one(subject_id="y") == one()
    for image in (object(), {"a": 1}, [[1], [1, 2]]):
        with pytest.raises(ObservationError, match="image of sample 's'"):
            one(image=image)


def test_hash_of_pillow_images() -> None:
    image = pytest.importorskip("PIL.Image")
    red, blue = (image.new("RGB", (2, 2), colour) for colour in ("red", "blue"))
    one, two = (samples_hash([Sample("s", "x", "q", "a", each)]) for each in (red, blue))
    assert one != two
    assert one == samples_hash([Sample("s", "x", "q", "a", red.copy())])


def test_a_pillow_image_that_cannot_be_decoded_is_named() -> None:
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    image.fromarray(noise).save(stream, "PNG")
    broken = image.open(io.BytesIO(stream.getvalue()[:3000]))
    with pytest.raises(ObservationError, match=r"image of sample 's' .*truncated"):
        samples_hash([Sample("s", "x", "q", "a", broken)])
