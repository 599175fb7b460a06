"""Disks that fill up, writers that are killed, files that change: nothing half, nothing lost."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import metareval as mr
from metareval.cli import main
from metareval.errors import LoadError, MetarevalError, ObservationError, OutputError
from metareval.evaluation import evaluate
from metareval.evaluation.identity import files_hash
from metareval.files import write_atomic, write_together
from metareval.observations import Observations
from tests import study_files
from tests.fake_models import FakeBackend, FakeBenchmark, make_study

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
ROOT = Path(__file__).parents[2]


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


class Failing:
    """Makes the n-th of the calls with which files are written fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOSPC) -> None:
        self.calls, self.fails_at, self.number = 0, -1, number
        for owner, name in ((os, "open"), (os, "fdopen"), (os, "fsync"), (Path, "replace")):
            monkeypatch.setattr(owner, name, self.wrapped(name, getattr(owner, name)))

    def wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            # Folders are opened to be locked; a file system may have no locks.
            if name == "open" and args[1] == os.O_RDONLY:
                return real(*args, **options)
            self.calls += 1
            if self.calls == self.fails_at:
                raise OSError(self.number, os.strerror(self.number))
            return real(*args, **options)

        return call


def test_a_disk_that_is_full_at_any_call_changes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"a.txt": b"old a", "t/b.txt": b"old b"}
    for name, data in old.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    new = {tmp_path / "a.txt": "new a", tmp_path / "t" / "b.txt": "new b", tmp_path / "c": "new"}
    disk = Failing(monkeypatch)
    reserved = 3 * len(new)  # open, fdopen and fsync; the rest are the replacements
    for n in range(1, reserved + 1):
        disk.calls, disk.fails_at = 0, n
        with pytest.raises(
            OutputError, match=r"No space left on device\. Free some space"
        ) as caught:
            write_together(new)
        assert str([*new][(n - 1) // 3]) in str(caught.value)
        assert content(tmp_path) == old
    for n in range(reserved + 1, reserved + len(new) + 1):
        disk.calls, disk.fails_at = 0, n
        with pytest.raises(OutputError, match=str([*new][n - reserved - 1])):
            write_together(new)
        found = content(tmp_path)
        assert set(found) <= {"a.txt", "t/b.txt", "c"}
        assert set(found.values()) <= {*old.values(), b"new a", b"new b", b"new"}
    disk.fails_at = -1
    write_together(new)
    assert content(tmp_path) == {"a.txt": b"new a", "t/b.txt": b"new b", "c": b"new"}


def test_a_folder_in_the_way_of_one_file_changes_no_other(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match=r"b could not be written: .*The path is a folder"):
        write_together({tmp_path / "a": "x", tmp_path / "b": "y"})
    with pytest.raises(OutputError, match="half of a character"):
        write_together({tmp_path / "a": "x", tmp_path / "c": "\ud800"})
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_a_report_on_a_full_disk_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["report", "unifiedunl-blip2", "--resamples", "5", "--out", str(tmp_path / "r")]
    assert main([*arguments, "--title", "first"]) == 0
    before = content(tmp_path)
    disk = Failing(monkeypatch)
    disk.fails_at = 3 * len(before)  # the last that is written: the page
    assert main([*arguments, "--title", "second"]) == 2
    said = capsys.readouterr().err
    assert "report.html could not be written: No space left on device" in said
    assert content(tmp_path) == before


@pytest.mark.parametrize("number", [errno.EROFS, errno.EFBIG, errno.EDQUOT, errno.EACCES])
def test_what_cannot_be_written_says_what_to_do(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = mr.load_dataset("unifiedunl-blip2")
    seen = Observations("test", ["s1"], ["x"], ["y"])
    disk = Failing(monkeypatch, number)
    for save, name in ((table.save, "t.json"), (seen.save, "o.safetensors")):
        disk.calls, disk.fails_at = 0, 1
        with pytest.raises(OutputError, match=os.strerror(number)) as caught:
            save(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert str(caught.value).endswith((" folder.", " to."))
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_goes_on_after_a_disk_that_is_full_at_any_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, oracles = make_study(tmp_path / "runs")
    models = models[:2]

    def run(out: Path) -> dict[str, bytes]:
        evaluate(FakeBackend(), models, oracle=oracles[0], benchmark=FakeBenchmark(), out=out)
        return {name: (out / name).read_bytes() for name in ("table.csv", "table.json")}

    disk = Failing(monkeypatch)
    whole = run(tmp_path / "alone")
    calls = disk.calls
    assert calls > 4 * len(models)
    for n in range(1, calls + 1):
        out = tmp_path / str(n)
        disk.calls, disk.fails_at = 0, n
        with pytest.raises(OutputError, match="No space left on device"):
            run(out)
        assert not [p for p in content(out) if p.endswith(".tmp")]
        for path in out.rglob("*.safetensors"):
            Observations.load(path)
        disk.fails_at = -1
        assert run(out) == whole


def command(*arguments: str, before: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process, after a line of the shell."""
    words = " ".join(f"'{a}'" for a in (sys.executable, "-m", "metareval.cli", *arguments))
    return subprocess.run(
        ["/bin/sh", "-c", f"{before}{words}"], cwd=ROOT, capture_output=True, text=True, **options
    )


@posix
def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = command(
        *("report", "unifiedunl-blip2", "--resamples", "5", "--out", str(tmp_path / "r")),
        before="ulimit -f 16; ",
    )
    assert done.returncode == 2
    assert "could not be written: File too large. Raise the limit" in done.stderr
    assert "Traceback" not in done.stderr
    assert content(tmp_path) == {}


@posix
def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    if Path("/dev/full").exists():
        for arguments in (("datasets",), ("datasets", "--json"), ("audit", "unifiedunl")):
            done = subprocess.run(
                [
                    "/bin/sh",
                    "-c",
                    f"'{sys.executable}' -m metareval.cli {' '.join(arguments)} >/dev/full",
                ],
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 2
            said = "metareval: the output could not be written: No space left on device.\n"
            assert done.stderr == said
    path = tmp_path / "t.csv"
    path.write_text("m,FA\né😀,0.1\nb,0.2\n", encoding="utf-8")
    done = command("audit", str(path), "--item", "m", before="PYTHONIOENCODING=ascii ")
    assert (done.returncode, done.stderr) == (0, "")
    done = command("agreement", str(path), "--item", "é", before="PYTHONIOENCODING=ascii:strict ")
    assert done.returncode == 2
    assert "Unknown item column '\\xe9'" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=False, capture_output=True)
        subprocess.run(["umount", str(place)], check=True)


@posix
def test_a_small_disk(small_disk: Path) -> None:
    target = small_disk / "a.bin"
    write_atomic(target, b"old" * 1000)
    with pytest.raises(OutputError, match=r"a\.bin could not be written: No space left on device"):
        write_atomic(target, b"new" * 100_000)
    assert content(small_disk) == {"a.bin": b"old" * 1000}
    table = mr.load_dataset("unifiedunl")
    for i in range(100):
        try:
            table.save(small_disk / f"{i}.json")
        except OutputError:
            break
    assert 0 < i < 99
    assert {len(mr.read_table(p)) for p in small_disk.glob("*.json")} == {36}
    assert len(content(small_disk)) == i + 1
    done = subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True)
    if done.returncode == 0:
        with pytest.raises(OutputError, match=r"Read-only file system\. Choose a folder"):
            write_atomic(target, b"x")
        with pytest.raises(OutputError, match="could not be created: Read-only file system"):
            mr.report(table, small_disk / "report", n_resamples=5)


# Writers that are killed, and writers that meet

WRITER = """
import sys
from pathlib import Path
from metareval.files import write_together
folder, mark, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for i in range(rounds):
    text = f"{mark}{i:06}" * 3000
    write_together({folder / name: text for name in ("a.txt", "b.txt", "t/c.txt")})
"""


def writer(folder: Path, mark: str, rounds: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(folder), mark, str(rounds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@posix
def test_a_killed_writer_leaves_whole_files(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    rng = random.Random(3)
    for number in range(6):
        process = writer(tmp_path, chr(65 + number), 10**6)
        time.sleep(0.05 + rng.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        found = {n: d.decode() for n, d in content(tmp_path).items() if not n.endswith(".tmp")}
        assert set(found) == {"a.txt", "b.txt", "t/c.txt"}
        for text in found.values():
            assert text == text[:7] * 3000
    # What a killed writer leaves is hidden, and is no result.
    left = list(tmp_path.rglob("*.tmp"))
    assert all(p.name.startswith(".") for p in left)


@posix
def test_two_writers_never_mix_their_files(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for _ in range(4):
        both = [writer(tmp_path, mark, 15) for mark in "AB"]
        for process in both:
            assert process.wait(60) == 0
            process.stdout.close()  # type: ignore[union-attr]
        found = content(tmp_path)
        assert len(found) == 3
        assert len(set(found.values())) == 1


EVALUATION = """
import sys
from metareval.evaluation import evaluate
from tests.fake_models import FakeBackend, FakeBenchmark
out, oracle, *models = sys.argv[1:]
evaluate(FakeBackend(pause=0.01), models, oracle=oracle, benchmark=FakeBenchmark(), out=out)
"""


def test_two_processes_write_one_evaluation(tmp_path: Path) -> None:
    models, oracles = make_study(tmp_path / "runs")
    out = tmp_path / "out"
    code = [sys.executable, "-c", EVALUATION, str(out), oracles[0], *models]
    both = [subprocess.Popen(code, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    alone = tmp_path / "alone"
    evaluate(FakeBackend(), models, oracle=oracles[0], benchmark=FakeBenchmark(), out=alone)
    for name in ("table.csv", "table.json"):
        assert (out / name).read_bytes() == (alone / name).read_bytes()
    assert not list(out.rglob("*.tmp"))
    assert len(list(out.rglob("*.safetensors"))) == len(list(alone.rglob("*.safetensors")))


def test_two_processes_run_one_study(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path, out = study_files.write(tmp_path), tmp_path / "out"
    code = [sys.executable, "-m", "metareval.cli", "study", "run", str(path), "--out", str(out)]
    both = [
        subprocess.Popen(
            code, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=240)[0] for process in both]
    # Whoever comes second is told who is at work, or finds all of it made.
    ends = [process.returncode for process in both]
    assert sorted(ends) in ([0, 0], [0, 2]), said
    for code_, text, other in zip(ends, said, reversed(both), strict=True):
        if code_:
            assert f"process {other.pid}" in text
            assert "Traceback" not in text
    from metareval_backends.study import study_table

    assert len(study_table(str(path), out).table) == 4
    assert not list(out.rglob("*.tmp"))


# Files that change, vanish or fail while they are read

CSV = "m,FA\n" + "".join(f"a{i},0.5\n" for i in range(1000))


@contextlib.contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> Iterator[None]:
    """Change something once a file has been opened, before it is read."""
    real, done = os.fstat, []

    def fstat(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        if not done:
            done.append(True)
            change()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fstat)
        yield
    assert done


def append(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def test_files_that_change_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    changes: tuple[Callable[[], object], ...] = (
        lambda: os.truncate(path, 505),  # at the end of a line: a whole table, of fewer rows
        lambda: os.truncate(path, 0),
        lambda: append(path, "b,0.5\n"),
        lambda: (path.write_text(CSV.replace("0.5", "0.6")), os.utime(path, (1, 1))),
    )
    for change in changes:
        path.write_text(CSV)
        with (
            meanwhile(monkeypatch, change),
            pytest.raises(LoadError, match=r"t\.csv changed while it was read"),
        ):
            mr.read_table(path, item="m")
    path.write_text(CSV)
    with meanwhile(monkeypatch, path.unlink):
        assert len(mr.read_table(path, item="m")) == 1000  # it is still open
    with pytest.raises(LoadError, match=r"t\.csv: there is no such file"):
        mr.read_table(path, item="m")


def test_runs_that_change_or_vanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.json").write_text('{"FA": 0.5, "RA": 0.25}')
    options: dict[str, Any] = dict.fromkeys(["block", "item", "replicate", "oracle"])
    with meanwhile(monkeypatch, lambda: os.truncate(tmp_path / "a.json", 3)):
        done = mr.import_runs(tmp_path, **options)
    assert done.used == ("b.json", "c.json")
    assert "changed while it was read" in done.skipped["reason"][0]
    real = Path.glob

    def glob(self: Path, pattern: str) -> list[Path]:
        found = list(real(self, pattern))
        (tmp_path / "b.json").unlink()
        return found

    monkeypatch.setattr(Path, "glob", glob)
    done = mr.import_runs(tmp_path, **options)
    assert done.used == ("c.json",)
    assert dict(done.skipped.itertuples(index=False))["b.json"] == "gone since it was listed"


class Unplugged(io.BytesIO):
    """A file on a disk that is pulled out."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.descriptor = os.open(path, os.O_RDONLY)

    def fileno(self) -> int:
        return self.descriptor

    def read(self, _size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def close(self) -> None:
        os.close(self.descriptor)
        super().close()


def test_a_disk_that_is_unplugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("t.csv", "t.json", "t.jsonl", "t.parquet", "model.bin"):
        (tmp_path / name).write_text(CSV)
    seen = Observations("test", ["s1"], ["x"], ["y"]).save(tmp_path / "o.safetensors")
    readers: dict[str, Callable[[Path], object]] = {
        **dict.fromkeys(["t.csv", "t.json", "t.jsonl", "t.parquet"], mr.read_table),
        "model.bin": lambda p: files_hash(str(p.parent)),
        seen.name: Observations.load,
    }
    monkeypatch.setattr(Path, "open", lambda self, mode: Unplugged(self))  # noqa: ARG005
    for name, read in readers.items():
        with pytest.raises((LoadError, ObservationError)) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "Input/output error" in str(caught.value)
        seen.exists()
        if name == "model.bin":
            (tmp_path / name).unlink()


@pytest.mark.parametrize("whole", [2**20, 5000], ids=["in full", "in places"])
@pytest.mark.parametrize("size", [10, 20_000], ids=["shorter", "longer"])
def test_a_checkpoint_that_changes_while_it_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: int, size: int
) -> None:
    from metareval.evaluation import identity

    path = tmp_path / "model.bin"
    path.write_bytes(b"x" * 10_000)
    monkeypatch.setattr(identity, "_WHOLE_BYTES", whole)
    monkeypatch.setattr(identity, "_PLACE_BYTES", 100)
    real = Path.open

    def opened(self: Path, mode: str) -> Any:
        # Its size is known by now.
        os.truncate(self, size)
        return real(self, mode)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(LoadError, match=r"model\.bin: .* it changed while it was read"):
        files_hash(str(tmp_path))


@posix
def test_half_a_file_of_observations(tmp_path: Path) -> None:
    path = Observations("test", ["s1", "s2"], ["x", "y"], ["y", "z"]).save(
        tmp_path / "o.safetensors"
    )
    data = path.read_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(ObservationError, match=r"o\.safetensors"):
            Observations.load(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(ObservationError, match="arrays do not end where the file does"):
        Observations.load(path)


def test_hostile_weight_distances_are_measured_again() -> None:
    from metareval.evaluation.weights import _sound

    for distance in (10**400, True, "1", None, float("inf"), float("nan"), -1.0, [1.0]):
        entry = json.loads(json.dumps({"model": {}, "oracle": {}, "distance": distance}))
        assert not _sound(entry)
    assert _sound({"model": {}, "oracle": {}, "distance": 0.5})


def test_names_too_long_for_the_file_system(capsys: pytest.CaptureFixture[str]) -> None:
    name = "n" * 5000
    assert main(["audit", f"{name}.csv"]) == 2
    assert "File name too long" in capsys.readouterr().err
    with pytest.raises(MetarevalError):
        mr.read_table(f"{name}.csv")
    options = ["--backend", "none", "--benchmark", "none", "--oracle", "o", "--out", "/proc/none"]
    assert main(["evaluate", "--checkpoint", f"a={name}", *options]) == 2
    assert "Unknown benchmark 'none'" in capsys.readouterr().err
