"""How well unsupervised features predict labels: a linear read-out, and winning maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from jarvis.encoding.events import Events
from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.network import layer_input
from jarvis.stdp.recipe import Recipe
from jarvis.support.checks import (
    check_integer,
    check_number,
    check_tensor,
    check_type,
    check_values,
    whole_numbers,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_BATCH = 500  # number of stimuli whose potentials are in memory at once


def grid_features(
    layers: Mapping[str, ConvSTDP], recipe: Recipe, events: Events, layer: str, grid: int = 2
) -> Tensor:
    """The highest potential of each map in each cell of a grid, at the end of the stimulus.

    The neurons of `layer` do not fire here: they only integrate, as with an infinite threshold.

    Args:
        layers: the layers by name, first to last.
        recipe: how the layers before `layer` pool.
        events: the stimuli, as conv1 receives them.
        layer: the layer whose potentials are read.
        grid: cells per side, at most the side of a map; 1: the highest potential of the whole map.

    Returns:
        ``[N, maps * grid * grid]`` float32.

    Source: Kheradpisheh et al. 2018, Neural Networks 99:56, section 2.5 (one cell).
    """
    parts = []
    for first in range(0, len(events), _BATCH):
        hears = layer_input(layers, recipe, events[first : first + _BATCH], layer)
        potentials = layers[layer].potentials(hears)
        cells = min(grid, *potentials.shape[2:])
        parts.append(F.adaptive_max_pool2d(potentials, cells).flatten(1))
    return torch.cat(parts)


def layer_output(
    layers: Mapping[str, ConvSTDP], recipe: Recipe, events: Events, layer: str | None = None
) -> Events:
    """The output spikes of `layer` (None: of the last layer), after its pooling."""
    names = list(layers)
    after = [] if layer is None else names[names.index(layer) + 1 :]
    return layer_input(layers, recipe, events, after[0] if after else None)


def latency_features(events: Events) -> csr_matrix:
    """One number per unit: 0 without a spike; ``1 - t/(2 T)`` for a spike in step t = 0 .. T-1.

    Args:
        events: at most one spike per unit and stimulus.

    Returns:
        sparse ``[N, units]``, float32.

    Example:
        >>> train = Events.from_first_steps(torch.tensor([[[0, 2, 4]]]), 4)  # the third is silent
        >>> latency_features(train).toarray().tolist()
        [[1.0, 0.75, 0.0]]
    """
    from scipy.sparse import csr_matrix

    check_type("latency_features: events", events, Events)
    if events.n_steps is None:
        raise ValueError("latency_features: event times are in ms: call events.binned(T) first")
    events.check()
    values = 1.0 - 0.5 * events.times.numpy().astype(np.float32) / events.n_steps
    arrays = (values, events.units.numpy(), events.offsets.numpy())
    return csr_matrix(arrays, shape=(len(events), events.n_units))


def linear_readout(
    train: tuple[Tensor | csr_matrix, Tensor],
    test: tuple[Tensor | csr_matrix, Tensor],
    c: float | None = None,
) -> tuple[float, Tensor]:
    """A linear support vector machine that predicts labels from features.

    Dense features are centred at their training means. All are then divided by one number, the
    standard deviation of all training features, so that the meaning of `c` does not depend on the
    unit of the potentials. Sparse features are used as they are.

    Args:
        train: features ``[N, F]``, dense or sparse, and labels ``[N]``.
        test: test features and labels, likewise.
        c: penalty for margin violations; None: 0.02 for dense features, 0.003 for sparse ones.
            (Kheradpisheh et al. use 2.4, for unscaled potentials.)

    Returns:
        the accuracy on `test`, from 0 to 1, and the labels predicted for `test`.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [4.0], [5.0]])
        >>> linear_readout((x, torch.tensor([0, 0, 1, 1])), (x, torch.tensor([0, 0, 1, 1])))[0]
        1.0
    """
    from scipy.sparse import csr_matrix
    from sklearn.svm import LinearSVC

    for name, part in (("train", train), ("test", test)):
        check_type(f"linear_readout: {name}", part, (tuple, list), "a pair (features, labels)")
        if len(part) != 2:
            raise ValueError(f"linear_readout: {name} must be a pair (features, labels)")
        features, labels = part
        if not isinstance(features, csr_matrix):
            check_tensor(f"linear_readout: the features of {name}", features, "[N, F]")
            check_values(f"linear_readout: the features of {name}", features)
        found = whole_numbers(f"linear_readout: the labels of {name}", labels)
        n = features.shape[0]  # type: ignore[index]
        if len(found) != n:
            raise ValueError(f"linear_readout: {name} has {n} samples, but {len(found)} labels")
    if c is not None:
        c = check_number("linear_readout: c", c, above=0)
    x, x_test = train[0], test[0]
    sparse = isinstance(x, csr_matrix)
    if isinstance(x, Tensor) and isinstance(x_test, Tensor):
        mean = x.mean(0)
        scale = (x - mean).std().clamp_min(1e-12)
        x, x_test = (((part - mean) / scale).numpy() for part in (x, x_test))
    if c is None:
        c = 0.003 if sparse else 0.02
    machine = LinearSVC(C=c, dual=True if sparse else "auto", random_state=0, max_iter=20_000)  # type: ignore[arg-type]
    machine.fit(x, train[1].numpy())
    labels = torch.from_numpy(machine.predict(x_test))
    return (labels == test[1]).double().mean().item(), labels


def class_of_maps(winners: Tensor, targets: Tensor, n_maps: int, n_classes: int) -> Tensor:
    """For each map, the class of whose stimuli it wins the largest share; -1 if it wins none.

    Args:
        winners: winning map of each stimulus, ``[N]``.
        targets: class of each stimulus, ``[N]``.
        n_maps: number of maps.
        n_classes: number of classes.

    Returns:
        ``[n_maps]`` int64; -1 for a map that never wins.

    Source: Diehl & Cook 2015, Front. Comput. Neurosci. 9:99, section 2.7.

    Example:
        >>> class_of_maps(torch.tensor([0, 0, 2]), torch.tensor([1, 1, 0]), 3, 2).tolist()
        [1, -1, 0]
    """
    n_maps = check_integer("class_of_maps: n_maps", n_maps, at_least=1)
    n_classes = check_integer("class_of_maps: n_classes", n_classes, at_least=1)
    winners = whole_numbers("class_of_maps: winners", winners, at_least=0, below=n_maps)
    targets = whole_numbers("class_of_maps: targets", targets, at_least=0, below=n_classes)
    if len(winners) != len(targets):
        raise ValueError(f"class_of_maps: {len(winners)} winners, but {len(targets)} targets")
    table = torch.zeros(n_maps, n_classes, dtype=torch.float64)
    shown = torch.bincount(targets, minlength=n_classes).clamp_min(1)
    table.index_put_((winners, targets), 1.0 / shown[targets].double(), accumulate=True)
    return torch.where(table.sum(1) > 0, table.argmax(1), -1)
