"""YAML into dataclasses, checked: a wrong key or value is named, with the nearest right one."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration has a wrong key or value; the message names where, and the fix."""


class _Loader(yaml.SafeLoader):
    """YAML without its silent rule that of two equal keys the last one counts."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    seen = set()
    for key_node, _ in node.value:
        key = key_node.value
        if key in seen and key != "<<":
            line = key_node.start_mark.line + 1
            raise ConfigError(f"{loader.name}: {key!r} appears twice, again in line {line}")
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; only plain values are read (no Python objects).

    Raises:
        ConfigError: if the file is missing, not YAML, not a mapping, or has a key twice.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8") as file:
            values = yaml.load(file, _Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ConfigError(f"cannot read config {path}: {reason}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path}:{line} not YAML: {reason}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold `key: value` lines, not {type(values).__name__}")
    return values


def check_keys(values: Mapping[str, Any], known: typing.Iterable[str], where: str = "") -> None:
    """An error that names the first key of `values` that is not known, and the nearest that is.

    Raises:
        ConfigError: if there is one.

    Example:
        >>> check_keys({"a_plsu": 1}, ["a_plus", "a_minus"], "stdp.")
        Traceback (most recent call last):
        ...
        jarvis.config.ConfigError: stdp.a_plsu: no such key; did you mean a_plus?
    """
    known = list(known)
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"{where}{key}: no such key; {hint}")


def fill(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """An instance of a dataclass from a mapping, nested ones included.

    Numbers that YAML leaves as text (``1e-4``) are numbers here.

    Args:
        cls: a dataclass that checks itself by raising ValueError.
        values: its fields; those left out keep their defaults.
        where: what to put before a key in messages, such as ``"conv2.stdp."``.

    Raises:
        ConfigError: for an unknown key, a value of the wrong type or out of range, or a field
            that has no default and is missing.

    Example:
        >>> from jarvis.stdp import STDPConfig
        >>> fill(STDPConfig, {"a_plus": "4e-2"}).a_plus
        0.04
        >>> fill(STDPConfig, {"a_plus": -1}, "stdp.")
        Traceback (most recent call last):
        ...
        jarvis.config.ConfigError: stdp.a_plus=-1.0 must be positive and finite: it is a size
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where.rstrip('.')}: must hold `key: value` lines, not {values!r}")
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
    except ValueError as error:
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
            raise ConfigError(f"{where}: {value!r} is not one of {', '.join(known)}")
        return kind(value)
    if kind is float:
        try:
            number = math.nan if isinstance(value, bool) else float(typing.cast(Any, value))
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"{where}: {value!r} is not a finite number")
        return number
    names = {int: "a whole number", bool: "true or false", str: "a text"}
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: {value!r} is not {names.get(kind, kind)}")
    return value


def plain(value: Any) -> Any:
    """Dataclasses, enums and tuples as dicts, values and lists: for JSON, YAML and checkpoints."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
