from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.contract.errors import InvalidParams
from ml.params import load_params

PARAMS = Path(__file__).parents[3] / "params.toml"


@pytest.mark.parametrize("profile", ["standard", "demo"])
def test_the_reviewed_profiles_are_valid(profile: str) -> None:
    params = load_params(PARAMS, profile=profile)
    assert params.profile == profile
    assert params.data.critical_label in params.data.labels
    assert set(params.evaluation.paper_members) <= set(params.training.members)
    assert set(params.quantization.float_members) <= set(params.training.members)


def test_a_profile_changes_what_it_names_and_nothing_else() -> None:
    standard, demo = load_params(PARAMS), load_params(PARAMS, profile="demo")
    assert (standard.image.size, demo.image.size) == (224, 80)
    assert demo.image.channels == standard.image.channels
    assert demo.data.split.test > standard.data.split.test
    assert demo.data.model_copy(update={"split": standard.data.split}) == standard.data


def test_an_override_wins_over_the_profile() -> None:
    params = load_params(PARAMS, profile="demo", overrides=["image.size=96", "training.epochs=7"])
    assert (params.image.size, params.training.epochs) == (96, 7)


def test_the_profile_can_be_an_override() -> None:
    params = load_params(PARAMS, overrides=["image.size=96", "profile=demo"])
    assert (params.profile, params.image.size) == ("demo", 96)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.initialisation=random", "random"),
        ('training.initialisation="file"', "file"),
        ('training.weights={cnn="/weights/a=b"}', {"cnn": "/weights/a=b"}),
        ('training.members=["resnet50"]', ["resnet50"]),
        ("training.smote=false", False),
        ("training.learning_rate=3e-4", 3e-4),
    ],
)
def test_overrides_take_toml_values_and_bare_words(override: str, value: object) -> None:
    params = load_params(PARAMS, overrides=[override])
    key = override.partition("=")[0].removeprefix("training.")
    assert getattr(params.training, key) == value


@pytest.mark.parametrize(
    "override",
    [
        "training.epoch=3",
        "epochs=3",
        "training=3",
        "training.epochs.more=3",
        "no_section.key=1",
        "training.epochs",
        "=3",
        "training.epochs=many",
        "training.epochs=-1",
        "data.split.train=0.9",
        "data.critical_label=cyst",
        'data.labels=["malignant", "malignant"]',
        'data.labels=["malignant", "unlabelled"]',
        'data.labels=["malignant", " benign"]',
        'data.labels=["malignant", "lung/benign"]',
        "training.weights={cnn=3}",
        'training.weights_sha256={cnn="12ab"}',
        f'training.weights_sha256={{cnn="{64 * "0"}"}}',  # of a file that weights does not name
        'training.member_initialisation={cnn="zeros"}',
        "image.channels=2",
        "gates.approval=sometimes",
        "monitoring.violations=9",
        "profile=fast",
        "data.text_seen=refuse",  # while only a share is looked at
        "data.burned_in=maybe",
    ],
)
def test_a_wrong_override_is_refused_with_a_remedy(override: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        load_params(PARAMS, overrides=[override])
    assert raised.value.remedy


def test_a_misspelt_key_in_the_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "params.toml"
    path.write_text(PARAMS.read_text().replace("dropout = 0.5", "dropuot = 0.5"))
    with pytest.raises(InvalidParams, match=r"training\.drop"):
        load_params(path)


@pytest.mark.parametrize(
    "text", ["", "profile = ", "profile = 3", "training = 3\nprofile = 'demo'"]
)
def test_a_file_that_holds_no_parameters_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.toml"
    path.write_text(text)
    with pytest.raises(InvalidParams):
        load_params(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="cannot be read"):
        load_params(tmp_path / "params.toml")


def test_the_digest_follows_the_values() -> None:
    assert load_params(PARAMS).sha256 == load_params(PARAMS).sha256
    assert load_params(PARAMS).sha256 != load_params(PARAMS, overrides=["data.seed=21"]).sha256


@given(st.text(max_size=30))
def test_no_text_as_override_raises_anything_but_a_typed_error(text: str) -> None:
    try:
        load_params(PARAMS, overrides=[text])
    except InvalidParams:
        return


def test_a_member_can_start_elsewhere_than_the_others() -> None:
    params = load_params(PARAMS, overrides=['training.member_initialisation={vit="random"}'])
    training = params.training
    assert training.of("vit").initialisation == "random"
    assert training.of("resnet50") == training.model_copy(update={"member_initialisation": {}})
    assert training.from_champion.of("vit").initialisation == "champion"
