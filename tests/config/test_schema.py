"""What a user may set: unknown keys and values out of range are refused with the rule, and YAML gives the same back."""

import functools
import re
import shlex
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.config import Config, build, flatten, keys, option, parse_assignment, read_yaml
from transfer.errors import ConfigError, nearest, unknown_name


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_keys_that_scripts_rely_on_exist() -> None:
    relied_on = {"backbone", "weights", "image_size", "truncate_at", "unfreeze_from", "precision", "compute", "augment.views", "seed"}
    assert relied_on | {"training.epochs"} <= set(keys()) and any(key.startswith("head.") for key in keys())


def test_every_key_is_described() -> None:
    def described(model: Any) -> bool:
        fields = model.model_fields.values()
        return all(field.description or described(field.annotation) for field in fields)

    assert described(Config)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"backbon": "vgg16"}, "backbone"),
        ({"head": {"drop_out": 0.1}}, "head.dropout"),
        ({"head.drop_out": 0.1}, "head.dropout"),
        ({"epochs": 3}, "training.epochs"),
        ({"training": {"Epochs": 3}}, "training.epochs"),
        ({"trainning": {"epochs": 3}}, "training.epochs"),
        ({"trunkate_at": "auto"}, "truncate_at"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(given: dict[str, Any], meant: str) -> None:
    with pytest.raises(ConfigError, match=f"Unknown configuration key .*Did you mean '{meant}'") as caught:
        build([given])
    named = [key for key in keys() if re.search(rf"(?<![\w.]){re.escape(key)}(?![\w.]*\w)", str(caught.value))]
    assert len(set(named) - set(flattened(given))) == 5, "the nearest key and four others, not all of them"


def flattened(given: dict[str, Any]) -> list[str]:
    return [f"{key}.{inner}" for key, value in given.items() if isinstance(value, dict) for inner in value] + list(given)


def test_a_guess_is_a_whole_key_even_where_only_its_last_part_is_like_it() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'augment\.crop'"):
        build([{"crops": 0.1}])


def test_a_key_that_is_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(
        ConfigError, match=r"Unknown configuration key 'qqqq'. Expected one of backbone.*network.*config.yaml of a run"
    ) as caught:
        build([{"qqqq": 1}])
    assert "Did you mean" not in str(caught.value)


NOT_OURS = r"[Ii]nput should|valid (integer|number|string|tuple|boolean)|unable to|[Tt]uple|validation error|pydantic"
VALUES = [
    "",
    "0",
    "-1",
    "1.5",
    "1e9",
    ".nan",
    ".inf",
    "text",
    "true",
    "off",
    "none",
    "[]",
    "[0]",
    "[x, y]",
    "{a: 1}",
    "[[1]]",
    "{}",
    "'3'",
    "1:30",
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(keys()), st.sampled_from(VALUES))
def test_whatever_is_refused_is_refused_in_our_words(key: str, value: str) -> None:
    try:
        build([parse_assignment(f"{key}={value}")])
    except ConfigError as error:
        assert str(error).startswith(f"Configuration key '{key}': ") and not re.search(NOT_OURS, str(error)), str(error)


@pytest.mark.parametrize(
    "assignment",
    [
        "training.epochs=0", "training.learning_rate=0", "training.learning_rate=.nan", "training.learning_rate=.inf",
        "head.dropout=1", "head.dropout=-0.1", "head.l2=-1", "head.dense=[0]", "head.dense=[64,-1]", "head.dense=64,x", "head.dense=",
        "head.dense=none", "seed=true", "training.epochs=yes", "head.dropout=on", "head.dense=[true]", "seed=0x10", "seed=0o10",
        "seed=1:30",
        "training.learning_rate=1:30", "augment.flip=2", "augment.flip=", "backbone=", "backbone=1.5", "head.dense={a: 1}",
        "head.pooling=mean", "seed=-1", "seed=1.5", "image_size=7", "data.validation=0", "data.test=0.5",
        "data.max_megapixels=0", "data.min_per_class=2", "augment.views=65", "features.batch_size=0", "auto.folds=1",
        "cross_validation.folds=1", "cross_validation.folds=-3", "cross_validation.folds=2.5", "cross_validation.average=maybe",
        "precision=bf16", "compute=onnx", "training.patience=0", "training.batch_size=many", "backbone=[vgg16]",
        "network.dropout=1", "network.filters=[]", "network.pooling=mean", "network.blur=1", "network.l1=-1", "network.dense=[0]",
        "export.tolerance_float32=.inf", "weights=3", "truncate_at=",
        "data.exclude=3", "data.exclude=[2]", "data.exclude=['']", "data.exclude=[/]", "data.split_folders=none", "data.split_folders=",
        "data.split_folders={}", "data.split_folders=[a]", "data.split_folders={test: a}", "data.split_folders={train: a, val: b}",
        "data.split_folders={train: [1]}", "data.split_folders={train: []}", "data.split_folders={train: /a}",
        "data.split_folders={train: ../a}", "data.split_folders={train: .}", "data.split_folders={train: a, test: a/b}",
        "data.split_folders={train: a, test: [b, ./a/]}",
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_one_line_with_the_rule_and_what_was_received(assignment: str) -> None:
    key, _, _ = assignment.partition("=")
    with pytest.raises(ConfigError) as caught:
        build([parse_assignment(assignment)])
    text = str(caught.value)
    assert text.startswith(f"Configuration key '{key}") and f"Received {key}" in text and "\n" not in text
    assert not re.search(NOT_OURS, text), text


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("data.exclude=docs", ("docs",)),
        ("data.exclude=[docs, '*.gif']", ("docs", "*.gif")),
        ("data.exclude=", ()),
        ("data.split_folders=off", "off"),
        ("data.split_folders={train: [a-b, a/b/], test: a b}", {"train": ("a-b", "a/b"), "test": ("a b",)}),
    ],
)
def test_settings_of_files_and_folders_take_one_name_or_several(tmp_path: Path, assignment: str, value: object) -> None:
    config = build([parse_assignment(assignment)])
    assert getattr(config.data, assignment.partition("=")[0].removeprefix("data.")) == value
    assert build([read_yaml(written(tmp_path, config.to_yaml()))]) == config.updated(seed=0) == config


names = st.text("abno '\"10:{}[],*#-~é\u3042", min_size=1, max_size=8).filter(lambda name: name.strip())


@given(st.lists(names, min_size=1, max_size=3), names, names)
def test_an_option_that_a_message_offers_sets_what_it_says(patterns: list[str], train: str, test: str) -> None:
    for key, value in (("data.exclude", patterns), ("data.split_folders", {"train": train, "test": [test]})):
        words = shlex.split(option(key, value))
        assert words[0] == "--set" and len(words) == 2 and parse_assignment(words[1]) == {key: value}
    assert option("data.split_folders", "off") == "--set data.split_folders=off"
    assert option("data.exclude", ["docs"]) == "--set 'data.exclude=[docs]'"


def test_later_layers_win_key_by_key() -> None:
    config = build([{"head": {"dropout": 0.1, "l2": 0.2}}, {"head.dropout": 0.3}, {"seed": 4}])
    assert (config.head.dropout, config.head.l2, config.seed) == (0.3, 0.2, 4)
    assert config.training == Config().training


def test_a_section_takes_keys_and_no_value() -> None:
    with pytest.raises(ConfigError, match=r"'head' is a section. Expected keys below it. Received 3"):
        build([{"head": 3}])


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().seed = 3  # type: ignore[misc]


def test_updated_returns_a_checked_copy() -> None:
    config = Config()
    changed = config.updated(seed=3, head__dropout=0.25)
    assert (changed.seed, changed.head.dropout) == (3, 0.25) and config == Config()
    assert changed.updated(seed=0, head__dropout=config.head.dropout) == config
    with pytest.raises(ConfigError):
        config.updated(head__dropout=2)


TEXTS = [
    "no", "1e5", "010", "1_0", "1:30", "0x1", "0o7", ".5", "+1.", "=", "2024-01-05", "None", "~", "/a b/'c'/\"d\"", "ä: #x", "null",
    "\udcff",
]  # fmt: skip
values = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**31 - 1),
        "image_size": st.none() | st.integers(8, 2048),
        "weights": st.text(string.printable + "äπ日\u2028\ud800", min_size=1, max_size=20),
        "data.source": st.none() | st.sampled_from(TEXTS),
        "head.dense": st.lists(st.integers(1, 4096), max_size=4),
        "head.l2": st.floats(0, 1e6),
        "training.learning_rate": st.floats(1e-12, 10),
        "training.patience": st.none() | st.integers(1, 99),
        "augment.flip": st.booleans(),
    },
)


@settings(max_examples=100, deadline=None)
@given(values)
def test_a_configuration_written_as_yaml_and_read_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, given: dict[str, Any]
) -> None:
    config = build([given])
    path = written(tmp_path_factory.mktemp("yaml"), config.to_yaml())
    assert build([read_yaml(path)]) == config
    assert list(yaml.safe_load(config.to_yaml())) == list(Config.model_fields), "in the order of the fields"
    assert set(read_yaml(path)) == set(keys()), "every key is written"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("head.dropout=0.3", {"head.dropout": 0.3}),
        ("head.dense=[64, 32]", {"head.dense": [64, 32]}),
        ("head.dense=[]", {"head.dense": []}),
        (" seed = 3", {"seed": 3}),
        ("training.patience=", {"training.patience": None}),
        ("weights=/a=b/c.h5", {"weights": "/a=b/c.h5"}),
        ("head={dropout: 0.1, l2: 0}", {"head.dropout": 0.1, "head.l2": 0}),
        ("augment.flip=false", {"augment.flip": False}),
    ],
)
def test_set_takes_a_key_and_yaml(text: str, expected: dict[str, Any]) -> None:
    assert parse_assignment(text) == expected


def test_a_number_in_short_notation_is_a_number() -> None:
    assert build([parse_assignment("training.learning_rate=1e-3")]).training.learning_rate == 1e-3


@pytest.mark.parametrize("text", ["seed", "=3", "", " =3"])
def test_set_without_key_or_value_gets_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set takes key=value, for example --set head.dropout=0.3. Received"):
        parse_assignment(text)


@pytest.mark.parametrize("text", ["head.dense=[1", "weights={", "weights=!!timestamp 2024-99-99"])
def test_set_with_a_value_that_is_not_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not YAML\. Received"):
        parse_assignment(text)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("a: [1", "is not YAML"),
        ("weights: !!timestamp 2024-99-99", "is not YAML"),
        (b"weights: \xff\xfe", "is not YAML"),
        ("- vgg16", "holds `key: value` lines. Received list"),
        ("vgg16", "holds `key: value` lines. Received str"),
        ("backbon: vgg16", "Unknown configuration key 'backbon'. Did you mean 'backbone'?"),
        ("seed: 1\nseed: 2", "'seed' twice"),
        ("head:\n  l2: 0.1\n  l2: 0.2", "line 3. Received 'l2' twice"),
        ("3: 4", "Unknown configuration key '3'"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_clear_line(tmp_path: Path, content: str | bytes, match: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(written(tmp_path, content))
    assert match in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


@pytest.mark.parametrize("content", ["", "# nothing but a comment\n", "\ufeffseed: 0"])
def test_an_empty_file_and_a_mark_of_its_encoding_are_allowed(tmp_path: Path, content: str) -> None:
    assert build([read_yaml(written(tmp_path, content))]) == Config()


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(keys()), st.data())
def test_a_key_with_one_wrong_letter_is_recognised(key: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(key) - 1).filter(lambda place: key[place] != "."))
    typo = key[:place] + "x" + key[place + 1 :]
    if typo not in keys():
        with pytest.raises(ConfigError, match="Did you mean") as caught:
            flatten({typo: 1})
        assert str(caught.value).split("'")[3] in keys()


def test_the_nearest_name_does_not_mind_capitals() -> None:
    assert nearest("VGG16", ["vgg19", "vgg16"]) == "vgg16" and nearest("qqq", ["vgg16"]) is None
    text = unknown_name("network", "VGG-16", ["vgg16", "lenet"])
    assert text == "Unknown network. Did you mean 'vgg16'? Expected one of: vgg16, lenet. Received 'VGG-16'."


@pytest.mark.parametrize("text", ["energy=off", "energy='off'", "energy=auto"])
def test_off_is_a_word_although_yaml_reads_false(text: str) -> None:
    assert build([parse_assignment(text)]).energy == ("auto" if "auto" in text else "off")


TAKEN: list[tuple[str, Any]] = [
    ("seed=010", 10),
    ("seed=1_000", 1000),
    ("seed=1e3", 1000),
    ("seed='7'", 7),
    ("training.learning_rate=1e-3", 1e-3),
    ("training.learning_rate=1E-3", 1e-3),
    ("training.learning_rate=.5", 0.5),
    ("training.learning_rate=0_1.5", 1.5),
    ("training.patience=none", None),
    ("training.patience=null", None),
    ("training.patience=None", None),
    ("training.patience=~", None),
    ("training.patience=", None),
    ("unfreeze_from=none", None),
    ("data.group_by=NULL", None),
    ("network.dense=none", None),
    ("training.class_weights=none", "none"),
    ("training.class_weights=null", "none"),
    ("training.class_weights=", "none"),
    ("network.normalization=none", "none"),
    ("network.normalization=null", None),
    ("head.dense=256", (256,)),
    ("head.dense=010", (10,)),
    ("head.dense=256,128", (256, 128)),
    ("head.dense=[010, '20']", (10, 20)),
    ("head.dense=[]", ()),
    ("network.filters=8", (8,)),
    ("augment.flip=yes", True),
    ("augment.flip=Off", False),
    ("augment.flip=no", False),
    ("augment.flip=on", True),
    ("precision=BFloat16", "bfloat16"),
    ("compute=OpenVINO", "openvino"),
    ("data.resize=PAD", "pad"),
    ("network.activation=ReLU", "relu"),
    ("energy=OFF", "off"),
    ("energy=false", "off"),
    ("data.source=010", "010"),
    ("data.source=2024-01-05", "2024-01-05"),
    ("data.source=yes", "yes"),
    ("data.source=1:30", "1:30"),
    ("data.group_by=on", "on"),
]


@pytest.mark.parametrize(("text", "expected"), TAKEN)
def test_a_value_means_the_same_on_the_command_line_and_in_a_file(text: str, expected: Any, tmp_path: Path) -> None:
    key, _, value = text.partition("=")
    for config in (build([parse_assignment(text)]), build([read_yaml(written(tmp_path, nested(key, value)))])):
        found = functools.reduce(getattr, key.split("."), config)
        assert (found, type(found)) == (expected, type(expected))
        assert build([read_yaml(written(tmp_path, config.to_yaml()))]) == config


def nested(key: str, value: str) -> str:
    section, dot, name = key.rpartition(".")
    return f"{section}:\n  {name}: {value}\n" if dot else f"{name}: {value}\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": "x"}, "must be a whole number. Received seed='x'"),
        ({"head.dropout": 1}, "must be less than 1. Received head.dropout=1"),
        ({"training.epochs": 0}, "must be at least 1. Received"),
        ({"augment.views": 65}, "must be at most 64. Received"),
        ({"training.learning_rate": 0}, "must be greater than 0. Received"),
        ({"training.learning_rate": ".inf"}, "must be a number"),
        ({"training.learning_rate": float("inf")}, "must be a finite number"),
        ({"augment.flip": "maybe"}, "must be true or false"),
        ({"weights": 3}, "must be text; write a number in quotes. Received weights=3"),
        ({"network.filters": []}, "must have at least 1 value. Received"),
        ({"network.filters": [1] * 9}, "must have at most 8 values. Received"),
        ({"head.dense": [8, 0]}, "each value must be greater than 0. Received head.dense=0"),
        ({"head.dense": {}}, r"must be a list, such as \[256, 128\], or \[\] for none"),
        ({"data.resize": "padd"}, r"must be one of: stretch, pad, crop \(did you mean 'pad'\?\). Received data.resize='padd'"),
        ({"data.resize": 3}, "must be one of: stretch, pad, crop. Received data.resize=3"),
    ],
)
def test_the_rule_is_said_in_our_words(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build([given])
