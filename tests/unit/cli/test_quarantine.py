import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ml.cli import app
from ml.contract.errors import NotFound
from ml.data.phantoms.files import encode


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command, with a home of its own that refused a strip; what it prints."""
    monkeypatch.setenv("VIGIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        result = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
        if isinstance(result.exception, Exception):
            raise result.exception
        return result

    (tmp_path / "in" / "benign").mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (80, 400), dtype=np.uint8)
    (tmp_path / "in" / "benign" / "strip.png").write_bytes(encode(pixels, "image/png"))
    run("ingest", str(tmp_path / "in"))
    run("validate")
    return run


def test_a_file_is_listed_shown_exported_and_released(run, tmp_path: Path):
    assert "1 files in quarantine" in run("quarantine").stdout
    (item,) = json.loads(run("--json", "quarantine", "--code", "too-elongated").stdout)
    assert item["faults"][0]["observed"] == 5
    assert json.loads(run("--json", "quarantine", "--code", "blurred").stdout) == []
    shown = run("quarantine", "show", item["quarantine_id"][:8]).stdout
    assert "aspect is 5; max value 4" in shown
    assert "refused by batch" in shown
    target = tmp_path / "out.png"
    run("quarantine", "show", item["quarantine_id"], "--export", str(target))
    assert target.read_bytes() == (tmp_path / "in" / "benign" / "strip.png").read_bytes()
    told = run("quarantine", "release", item["quarantine_id"], "--reason", "a panorama").stdout
    assert "With the next ingest come in: 1." in told
    assert json.loads(run("--json", "quarantine").stdout) == []
    assert json.loads(run("--json", "quarantine", "--all").stdout)[0]["state"] == "released"


def test_nothing_is_decided_on_files_that_nobody_named(run):
    for verb in ("release", "discard"):
        result = run("quarantine", verb, "--reason", "all of them")
        assert result.exit_code == 2
        assert "--code or --batch" in result.output
    with pytest.raises(NotFound):
        run("quarantine", "discard", "0000", "--reason", "gone")
    assert (
        "Discarded: 1."
        in run("quarantine", "discard", "--code", "too-elongated", "--reason", "x").stdout
    )


def test_batches_are_listed_and_shown(run):
    (batch,) = json.loads(run("--json", "batches").stdout)
    assert (batch["state"], batch["files"]) == ("committed", 1)
    assert "0 of 1 files accepted" in run("batches").stdout
    assert "too long for its width" in run("batches", "show", batch["batch_id"][:6]).stdout
    assert json.loads(run("--json", "batches", "--held").stdout) == []
