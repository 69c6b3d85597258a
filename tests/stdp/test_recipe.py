"""Recipes: presets, precedence, and wrong keys and values by name."""

import os

import pytest
import yaml

from conftest import ROOT
from jarvis.stdp.order_rule import STDPConfig
from jarvis.stdp.recipe import (
    ConfigError,
    InputConfig,
    make_recipe,
    plain,
    read_recipe,
    read_yaml,
    restore_recipe,
)
from jarvis.stdp.wta import WTAConfig, WTAMode

TWO = {"conv1": {"maps": 4}, "conv2": {"maps": 8}}


def test_presets_are_those_of_the_papers():
    igarss = make_recipe(paper="igarss2023", n_classes=3)
    assert [(c.maps, c.kernel_size, c.threshold, c.leak) for c in igarss.layers.values()] == [
        (4, 5, 0.1, 0.09), (36, 5, 0.1, 0.01), (3, 7, 0.1, 0.0),
    ]  # fmt: skip
    assert not igarss.train_conv1
    assert igarss.conv2.stdp == STDPConfig.from_paper("igarss2023")
    assert igarss.conv2.wta == WTAConfig.from_paper("igarss2023")
    first = make_recipe(paper="kheradpisheh2018")
    assert [(c.maps, c.kernel_size) for c in first.layers.values()] == [(30, 5), (250, 17), (1, 17)]
    assert first.train_conv1
    assert first.conv1.stdp == STDPConfig.from_paper("kheradpisheh2018")


def test_a_layers_own_values_go_before_those_of_all_layers_and_these_before_the_papers():
    values = {
        "stdp": {"a_plus": 0.5, "max_epochs": 7},
        "wta": {"mode": "local"},
        "conv2": {"stdp": {"a_plus": "1e-2"}, "wta": {"local_radius": 4}, "threshold": 2},
    }
    recipe = make_recipe(values, "igarss2023")
    assert (recipe.conv1.stdp.a_plus, recipe.conv2.stdp.a_plus) == (0.5, 0.01)
    assert recipe.conv2.stdp.a_minus == 0.03  # the paper's
    assert recipe.conv2.stdp.max_epochs == 7
    assert (recipe.conv1.wta.mode, recipe.conv2.wta.mode) == (WTAMode.LOCAL, WTAMode.LOCAL)
    assert (recipe.conv1.wta.local_radius, recipe.conv2.wta.local_radius) == (2, 4)
    assert (recipe.conv2.threshold, recipe.conv2.wta.theta_rest) == (2.0, 2.0)
    assert recipe.conv2.maps == 36
    shorter = make_recipe(values, "igarss2023", max_epochs=2)
    assert {layer.stdp.max_epochs for layer in shorter.layers.values()} == {2}


def test_conv3_may_be_left_out_or_taken_away():
    assert make_recipe(TWO).conv3 is None
    assert make_recipe({"conv3": None}, "igarss2023").conv3 is None
    assert list(make_recipe({**TWO, "conv3": {}}, n_classes=2).layers) == [
        "conv1",
        "conv2",
        "conv3",
    ]
    with pytest.raises(ConfigError, match=r"conv2\.maps: missing"):
        make_recipe({"conv1": {"maps": 4}})


def test_plain_and_back():
    recipe = make_recipe({"wta": {"mode": "global"}, "samples": 5}, "igarss2023")
    again = yaml.safe_load(yaml.safe_dump(plain(recipe)))
    assert restore_recipe(again) == recipe


def test_a_recipe_from_before_soft_bounds_had_their_name():
    recipe = make_recipe({"conv2": {"stdp": {"bounds": "hard"}}}, "igarss2023")
    old = plain(recipe)
    for name in recipe.layers:
        old[name]["stdp"]["multiplicative"] = old[name]["stdp"].pop("bounds") == "soft"
    assert restore_recipe(old) == recipe
    assert [layer.stdp.bounds for layer in restore_recipe(old).layers.values()] == [
        *("soft", "hard", "soft")
    ]
    assert "multiplicative" in old["conv2"]["stdp"]  # what was given is left as it is
    del old["conv3"]["stdp"]
    assert restore_recipe({**old, "conv3": None}).conv3 is None


@pytest.mark.parametrize("path", sorted((ROOT / "demos" / "configs").glob("*.yaml")), ids=str)
def test_the_configs_that_come_along_can_be_read(path):
    assert read_recipe(path).n_steps > 1


def test_there_is_a_config_for_every_data_set():
    from jarvis.stdp.stimuli import DATASETS

    names = {path.stem for path in (ROOT / "demos" / "configs").glob("*.yaml")}
    assert set(DATASETS) <= names


BAD = {
    "n_stepz: 3": r"n_stepz: no such key; did you mean n_steps\?",
    "conv2: {treshold: 1}": r"conv2\.treshold: no such key; did you mean threshold\?",
    "stdp: {a_plsu: 1}": r"stdp\.a_plsu: no such key; did you mean a_plus\?",
    "conv2: {wta: {mdoe: local}}": r"conv2\.wta\.mdoe: no such key; did you mean mode\?",
    "zebra: 1": r"zebra: no such key; there are conv1, conv2",
    "n_steps: many": r"n_steps: 'many' is not a whole number",
    "n_steps: true": r"n_steps: True is not a whole number",
    "n_steps: 0": r"n_steps=0 must be an integer of at least 1",
    "train_conv1: 1": r"train_conv1: 1 is not true or false",
    "conv2: {threshold: high}": r"conv2\.threshold: 'high' is not a finite number",
    "conv2: {threshold: .nan}": r"conv2\.threshold: nan is not a finite number",
    "conv2: {threshold: -1}": r"conv2\.threshold=-1\.0 must be positive",
    "conv2: 7": r"conv2: must hold `key: value` lines, not 7",
    "stdp: [1]": r"stdp: must hold `key: value` lines",
    "stdp: {bounds: elastic}": r"stdp\.bounds='elastic' is not one of soft, hard",
    "stdp: {multiplicative: true}": r"stdp\.multiplicative: no such key; there are .*bounds",
    "stdp: {a_plus: -1}": r"stdp\.a_plus=-1\.0 must be positive",
    "conv1: {stdp: {w_max: -1}}": r"conv1\.stdp\.w_min",
    "wta: {mode: loud}": r"wta\.mode: 'loud' is not one of global, local, both",
    "wta: {theta_rest: 3}": r"wta\.theta_rest: set the layer's threshold instead",
    "conv2: {threshold: 99}": r"conv2\.wta\.theta_max=10\.0 must be at least theta_rest=99",
    "conv1: {filters: sobel}": r"conv1\.filters='sobel' is not one of gabor, dog",
    "input: {filter: sobel}": r"input\.filter='sobel'",
    "input: {size: 4}": r"input\.size=4 must be odd",
    "segment: {align: later}": r"segment\.align='later'",
    "paper: nature": r"paper: 'nature' is not one of igarss2023",
    "paper: kheradpisheh2018": "keep one",
    "conv1: {maps: 3}\nconv1: {maps: 4}": r"'conv1' appears twice, again in line 2",
    "conv1: {maps: 3": r"line \d: not YAML",
    "- 1": r"must hold `key: value` lines, not list",
    "": r"must hold `key: value` lines, not NoneType",
    "conv1: !!python/object:os.system {}": "not YAML",
    # values and keys that YAML itself reads, and Python cannot
    "paper: {}": r"paper: \{\} is not one of igarss2023",
    "paper: [1]": r"paper: \[1\] is not one of igarss2023",
    "? [1]\n: 2": "line 1: a key must be a single word",
    "n_steps: 3\n? {a: 1}\n: 2": "line 2: a key must be a single word",
    "n_steps: 3\nsamples: 2020-99-99": "line 2: '2020-99-99' is not a timestamp",
    "n_steps: !!int abc": "line 1: 'abc' is not a int",
    "n_steps: !!float abc": "line 1: 'abc' is not a float",
    "n_steps: !!bool abc": "line 1: 'abc' is not a bool",
    "n_steps: !!timestamp abc": "line 1: 'abc' is not a timestamp",
    f"n_steps: {'9' * 5000}": r"line 1: '99999.*\.\.\..*999' is not a int",
    f"n_steps: 0x{'f' * 5000}": "n_steps: a number of thousands of digits is too large",
    f"train_conv1: 0x{'f' * 5000}": "train_conv1: a number of thousands of digits is too large",
    f"conv2: {{threshold: 1{'0' * 400}}}": r"conv2\.threshold: 1000.* is not a finite number",
    f"conv2: {'x' * 5000}": r"conv2: must hold `key: value` lines, not 'xxx.{40,70}'$",
    f"{'x' * 900}: 1": r": x{60}: no such key",
    f"{'x' * 5000}: 1": "line 1: not YAML",
    '"two\\nlines": 1': r"'two\\nlines': no such key",
    "[" * 3000: "not a recipe: its values are nested too deeply",
    "x: " + "{a: " * 900 + "1" + "}" * 900: "its values are nested too deeply|no such key",
    "paper: &x [*x]": "line 1: not YAML: found unconstructable recursive node",
    "a: &a {x: 1}\nb: {<<: [*a, *a]}": "line 2: << takes one mapping, not a list",
    # sizes that no memory holds
    "n_steps: 10000000000": "n_steps=10000000000 must be an integer of at most 1000000",
    "conv2: {maps: 100000000}": r"conv2\.maps=100000000 must be an integer of at most 1000000",
    "conv2: {maps: 999999, kernel_size: 999}": r"conv2: 999999 maps .* take 15,968 GB: reduce",
    "conv1: {kernel_size: 99999}": r"conv1\.kernel_size=99999 must be an integer of at most 4096",
    "conv1: {pool: 99999}": r"conv1\.pool=99999 must be an integer of at most 4096",
    "input: {picture_size: 100000}": r"input\.picture_size=100000 must be an integer of at most",
    "input: {size: 100001}": r"input\.size=100001 must be an integer of at most 4096",
    "input: {local_normalisation: 99999}": r"input\.local_normalisation=99999 must be an",
    "segment: {fill: 99999}": r"segment\.fill=99999 must be an integer of at most 4096",
    "samples: 99999999999999999999": r"samples=99999999999999999999 must be an integer of at most",
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:40])
def test_a_wrong_file_is_one_line_that_names_file_and_key(text, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=BAD[text]) as caught:
        read_recipe(path, "igarss2023")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        read_yaml(tmp_path / "nowhere.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        read_yaml(tmp_path / "x.yaml")
    (tmp_path / "x.yaml").write_text("#" * 100_001)
    with pytest.raises(ConfigError, match="it has 100001 bytes, more than any recipe"):
        read_yaml(tmp_path / "x.yaml")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe: it is not a regular file"):
        read_yaml(tmp_path / "pipe")


def test_aliases_that_double_fifty_times_cost_nothing(tmp_path):
    """What is printed of them is short as well."""
    lines = ["a0: &a0 [x, x]", *(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 50))]
    (tmp_path / "x.yaml").write_text("\n".join([*lines, "paper: *a49"]))
    with pytest.raises(ConfigError, match="a0: no such key"):
        read_recipe(tmp_path / "x.yaml")
    with pytest.raises(ConfigError, match=r"paper: .*is not one of") as error:
        make_recipe({"paper": read_yaml(tmp_path / "x.yaml")["paper"]})
    assert len(str(error.value)) < 300


def test_the_input_checks_itself():
    with pytest.raises(ValueError, match="sigma_surround"):
        InputConfig(sigma_center=2.0, sigma_surround=1.0)
    with pytest.raises(ValueError, match="latency='log'"):
        InputConfig(latency="log")
