from typing import Any

import pytest
from typer.testing import CliRunner

from ml.cli import app
from ml.pacs.results import AnswerRound, CollectRound

NOTHING = {"studies": 0, "known": 0, "refused": 0}


@pytest.mark.parametrize(
    ("verb", "stage", "kind", "counted"),
    [
        ("pacs", "ml.journey.pacs_answer.answer", AnswerRound, {"unreported": 0, "images": 0}),
        ("collect", "ml.journey.pacs_collect.collect", CollectRound, {"landed": 0}),
    ],
)
def test_studies_that_come_again_and_those_given_up_are_told(
    tmp_path, monkeypatch, verb, stage, kind, counted: dict[str, Any]
):
    monkeypatch.setenv("VIGIE_HOME", str(tmp_path))

    def told(**troubled: int) -> str:
        seen = kind(**NOTHING, **counted, **troubled)
        monkeypatch.setattr(stage, lambda *_, **__: seen)
        return CliRunner().invoke(app, [verb], catch_exceptions=False).stdout

    assert told(failed=2, given_up=1).endswith(
        "; 2 are tried again later; 1 are given up: the log says why.\n"
    )
    assert "later" not in told(failed=0, given_up=0)
    assert "given up" not in told(failed=2, given_up=0)
