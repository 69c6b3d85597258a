"""The layers of a recipe, the network that they form, and segmentation with this network."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from jarvis.encoding.events import Events
from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.recipe import ConfigError, Recipe, SegmentConfig
from jarvis.stdp.spikeseg.instances import Instance, hulk, smash
from jarvis.stdp.spikeseg.network import SpikeSEG, SpikeSEGState, fixed_filters
from jarvis.stdp.spikeseg.segmentation import close_gaps
from jarvis.stdp.wta import WTAConfig


def make_layers(
    recipe: Recipe, in_channels: int, generator: torch.Generator | None = None
) -> dict[str, ConvSTDP]:
    """The convolutional layers of a recipe by name, with initial weights or fixed filters.

    Args:
        recipe: describes the layers.
        in_channels: channels of the stimuli.
        generator: draws the initial weights; None for torch's default generator.

    Raises:
        ConfigError: if the fixed filters of conv1 do not fit its maps and the input channels.

    Example:
        >>> from jarvis.stdp.recipe import make_recipe
        >>> layers = make_layers(make_recipe(paper="igarss2023"), in_channels=2)
        >>> [tuple(layer.weight.shape) for layer in layers.values()]
        [(4, 2, 5, 5), (36, 4, 5, 5), (1, 36, 7, 7)]
    """
    layers, channels = {}, in_channels
    for name, config in recipe.layers.items():
        layer = ConvSTDP(
            channels,
            config.maps,
            config.kernel_size,
            config.threshold,
            config.leak,
            config.stdp,
            config.wta,
            double_every=config.double_every,
            a_plus_max=config.a_plus_max,
            generator=generator,
        )
        if name == "conv1" and not recipe.train_conv1:
            try:
                layer.weight.copy_(
                    fixed_filters(
                        config.filters, config.maps, channels, config.kernel_size, config.polarity
                    )
                )
            except ValueError as error:
                raise ConfigError(f"conv1: {error}") from None
        layers[name], channels = layer, config.maps
    return layers


def layer_input(
    layers: Mapping[str, ConvSTDP],
    recipe: Recipe,
    events: Events,
    name: str | None = None,
    at: str | None = None,
) -> Events:
    """The input of layer `name` for the stimuli: the output spikes of the layers before it.

    Args:
        layers: the layers by name, first to last.
        recipe: how the layers pool.
        events: the input of layer `at`.
        name: the layer, which is `at` or a later one; None: return the output of the last layer.
        at: the layer that receives `events`; None: the first layer.
    """
    names = list(layers)
    start = 0 if at is None else names.index(at)
    stop = len(names) if name is None else names.index(name)
    for before in names[start:stop]:
        config = recipe.layers[before]
        events = layers[before].respond(events, pool=config.pool, inhibit=config.inhibit)
    return events


def make_spikeseg(recipe: Recipe, layers: Mapping[str, ConvSTDP]) -> SpikeSEG:
    """The network with these layers as its encoder; the layers are shared, not copied.

    Args:
        recipe: a recipe with a conv3, in which conv1 and conv2 have the same `pool` and `inhibit`.
        layers: the layers that `make_layers` returned, trained or not.

    Raises:
        ConfigError: for a recipe without conv3, or if conv1 and conv2 differ in `pool` or
            `inhibit`.

    Example:
        >>> from jarvis.stdp.recipe import make_recipe
        >>> recipe = make_recipe(paper="igarss2023", n_classes=3)
        >>> model = make_spikeseg(recipe, make_layers(recipe, 2))
        >>> model.layers[2].out_channels
        3
    """
    if recipe.conv3 is None:
        raise ConfigError("conv3: missing, but segmentation starts from its spikes")
    for key in ("pool", "inhibit"):
        if len({getattr(recipe.layers[name], key) for name in ("conv1", "conv2")}) > 1:
            raise ConfigError(f"conv2.{key}: must equal conv1.{key} for segmentation")
    configs = list(recipe.layers.values())
    model = SpikeSEG(
        configs[2].maps,
        layers["conv1"].in_channels,
        (configs[0].maps, configs[1].maps),
        tuple(config.kernel_size for config in configs),  # type: ignore[arg-type]
        tuple(config.threshold for config in configs),  # type: ignore[arg-type]
        tuple(config.leak for config in configs),  # type: ignore[arg-type]
        filters=None,
        pool=configs[0].pool,
        inhibit=configs[0].inhibit,
        # The layers made here, and their rules, are replaced below; this `wta` fits any threshold.
        wta=WTAConfig(enable_homeostasis=False),
        generator=torch.Generator(),
    )
    for name, layer in layers.items():
        model.encoder[name] = layer
    model.learns_conv1 = recipe.train_conv1
    return model


def class_spikes(state: SpikeSEGState, at_most: int) -> Tensor:
    """The earliest class spikes of each stimulus, ordered by step, then by map, y and x.

    Args:
        state: the state of the network after the stimuli.
        at_most: number of class spikes per stimulus.

    Returns:
        ``[N, 5]`` int64: sample, step, map, y, x, the form that `instances.hulk` takes.
    """
    spikes = torch.stack([record.spikes[2] for record in state.records], 1)  # [B, T, C, h, w]
    table = spikes.nonzero()
    counts = torch.bincount(table[:, 0], minlength=len(spikes))
    first = torch.cat([counts.new_zeros(1), counts.cumsum(0)[:-1]])
    rank = torch.arange(len(table), device=table.device) - first[table[:, 0]]
    return table[rank < at_most]


def segment(
    model: SpikeSEG, events: Events, config: SegmentConfig, *, at_once: int = 10
) -> list[list[Instance]]:
    """The instances that the network finds in each stimulus.

    Args:
        model: the network; its `once` is set to `config.once`.
        events: N stimuli with units ``(channels, height, width)``.
        config: how class spikes become instances.
        at_once: stimuli per batch; a larger batch needs more memory.

    Returns:
        one list per stimulus; an instance's `sample` is its stimulus's index in `events`, from 0.

    Example:
        >>> from jarvis.stdp.recipe import make_recipe
        >>> recipe = make_recipe(paper="igarss2023")
        >>> model = make_spikeseg(recipe, make_layers(recipe, 1))
        >>> silent = Events.from_dense(torch.zeros(3, 2, 1, 16, 16))
        >>> segment(model, silent, recipe.segment)
        [[], []]
    """
    model.once = config.once
    found: list[list[Instance]] = [[] for _ in range(len(events))]
    for first in range(0, len(events), at_once):
        part = events[first : first + at_once]
        _, state = model(part.dense())
        spikes = class_spikes(state, config.max_spikes)
        unravelled = hulk(model, state, spikes, level=config.level)
        instances = smash(
            unravelled,
            (events.shape[1], events.shape[2]),
            threshold=config.threshold,
            align=config.align,
            min_spikes=config.min_spikes,
        )
        for instance in instances:
            sample = first + instance.sample
            if config.fill:
                steps = close_gaps(instance.step_masks, config.fill)
                instance = replace(instance, step_masks=steps, mask=steps.any(0))
            found[sample].append(replace(instance, sample=sample))
    return found
