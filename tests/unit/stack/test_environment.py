import stat
from dataclasses import replace

from ml.stack.environment import keys, stack_environment


def test_keys_are_made_once_and_kept_private(tmp_path):
    first = keys(tmp_path)

    assert keys(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets" / "airflow.json").stat().st_mode) == 0o600


def test_airflow_finds_folders_ports_and_keys(config):
    environment = stack_environment(config, base={}, mark="m")

    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(config.project / "dags")
    assert environment["AIRFLOW__API__PORT"] == str(config.airflow_port)
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert str(config.airflow_port) in environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert environment["AIRFLOW__CORE__FERNET_KEY"] == keys(config.home)["fernet_key"]


def test_parts_find_each_other_and_their_state(config):
    environment = stack_environment(config, base={"PATH": "/bin"}, mark="m")

    assert environment["PATH"] == "/bin"
    assert environment["VIGIE_HOME"] == str(config.home)
    assert environment["MLFLOW_TRACKING_URI"] == config.mlflow_url


def test_nothing_unpickles_or_phones_home(config):
    environment = stack_environment(config, base={}, mark="m")

    assert environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_receiver_listens_where_the_stack_looks_for_it(config):
    environment = stack_environment(config, base={}, mark="m")

    assert config.receiver == (
        environment["VIGIE_DICOM_HOST"],
        int(environment["VIGIE_DICOM_PORT"]),
    )


def test_a_profile_reaches_runs_that_name_none(config):
    assert "VIGIE_PROFILE" not in stack_environment(config, base={}, mark="m")

    chosen = stack_environment(replace(config, profile="demo"), base={}, mark="m")

    assert chosen["VIGIE_PROFILE"] == "demo"
