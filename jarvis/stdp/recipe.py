"""A recipe: the layers of an STDP network and how they learn, read from YAML and checked.

Every value has a key, a type and a default; an unknown key causes an error that names this key and
the closest known one.
"""

import dataclasses
import difflib
import math
import reprlib
import stat
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jarvis.stdp.order_rule import STDPConfig
from jarvis.stdp.wta import WTAConfig
from jarvis.support.checks import check_choice, check_integer, check_number

if TYPE_CHECKING:
    import yaml

T = TypeVar("T")


class ConfigError(ValueError):
    """Raised for a wrong key or value in a configuration; the message says where."""


#: Size of the largest file that is read as YAML, in bytes; a recipe has about two thousand.
_LARGEST_FILE = 100_000


@cache
def _loader() -> "type[yaml.SafeLoader]":
    """A YAML loader whose errors name the line, also for faults that YAML itself accepts."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (ConfigError, yaml.YAMLError, RecursionError):
                raise
            except Exception as error:  # constructors raise whatever int(), date(), ... raise
                kind = node.tag.rpartition(":")[2]
                value = _shown(node.value)
                line = node.start_mark.line + 1
                raise ConfigError(f"{self.name}: line {line}: {value} is not a {kind}") from error

    def mapping(loader: Loader, node: yaml.MappingNode) -> dict:
        seen = set()  # YAML would silently keep the last of several equal keys
        for key_node, value_node in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"{loader.name}: line {line}: a key must be a single word")
            if key in seen and key != "<<":
                raise ConfigError(
                    f"{loader.name}: {_shown(key)} appears twice, again in line {line}"
                )
            if key == "<<" and isinstance(value_node, yaml.SequenceNode):
                # Nested lists of mappings could grow without bound.
                raise ConfigError(f"{loader.name}: line {line}: << takes one mapping, not a list")
            seen.add(key)
        loader.flatten_mapping(node)
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader


def _shown(value: object) -> str:
    """A value as one short line, since a value in a file may be of any length or contain itself."""
    try:
        return _short.repr(value)
    except ValueError:  # Python does not print integers of more than 4300 digits
        return "a number of thousands of digits"


_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother, _short.maxlong = 2, 60, 60, 40


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; only plain values are read (no Python objects).

    Raises:
        ConfigError: if the file is missing, not a regular file of at most 100 kB, not YAML, not a
            mapping, or has a duplicate key.
    """
    import yaml

    path = Path(path)
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise ConfigError(f"cannot read config {path}: it is not a regular file")
        if stat.S_ISREG(status.st_mode) and status.st_size > _LARGEST_FILE:
            raise ConfigError(
                f"cannot read config {path}: it has {status.st_size} bytes, more than any recipe"
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ConfigError(f"cannot read config {path}: {reason}") from None
    try:
        loader = _loader()(text)
        loader.name = str(path)
        values = loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path}:{line} not YAML: {reason}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not a recipe: its values are nested too deeply") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold `key: value` lines, not {type(values).__name__}")
    return values


def check_keys(values: Mapping[str, Any], known: typing.Iterable[str], where: str = "") -> None:
    """Raise an error that names the first unknown key of `values` and the closest known key.

    Raises:
        ConfigError: if there is an unknown key.

    Example:
        >>> check_keys({"a_plsu": 1}, ["a_plus", "a_minus"], "stdp.")
        Traceback (most recent call last):
        ...
        jarvis.stdp.recipe.ConfigError: stdp.a_plsu: no such key; did you mean a_plus?
    """
    known = list(known)
    for key in values:
        if key not in known:
            name = key if isinstance(key, str) and key.isidentifier() else _shown(key)
            near = difflib.get_close_matches(name[:60], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"{where}{name[:60]}: no such key; {hint}")


def fill(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Create an instance of a dataclass, and of the dataclasses nested in it, from a mapping.

    Numbers that YAML reads as text (``1e-4``) are converted.

    Args:
        cls: a dataclass that raises ValueError for wrong values.
        values: the fields' values; fields that are left out keep their defaults.
        where: prefix of keys in messages, such as ``"conv2.stdp."``.

    Raises:
        ConfigError: for an unknown key, a value of the wrong type or out of range, or a missing
            field without a default.

    Example:
        >>> from jarvis.stdp import STDPConfig
        >>> fill(STDPConfig, {"a_plus": "4e-2"}).a_plus
        0.04
        >>> fill(STDPConfig, {"a_plus": -1}, "stdp.")
        Traceback (most recent call last):
        ...
        jarvis.stdp.recipe.ConfigError: stdp.a_plus=-1.0 must be positive and finite: it is a size
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{where.rstrip('.')}: must hold `key: value` lines, not {_shown(values)}"
        )
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    check_keys(values, fields, where)
    hints = typing.get_type_hints(cls)
    given = {key: _value(hints[key], value, f"{where}{key}") for key, value in values.items()}
    for name, f in fields.items():
        no_default = f.default is f.default_factory is dataclasses.MISSING
        if no_default and name not in given:
            raise ConfigError(f"{where}{name}: missing, and it has no default")
    try:
        return cls(**given)
    except ConfigError:
        raise
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{where}{error}") from None


def _value(kind: Any, value: Any, where: str) -> Any:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        options = typing.get_args(kind)
        if value is None and type(None) in options:
            return None
        kind = next(option for option in options if option is not type(None))
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else fill(kind, value, f"{where}.")  # type: ignore
    if isinstance(kind, type) and issubclass(kind, Enum):
        known = [member.value for member in kind]
        if not isinstance(value, kind) and value not in known:
            raise ConfigError(f"{where}: {_shown(value)} is not one of {', '.join(known)}")
        return kind(value)
    if kind is float:
        try:
            number = math.nan if isinstance(value, bool) else float(typing.cast(Any, value))
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"{where}: {_shown(value)} is not a finite number")
        return number
    if isinstance(value, int) and value.bit_length() > 1000:  # too many digits to print
        raise ConfigError(f"{where}: {_shown(value)} is too large")
    names = {int: "a whole number", bool: "true or false", str: "a string"}
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: {_shown(value)} is not {names.get(kind, kind)}")
    return value


def plain(value: Any) -> Any:
    """Convert dataclasses, enums and tuples to dicts, values and lists, for JSON and YAML."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


LAYERS = ("conv1", "conv2", "conv3")

#: Upper limits: side of a picture, kernel or pool, in pixels; number of weights of a layer.
_LARGEST, _MOST_WEIGHTS = 4096, 2**31

#: The networks of the papers. The rates of STDP come from `STDPConfig.from_paper`, the thresholds
#: of the competition from `WTAConfig.from_paper`.
PAPERS: dict[str, dict[str, Any]] = {
    "igarss2023": {
        "n_steps": 10,
        "conv1": {"maps": 4, "kernel_size": 5, "threshold": 0.1, "leak": 0.09},
        "conv2": {"maps": 36, "kernel_size": 5, "threshold": 0.1, "leak": 0.01},
        "conv3": {"maps": 1, "kernel_size": 7, "threshold": 0.1, "pool": 1},
    },
    "kheradpisheh2018": {
        "n_steps": 30,
        "train_conv1": True,
        "conv1": {"maps": 30, "kernel_size": 5, "threshold": 10.0},
        "conv2": {"maps": 250, "kernel_size": 17, "threshold": 10.0},
        "conv3": {"maps": 1, "kernel_size": 17, "threshold": 10.0, "pool": 1},
    },
}


def _check_size(name: str, value: Any, at_least: int, at_most: int) -> None:
    check_integer(name, value, at_least=at_least)
    check_integer(name, value, at_most=at_most)


@dataclass(frozen=True)
class InputConfig:
    """How an image is encoded as spikes: filters, cut-off and latencies. Not used for event data.

    Args:
        filter: "dog" (ON and OFF), "gabor" (four orientations), or "none" (the brightness itself).
        size: side of the filters, pixels, odd.
        sigma_center: width of the narrow Gaussian of "dog", or of the Gaussian of "gabor", pixels.
        sigma_surround: width of the wide Gaussian of "dog", pixels.
        frequency: frequency of "gabor", cycles per pixel.
        threshold: responses below this value are set to 0; pixel values are in [0, 1].
        local_normalisation: radius of the local normalisation, pixels; None: no normalisation.
        latency: "rank" or "linear"; see `encoding.intensity_to_latency`.
        picture_size: side to which the images of a folder are scaled, pixels.

    Raises:
        ValueError: for a value outside its range; the message begins with the key.
    """

    filter: str = "dog"
    size: int = 7
    sigma_center: float = 1.0
    sigma_surround: float = 2.0
    frequency: float = 0.5
    threshold: float = 0.05
    local_normalisation: int | None = None
    latency: str = "rank"
    picture_size: int = 64

    def __post_init__(self) -> None:
        check_choice("filter", self.filter, ("dog", "gabor", "none"))
        _check_size("size", self.size, 1, _LARGEST)
        if self.size % 2 == 0:
            raise ValueError(f"size={self.size} must be odd: a filter has a centre")
        narrow = check_number("sigma_center", self.sigma_center, "pixels", above=0)
        wider = "wider than sigma_center"
        check_number("sigma_surround", self.sigma_surround, "pixels", above=narrow, why=wider)
        check_number("frequency", self.frequency, "cycles per pixel", above=0, at_most=0.5)
        check_number("threshold", self.threshold, at_least=0)
        if self.local_normalisation is not None:
            radius = self.local_normalisation
            _check_size("local_normalisation", radius, 0, _LARGEST)
        check_choice("latency", self.latency, ("rank", "linear"))
        _check_size("picture_size", self.picture_size, 8, _LARGEST)


@dataclass(frozen=True)
class LayerConfig:
    """One convolutional layer: its neurons, its pooling and how it learns.

    Args:
        maps: number of maps; in conv3 there is one per class.
        kernel_size: side of a neuron's square receptive field.
        threshold: potential at which a neuron fires; also the resting value of the adaptive
            threshold.
        leak: amount subtracted from the potential at every step.
        pool: side of the max-pooling window after the layer; 1: no pooling.
        inhibit: whether only the first map to fire at a location is passed on.
        double_every: a_plus and a_minus double each time this many stimuli were seen; 0: never.
        a_plus_max: limit up to which a_plus doubles.
        filters: the filters of a fixed conv1, "gabor" or "dog"; see `fixed_filters`.
        polarity: how the filters combine ON and OFF: "sum", "difference" or "separate".
        stdp: learning rule and stopping rules.
        wta: the competition.

    Raises:
        ValueError: for a value outside its range; the message begins with the key.
    """

    maps: int
    kernel_size: int = 5
    threshold: float = 10.0
    leak: float = 0.0
    pool: int = 2
    inhibit: bool = False
    double_every: int = 0
    a_plus_max: float = 0.15
    filters: str = "gabor"
    polarity: str = "sum"
    stdp: STDPConfig = field(default_factory=STDPConfig)
    wta: WTAConfig = field(default_factory=WTAConfig)

    def __post_init__(self) -> None:
        _check_size("maps", self.maps, 1, 1_000_000)
        for name in ("kernel_size", "pool"):
            _check_size(name, getattr(self, name), 1, _LARGEST)
        check_number("threshold", self.threshold, above=0)
        check_number("leak", self.leak, at_least=0)
        check_integer("double_every", self.double_every, at_least=0)
        check_number("a_plus_max", self.a_plus_max, above=0)
        check_choice("filters", self.filters, ("gabor", "dog"))
        check_choice("polarity", self.polarity, ("sum", "difference", "separate"))


@dataclass(frozen=True)
class SegmentConfig:
    """How class spikes become instances; see `instances.hulk` and `instances.smash`.

    Args:
        level: a pixel belongs to the mask of a spike if its saliency is at least this share of the
            highest saliency.
        threshold: two class spikes belong to the same object if their score by SMASH (Similarity
            Matching through Active Spike Hashing) is higher than this.
        align: "time", "age" or "none": which steps of two hashes are compared.
        min_spikes: smallest number of class spikes of an instance.
        once: whether neurons fire at most once per stimulus, as they do during learning.
        max_spikes: largest number of class spikes used per stimulus, earliest first.
        fill: in the mask of each step, gaps up to twice this many pixels wide are closed. Events
            only outline an object; closing the gaps fills its interior.

    Raises:
        ValueError: for a value outside its range; the message begins with the key.
    """

    level: float = 0.1
    threshold: float = 0.1
    align: str = "time"
    min_spikes: int = 1
    once: bool = False
    max_spikes: int = 200
    fill: int = 0

    def __post_init__(self) -> None:
        check_number("level", self.level, above=0, at_most=1)
        check_number("threshold", self.threshold, at_least=0, below=1)
        check_choice("align", self.align, ("time", "age", "none"))
        check_integer("min_spikes", self.min_spikes, at_least=1)
        check_integer("max_spikes", self.max_spikes, at_least=1)
        _check_size("fill", self.fill, 0, _LARGEST)


@dataclass(frozen=True)
class Recipe:
    """A complete run: input, layers, and the part of the data set that is used.

    Args:
        conv1: first layer; fixed filters unless `train_conv1`.
        conv2: second layer.
        conv3: third layer, one map per class; None: the network ends with conv2.
        paper: preset from which the values were taken.
        n_steps: T, number of time steps.
        train_conv1: whether conv1 learns as well.
        samples: number of stimuli to train on, from the first; None: all.
        input: how images become spikes.
        segment: how class spikes become instances; learning does not depend on it.

    Raises:
        ValueError: for a value outside its range; the message begins with the key.
    """

    conv1: LayerConfig
    conv2: LayerConfig
    conv3: LayerConfig | None = None
    paper: str | None = None
    n_steps: int = 10
    train_conv1: bool = False
    samples: int | None = None
    input: InputConfig = field(default_factory=InputConfig)
    segment: SegmentConfig = field(default_factory=SegmentConfig)

    def __post_init__(self) -> None:
        _check_size("n_steps", self.n_steps, 1, 1_000_000)
        if self.samples is not None:
            _check_size("samples", self.samples, 1, 2**63 - 1)
        maps = 2
        for name, layer in self.layers.items():
            weights = layer.maps * maps * layer.kernel_size**2
            if weights > _MOST_WEIGHTS:
                raise ValueError(
                    f"{name}: {layer.maps} maps of {maps} x {layer.kernel_size} x "
                    f"{layer.kernel_size} weights take {weights * 4 / 1e9:,.0f} GB: reduce maps or "
                    "kernel_size"
                )
            maps = layer.maps

    @property
    def layers(self) -> dict[str, LayerConfig]:
        """The layers of the network by name, first to last."""
        layers = {name: getattr(self, name) for name in LAYERS}
        return {name: layer for name, layer in layers.items() if layer is not None}


def make_recipe(
    values: Mapping[str, Any] | None = None,
    paper: str | None = None,
    *,
    n_classes: int | None = None,
    max_epochs: int | None = None,
    where: str = "",
) -> Recipe:
    """A recipe from the preset of a paper and the values that override it.

    In addition to the keys of `Recipe`, ``stdp`` and ``wta`` are accepted and apply to all layers;
    a layer's own ``stdp`` and ``wta`` take precedence. ``wta.theta_rest`` is not accepted, because
    the layer's ``threshold`` sets it.

    Args:
        values: a nested mapping, as read from YAML; its ``paper`` is used if `paper` is None.
        paper: "igarss2023", "kheradpisheh2018" or None.
        n_classes: number of maps of conv3; overrides the recipe.
        max_epochs: maximum number of epochs of every layer; overrides the recipe.
        where: prefix of keys in messages, such as a file name.

    Raises:
        ConfigError: for a wrong key or value; the message names the key and the value.

    Example:
        >>> recipe = make_recipe({"conv2": {"maps": 20}}, "igarss2023", n_classes=10)
        >>> [layer.maps for layer in recipe.layers.values()], recipe.conv2.stdp.a_plus
        ([4, 20, 10], 0.04)
        >>> make_recipe({"conv2": {"treshold": 1}}, "igarss2023")
        Traceback (most recent call last):
        ...
        jarvis.stdp.recipe.ConfigError: conv2.treshold: no such key; did you mean threshold?
    """
    values = dict(values or {})
    check_keys(values, [*(f.name for f in fields(Recipe)), "stdp", "wta"], where)
    asked = values.pop("paper", None)
    for name in (asked, paper):
        if name is not None and not (isinstance(name, str) and name in PAPERS):
            raise ConfigError(f"{where}paper: {_shown(name)} is not one of {', '.join(PAPERS)}")
    if paper is not None and asked is not None and asked != paper:
        raise ConfigError(f"{where}paper: {asked!r} here, but {paper!r} was requested: keep one")
    paper = paper or asked
    preset = PAPERS[paper] if paper is not None else {}
    for name in LAYERS:  # report a mistyped key rather than the value it should have set
        if values.get(name) is not None:
            given = _plain_mapping(values[name], f"{where}{name}")
            check_keys(given, [f.name for f in fields(LayerConfig)], f"{where}{name}.")
    common = {key: values.pop(key, None) for key in ("stdp", "wta")}
    merged: dict[str, Any] = {**preset, **values, "paper": paper}
    for name in LAYERS:
        given = values.get(name, {} if name in preset or name != "conv3" else None)
        if given is None and name == "conv3":
            if n_classes is not None:
                raise ConfigError(f"{where}n_classes: it sets the maps of conv3, which is missing")
            merged[name] = None
            continue
        layer = {**preset.get(name, {}), **_plain_mapping(given, f"{where}{name}")}
        if name == "conv3":
            layer.setdefault("maps", n_classes or 1)
            layer["maps"] = n_classes or layer["maps"]
        merged[name] = _layer(layer, common, paper, max_epochs, where, f"{where}{name}.")
    return fill(Recipe, merged, where)


def _plain_mapping(values: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: must hold `key: value` lines, not {_shown(values)}")
    return values


def _layer(
    values: dict[str, Any],
    common: Mapping[str, Any],
    paper: str | None,
    max_epochs: int | None,
    top: str,
    where: str,
) -> LayerConfig:
    """A layer; its own `stdp` and `wta` override the common values, which override the paper's."""
    own = {key: values.pop(key, None) for key in ("stdp", "wta")}
    layer = fill(LayerConfig, values, where)
    learning: dict[str, Any] = {}
    for key, cls in (("stdp", STDPConfig), ("wta", WTAConfig)):
        start = cls.from_paper(paper) if paper is not None else cls()
        merged = {f.name: getattr(start, f.name) for f in fields(cls)}
        for given, place in ((common[key], f"{top}{key}"), (own[key], f"{where}{key}")):
            if given is None:
                continue
            if "theta_rest" in _plain_mapping(given, place):
                raise ConfigError(f"{place}.theta_rest: set the layer's threshold instead")
            fill(cls, {**merged, **_rest(cls, layer), **given}, f"{place}.")
            merged |= given
        learning[key] = fill(cls, {**merged, **_rest(cls, layer)}, f"{where}{key}.")
    if max_epochs is not None:
        learning["stdp"] = replace(learning["stdp"], max_epochs=max_epochs)
    return replace(layer, **learning)


def _rest(cls: type, layer: LayerConfig) -> dict[str, float]:
    return {"theta_rest": layer.threshold} if cls is WTAConfig else {}


def read_recipe(path: str | Path, paper: str | None = None, **options: Any) -> Recipe:
    """Read a recipe from a YAML file; the other arguments are those of `make_recipe`.

    Raises:
        ConfigError: if the file cannot be read, or for a wrong key or value; the message names it.
    """
    return make_recipe(read_yaml(path), paper, where=f"{path}: ", **options)


def restore_recipe(values: Mapping[str, Any]) -> Recipe:
    """Restore a recipe from a checkpoint (see `plain`); also reads the old name of soft bounds."""
    values = dict(values)
    for name in LAYERS:
        rule = (values.get(name) or {}).get("stdp", {})
        if "multiplicative" in rule:
            bounds = "soft" if rule["multiplicative"] else "hard"
            rule = {key: value for key, value in rule.items() if key != "multiplicative"}
            values[name] = {**values[name], "stdp": {**rule, "bounds": bounds}}
    return fill(Recipe, values)
