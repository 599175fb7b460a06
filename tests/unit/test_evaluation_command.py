"""The command ``evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metareval import plugins
from metareval.cli import main
from metareval.commands import evaluate as command
from tests.fake_models import FakeBackend, FakeBenchmark, make_checkpoint, make_study


class Configurable(FakeBenchmark):
    def configured(self, **options: Any) -> FakeBenchmark:
        return FakeBenchmark({"forget": int(options["n"]), "retain": 4, "nonmember": 4})


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Any:
    """Run the command with a fake backend and benchmark found by name."""
    monkeypatch.setattr("metareval.evaluation.models.get_backend", lambda _: FakeBackend())
    monkeypatch.setattr(plugins, "get_benchmark", lambda _: Configurable())
    make_study(tmp_path / "runs", n=3, oracles=2)
    monkeypatch.chdir(tmp_path)
    fixed = ["evaluate", "--backend", "fake", "--benchmark", "fake", "--out", "out"]

    def run(*arguments: str, oracle: str = "runs/oracle-0") -> tuple[int, str, str]:
        code = main([*fixed, "--oracle", oracle, *arguments])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


MODELS = ["--checkpoint", "runs/model-0", "--checkpoint", "runs/model-1"]


def test_table_as_text_and_json(call: Any) -> None:
    code, out, err = call(*MODELS, "--oracle", "runs/oracle-1")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "Noise floor (function)" in out
    assert "out/table.json" in out
    assert "[2/2] runs/model-1: observe forget, retain, nonmember" in err
    code, out, err = call(*MODELS, "--json")
    assert code == 0
    assert json.loads(out, parse_constant=pytest.fail)["checkpoints"][0]["status"] == "done"
    assert "[2/2] runs/model-1: stored" in err


def test_the_table_goes_into_other_commands(call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call(*MODELS, "--checkpoint", "runs/model-2")
    assert main(["reliability", "out/table.json", "--resamples", "20"]) == 0
    assert "FA_gap" in capsys.readouterr().out


def test_names_for_checkpoints(call: Any, tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "a=b")
    code, out, _ = call("--checkpoint", "GA=runs/model-0", "--checkpoint", "a=b", "--json")
    assert code == 0
    labels = [c["labels"]["label"] for c in json.loads(out)["checkpoints"]]
    assert labels == ["GA", "a=b"]
    assert json.loads(out)["roles"]["item"] == ["label"]


def test_file_of_checkpoints_with_roles(call: Any, tmp_path: Path) -> None:
    lines = [f"runs/model-{i},{'AB'[i // 2]},{i % 2}" for i in range(3)]
    (tmp_path / "list.csv").write_text("\n".join(["checkpoint,method,seed", *lines]))
    code, out, _ = call(
        "--checkpoints", "list.csv", "--item", "method", "--replicate", "seed", "--json"
    )
    assert code == 0
    assert json.loads(out)["roles"] == {"block": None, "item": ["method"], "replicate": ["seed"]}


def test_options_of_the_benchmark(call: Any) -> None:
    code, out, _ = call(*MODELS, "--benchmark-option", "n=3", "--json")
    assert code == 0
    assert json.loads(out)["samples"]["forget"] == 3
    for given, message in (("n", "KEY=VALUE"), ("a b=1", "KEY=VALUE")):
        code, _, err = call(*MODELS, "--benchmark-option", given)
        assert code == 2
        assert message in err


def test_benchmark_without_options(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "get_benchmark", lambda _: FakeBenchmark())
    code, _, err = call(*MODELS, "--benchmark-option", "n=3")
    assert code == 2
    assert "takes no options" in err


def test_exit_codes(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = call(*MODELS, "--checkpoint", "runs/gone")
    assert code == 1
    assert "runs/gone: runs/gone/model.json is missing." in " ".join(err.split())
    assert "model-1" in out
    code, _, err = call("--checkpoint", "runs/gone")
    assert code == 2
    assert "None of the 1 checkpoints" in err
    code, _, err = call(*MODELS, oracle="runs/gone")
    assert code == 2
    assert "oracle 'runs/gone'" in err

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeBackend, "load", interrupt)
    code, _, _ = call("--checkpoint", "runs/model-2")
    assert code == 130


def test_help_and_missing_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "exit codes" in text
    assert "--benchmark-option KEY=VALUE" in text
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "--backend", "x"])
    assert stop.value.code == 2
    assert command.SUMMARY.islower()
