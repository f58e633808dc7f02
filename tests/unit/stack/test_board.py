import io

from rich.console import Console

from ml.stack.board import Board


def lines_of(act):
    output = io.StringIO()
    with Board("Work", Console(file=output, width=100)) as board:
        act(board)
    return output.getvalue().splitlines(), board


def test_without_a_terminal_each_change_is_one_line():
    def act(board):
        board.set("train", "waiting")
        board.set("train", "running")
        board.set("train", "running")
        board.set("train", "success", seconds=2.5)

    lines, _ = lines_of(act)

    assert lines == ["Work", "  train: running", "  train: success 2.5 s"]


def test_time_runs_until_the_end_of_a_row():
    def act(board):
        board.set("train", "running")
        board.set("train", "waiting", note="try 2")
        board.set("train", "success")

    _, board = lines_of(act)

    assert list(board.seconds()) == ["train"]


def test_on_a_terminal_the_table_shows_names_and_states():
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=100)

    with Board("Work", console) as board:
        board.set("train", "running", note="epoch 2")

    assert "train" in output.getvalue()
    assert "epoch 2" in output.getvalue()
