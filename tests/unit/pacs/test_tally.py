import logging

from ml.pacs.tally import Tally


def test_a_look_at_the_port_makes_no_noise(caplog):
    caplog.set_level(logging.INFO)
    Tally("10.0.0.1").tell("lost")
    assert caplog.text == ""


def test_a_loss_is_a_warning_and_an_ordinary_end_is_not(caplog):
    caplog.set_level(logging.INFO)
    for ending in ("released", "lost"):
        tally = Tally("10.0.0.1")
        tally.caller, tally.landed = "CT1", 3
        tally.tell(ending)
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert caplog.messages[0].startswith("Association of CT1 at 10.0.0.1: 3 landed; 0.0 MB in")
