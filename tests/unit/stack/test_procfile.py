import shlex
import subprocess
import sys
from dataclasses import replace

from honcho.environ import parse_procfile

from ml.stack.procfile import commands, log_path, pid_path, write_procfile


def test_every_process_binds_to_the_loopback_address_only(config):
    for name, command in commands(config).items():
        if "--port" in command:
            assert command[command.index("--host") + 1] == "127.0.0.1", name


def test_honcho_reads_the_procfile(config):
    config.run.mkdir()

    found = parse_procfile(write_procfile(config).read_text()).processes

    assert list(found) == list(commands(config))


def test_a_line_notes_the_pid_of_the_command_itself_even_in_a_folder_with_spaces(config):
    config = replace(config, home=config.home / "with space")
    config.run.mkdir(parents=True)
    config.logs.mkdir()
    line = parse_procfile(write_procfile(config).read_text()).processes["server"]
    report = "import os; print(os.getpid())"
    own = shlex.join(commands(config)["server"])
    line = line.replace(own, shlex.join([sys.executable, "-c", report]))

    subprocess.run(["sh", "-c", line], check=True)

    assert pid_path(config, "server").read_text() == log_path(config, "server").read_text()


def test_without_a_port_there_is_no_receiver(config):
    assert commands(config)["receiver"][-1] == "receive"
    assert "receiver" not in commands(replace(config, receiver=None))
