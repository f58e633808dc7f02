"""The trigger that notices images landing."""

import asyncio

import pytest


async def first_event(trigger, act, *, within):
    events = trigger.run()
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(trigger.seconds)
    act()
    try:
        return await asyncio.wait_for(waiting, within)
    finally:
        await events.aclose()


def watch(folder, act, *, within=5.0):
    from vigie_landing import LandingTrigger

    trigger = LandingTrigger(folder=str(folder), seconds=0.05)
    return asyncio.run(first_event(trigger, act, within=within))


def test_new_files_are_noticed_once_they_rest(tmp_path):
    (tmp_path / "normal").mkdir()

    event = watch(tmp_path, lambda: (tmp_path / "normal" / "a.png").write_bytes(b"x"))

    assert event.payload == {"files": 1}


def test_a_list_speaks_for_its_files(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")

    event = watch(tmp_path, lambda: (tmp_path / "images.csv").write_text("path,label\n"))

    assert event.payload == {"files": 1}


def test_what_was_there_at_the_start_is_not_reported(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")

    with pytest.raises(TimeoutError):
        watch(tmp_path, lambda: None, within=0.5)


def test_hidden_files_are_not_noticed(tmp_path):
    with pytest.raises(TimeoutError):
        watch(tmp_path, lambda: (tmp_path / ".part").write_bytes(b"x"), within=0.5)


def test_a_folder_that_does_not_exist_yet_is_waited_for(tmp_path):
    folder = tmp_path / "landing"

    def land():
        folder.mkdir()
        (folder / "a.png").write_bytes(b"x")

    assert watch(folder, land).payload == {"files": 1}
