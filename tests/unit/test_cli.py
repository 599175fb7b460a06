"""The command line: what it prints, how wide, and how it exits."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import metareval as mr
from metareval.cli import main
from metareval.progress import show_progress, stage, track

FAST = ["--resamples", "50"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["datasets"],
        ["plugins"],
        ["audit", "unifiedunl"],
        ["audit", "unifiedunl-unimodal"],
        ["audit", "unifiedunl-blip2"],
        ["audit", "--explain", "MR001"],
        ["audit", "--explain", "all"],
        ["agreement", "unifiedunl", *FAST],
        ["agreement", "unifiedunl", "--protocol", "published"],
        ["clusters", "unifiedunl", *FAST],
        ["reliability", "unifiedunl", *FAST],
        ["reliability", "unifiedunl", "--statistic", "kendall", "--estimate", "pooled", *FAST],
        ["compare", "unifiedunl", *FAST],
        ["uqs", "unifiedunl", *FAST],
        ["uqs", "unifiedunl", "--weights", "cross_fitted", *FAST],
        ["perturb", "unifiedunl", *FAST],
        ["perturb", "unifiedunl", "--protocol", "published"],
        ["plan", "--rho", "0.4", "--models", "36", "--tests", "5"],
        ["plan", "unifiedunl"],
    ],
)
def test_every_command_in_80_columns_and_as_json(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert out.strip()
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    assert json.loads(out, parse_constant=pytest.fail)


def test_help_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "exit codes" in capsys.readouterr().out
    for command in ("report", "audit", "agreement", "reliability", "uqs", "perturb", "plan"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        assert "--json" in capsys.readouterr().out


def test_numbers_are_those_of_the_library(
    capsys: pytest.CaptureFixture[str], released: mr.MetricTable
) -> None:
    _, out, _ = run(capsys, "reliability", "unifiedunl", "--json", *FAST)
    frame = json.loads(out)["frame"]
    rho = dict(zip(frame["index"], (row[0] for row in frame["data"]), strict=True))
    expected = mr.reliability(released, n_resamples=50, rng=0).rho
    assert rho == pytest.approx(expected.to_dict())


def test_a_file_with_roles(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("model,bleu,loss,dist\na,1,3,.1\nb,2,2,.3\nc,3,1,.2\nd,4,0,.4\n")
    code, out, _ = run(
        capsys, "reliability", str(path), "--item", "model", "--higher", "bleu",
        "--lower", "loss", "--oracle", "dist", *FAST,
    )  # fmt: skip
    assert code == 0
    assert "bleu" in out
    code, _, err = run(capsys, "reliability", str(path), "--oracle", "dist", *FAST)
    assert code == 2
    assert "No direction is known for 'bleu', 'loss'" in err
    assert "directions={'bleu': ..., 'loss': ...}" in err
    assert "On the command line: --lower NAME, --higher NAME, --metrics NAME." in err
    code, _, err = run(
        capsys, "uqs", str(path), "--item", "model", "--higher", "bleu",
        "--lower", "loss", "--oracle", "dist", *FAST,
    )  # fmt: skip
    assert code == 2
    assert err.endswith("On the command line: --transform NAME=TRANSFORM.\n")
    code, _, err = run(capsys, "audit", str(path), "--higher", "bleu", "--lower", "bleu", "loss")
    assert code == 2
    assert "'bleu' stands under both" in err


def test_items_that_outrank_others_stand_by_rank_and_not_beside_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = run(capsys, "perturb", "unifiedunl", *FAST)
    matrix = out.split("outranks the column's:\n")[1].split("\n\n")[0].splitlines()
    names = matrix[0].split()[1:]
    assert names == ["gradient_ascent", "random_labels", "salun", "finetune_retain"]
    for position, line in enumerate(matrix[1:]):
        name, *shares = line.split()
        assert name == names[position]
        assert [at for at, share in enumerate(shares) if share == "-"] == [position]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["audit", "no-such-table"], "Unknown table"),
        (["audit", "missing.csv"], "missing.csv"),
        (["audit"], "Name a table to audit"),
        (["audit", "--explain", "MR999"], "Unknown"),
        (["audit", "unifiedunl", "--select", "MR999"], "Unknown"),
        (["reliability", "unifiedunl-unimodal"], "has no oracle"),
        (["agreement", "unifiedunl", "--resamples", "0"], "n_resamples is 0"),
        (["agreement", "unifiedunl", "--seed", "-1"], "rng is -1"),
        (["plan", "--block", "dataset"], "Name a table too"),
        (["plan", "--models", "0"], "On the command line: --models N."),
        (["plan", "--models", "9", "--blocks", "0"], "On the command line: --blocks N."),
        (["clusters", "unifiedunl", "--clusters", "0"], "On the command line: --clusters N."),
        (["clusters", "unifiedunl", "--resamples", "0"], "On the command line: --resamples N."),
        (["clusters", "unifiedunl", "--seed", "-1"], "On the command line: --seed N."),
        (["uqs", "unifiedunl", "--transform", "AD"], "NAME=TRANSFORM"),
        (["perturb", "unifiedunl-unimodal"], "has no oracle"),
    ],
)
def test_errors_are_one_line_without_a_traceback(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert message in err
    assert err.startswith("metareval: ")
    assert len(err.splitlines()) == 1
    assert not out


def test_audit_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "audit", "unifiedunl")[0] == 0
    assert run(capsys, "audit", "unifiedunl", "--fail-on", "error")[0] == 1
    assert run(capsys, "audit", "unifiedunl", "--fail-on", "warning", "--select", "MR016")[0] == 0
    only = run(capsys, "audit", "unifiedunl", "--select", "MR010", "--fail-on", "error")
    assert only[0] == 0
    assert "MR010" in only[1]
    assert run(capsys, "audit", "unifiedunl", "--select", "MR010", "--fail-on", "warning")[0] == 1
    without = run(capsys, "audit", "unifiedunl", "--ignore", "MR002", "--json")
    assert "MR002" not in {f["code"] for f in json.loads(without[1])["findings"]}


def test_report_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = run(capsys, "report", "--out", str(out), *FAST)
    assert code == 0
    assert str(out / "report.html") in text
    assert (out / "report.html").is_file()
    assert err  # says what it is doing


def test_report_takes_a_title_and_transforms(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("model,acc,loss,dist\na,.1,3,.1\nb,.2,2,.3\nc,.3,1,.2\nd,.4,0,.4\n")
    code, _, _ = run(
        capsys, "report", str(path), "--item", "model", "--higher", "acc", "--lower", "loss",
        "--oracle", "dist", "--transform", "loss=reciprocal", "--title", "My title",
        "--out", str(tmp_path / "out"), *FAST,
    )  # fmt: skip
    assert code == 0
    assert "My title" in (tmp_path / "out" / "report.html").read_text()
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert "score" not in results["problems"]


def test_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mr, "plan", interrupted)
    assert main(["plan"]) == 130


def test_a_closed_pipe_is_no_traceback() -> None:
    command = f"{sys.executable} -m metareval.cli audit --explain all | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("MR001")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: float(next(ticks)))
    screen, log = Terminal(), io.StringIO()
    for stream in (screen, log):
        with show_progress(stream):
            stage("reading")
            assert list(track([[1, 2], [3, 4], [5]], total=5, label="draws")) == [
                [1, 2], [3, 4], [5],
            ]  # fmt: skip
    assert "draws:  80%" in screen.getvalue()
    assert log.getvalue() == "reading\n"
    assert list(track([1, 2], total=2, label="silent")) == [1, 2]


def test_a_plan_takes_models_blocks_and_tests_from_a_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = mr.load_dataset("unifiedunl")
    for options, given in (([], {}), (["--models", "30", "--tests", "1"], {"n_units": 30})):
        _, out, _ = run(capsys, "plan", "unifiedunl", "--json", *options)
        expected = mr.plan(table, rng=0, **given, tests=1 if given else None)
        assert json.loads(out) == json.loads(json.dumps(expected.to_dict()))
