"""SpikeSEG: a spiking convolutional network that learns without labels and locates objects.

Encoder: conv1 (fixed filters) -> pool1 -> conv2 -> pool2 -> conv3, one map per class. Each layer is
a `ConvSTDP`. `decoder` traces a class spike back to the pixels that caused it.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.order_rule import NEVER, STDPConfig
from jarvis.stdp.spikeseg.decoder import Record, decode
from jarvis.stdp.spikeseg.steps import SILENT, conv_step, fixed_filters, pool_step
from jarvis.stdp.wta import WTAConfig
from jarvis.support.checks import check_choice, check_integer, check_tensor

LAYERS = ("conv1", "pool1", "conv2", "pool2", "conv3")

_PAPERS: dict[str, dict[str, Any]] = {
    "igarss2023": {},  # the defaults
    "kheradpisheh2018": dict(
        in_channels=2,
        channels=(30, 250),
        kernels=(5, 17, 17),
        thresholds=10.0,
        leaks=0.0,
        filters=None,
    ),
}


class SpikeSEGState(NamedTuple):
    """State of the encoder for one batch of stimuli. Every tensor is ``[B, C, H, W]``."""

    step: int  #: number of steps so far
    potentials: tuple[Tensor, ...]  #: potentials of conv1, conv2 and conv3 after the reset
    times: dict[str, Tensor]  #: by layer: int32 step of each unit's first spike, or `NEVER`
    records: tuple[Record, ...]  #: spikes and pooling indices of each step, for the decoder


class SpikeSEGOutput(NamedTuple):
    """One step of the encoder. The keys are conv1, pool1, conv2, pool2 and conv3."""

    layer_spikes: dict[str, Tensor]  #: ``[B, C, H, W]``, 0 or 1
    #: potentials before the reset; a pooling unit has that of the spike that it passes on, or 0
    layer_membranes: dict[str, Tensor]
    #: int32 step of the first spike so far, or `NEVER`, which ``clamp(max=T)`` turns into T
    layer_spike_times: dict[str, Tensor]
    state: SpikeSEGState


class SpikeSEG(nn.Module):
    """Encoder and tied decoder.

    The network stores one state object, for the current stimulus. `encode` replaces it, and
    `reset_state` drops it. If a state is passed to `encode`, the next state is returned instead.

    Args:
        n_classes: maps of conv3.
        in_channels: channels of the input; 2 for ON and OFF events.
        channels: maps of conv1 and conv2.
        kernels: sizes of the three kernels.
        thresholds: thresholds of the three layers, or one number for all. They are buffers, such as
            ``encoder.conv2.thresholds [C]``, which homeostasis may raise.
        leaks: leaks of the three layers, subtracted from every potential at each step.
        filters: "gabor" or "dog": conv1 is fixed (`fixed_filters`); None: conv1 learns as well.
        polarity: how fixed filters combine channels; see `fixed_filters`.
        pool: side of the pooling squares.
        once: whether a neuron or pooling unit fires at most once per stimulus; None: only in
            training mode (``model.train()``), not in ``model.eval()``.
        inhibit: whether the maps inhibit each other at each location; see `conv_step`.
        stdp: learning parameters of the three layers.
        wta: parameters of the competition.
        generator: draws the initial weights; None for torch's default generator.

    Raises:
        ValueError: for inconsistent options; the message names them.

    Source: Kirkland et al., SpikeSEG, IJCNN 2020; parameters of IGARSS 2023.

    Example:
        >>> model = SpikeSEG.from_paper("igarss2023", n_classes=2).eval()
        >>> events = (torch.rand(10, 1, 1, 32, 32) < 0.02).float()  # [T, B, C, H, W]
        >>> spikes, state = model(events)
        >>> spikes.shape, model.saliency(state).shape
        (torch.Size([10, 1, 2, 8, 8]), torch.Size([1, 1, 32, 32]))
    """

    def __init__(
        self,
        n_classes: int = 1,
        in_channels: int = 1,
        channels: tuple[int, int] = (4, 36),
        kernels: tuple[int, int, int] = (5, 5, 7),
        thresholds: float | tuple[float, float, float] = 0.1,
        leaks: float | tuple[float, float, float] = (0.09, 0.01, 0.0),
        filters: str | None = "gabor",
        *,
        polarity: str = "sum",
        pool: int = 2,
        once: bool | None = None,
        inhibit: bool = False,
        stdp: STDPConfig | None = None,
        wta: WTAConfig | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        theta = thresholds if isinstance(thresholds, tuple | list) else (thresholds,) * 3
        leak = leaks if isinstance(leaks, tuple | list) else (leaks,) * 3
        wanted = dict(channels=(channels, 2), kernels=(kernels, 3), thresholds=(theta, 3))
        for name, (values, n) in {**wanted, "leaks": (leak, 3)}.items():
            if len(values) != n:
                raise ValueError(f"SpikeSEG: {name}={values!r} must be {n} numbers")
        # The index of a pixel within a square is stored in one byte.
        check_integer("SpikeSEG: pool", pool, at_least=1, at_most=15)
        stdp = STDPConfig.from_paper("igarss2023") if stdp is None else stdp
        wta = WTAConfig.from_paper("igarss2023") if wta is None else wta
        sizes = (in_channels, *channels, n_classes)
        self.pool, self.once, self.inhibit = pool, once, inhibit
        self.encoder = nn.ModuleDict()
        for i in range(3):
            self.encoder[f"conv{i + 1}"] = ConvSTDP(
                *(sizes[i], sizes[i + 1], kernels[i], theta[i], leak[i], stdp, wta),
                generator=generator,
            )
        if filters is not None:
            weight = fixed_filters(filters, channels[0], in_channels, kernels[0], polarity)
            self.layers[0].weight.copy_(weight)
        self.learns_conv1 = filters is None
        self.state: SpikeSEGState | None = None

    @staticmethod
    def from_paper(name: str, n_classes: int = 1, **options: Any) -> "SpikeSEG":
        """The network of a paper: "igarss2023" or "kheradpisheh2018".

        "kheradpisheh2018" has no fixed layer: its input consists of the responses of
        `filters.difference_of_gaussians` (ON and OFF cells) as latencies, with ``in_channels=2``,
        and conv1 learns.

        Args:
            name: the paper.
            n_classes: maps of conv3.
            options: arguments of `SpikeSEG` to override.
        """
        check_choice("name", name, _PAPERS)
        papers = dict(stdp=STDPConfig.from_paper(name), wta=WTAConfig.from_paper(name))
        return SpikeSEG(n_classes, **{**_PAPERS[name], **papers, **options})

    @property
    def layers(self) -> tuple[ConvSTDP, ConvSTDP, ConvSTDP]:
        """conv1, conv2 and conv3."""
        return tuple(self.encoder[f"conv{i}"] for i in (1, 2, 3))  # type: ignore[return-value]

    def reset_state(self) -> None:
        """Drop the state: the next `encode` starts a new stimulus."""
        self.state = None

    def initial_state(self, x: Tensor) -> SpikeSEGState:
        """The state before a stimulus, for input shaped like ``x [B, C_in, H, W]``."""
        batch, _, height, width = x.shape
        potentials, times = [], {}
        for i, layer in enumerate(self.layers):
            maps = layer.out_channels
            potentials.append(layer.weight.new_zeros(batch, maps, height, width))
            times[f"conv{i + 1}"] = torch.full_like(potentials[-1], NEVER, dtype=torch.int32)
            height, width = height // self.pool, width // self.pool
            if i < 2:
                times[f"pool{i + 1}"] = times[f"conv{i + 1}"].new_full(
                    (batch, maps, height, width), NEVER
                )
        return SpikeSEGState(0, tuple(potentials), times, ())

    @torch.no_grad()
    def encode(self, x: Tensor, state: SpikeSEGState | None = None) -> SpikeSEGOutput:
        """One time step.

        Args:
            x: input spikes of this step, ``[B, C_in, H, W]``, or ``[C_in, H, W]`` for one sample.
            state: the state to continue from; None: the network's own state, which is then
                replaced. At the first step after `reset_state`, it is the initial state.

        Raises:
            ValueError: for input whose shape does not match the network or the state.
        """
        x = x[None] if x.dim() == 3 else x
        layers = self.layers
        axes = f"[B, C={layers[0].in_channels}, H, W]"
        check_tensor("SpikeSEG.encode: x", x, axes, floating=False, why="it is one step")
        own = state is None
        state = self.state if own else state
        state = self.initial_state(x) if state is None else state
        if state.potentials[0].shape[::2] != x.shape[::2] or (
            state.potentials[0].shape[3] != x.shape[3]
        ):
            raise ValueError(
                f"SpikeSEG.encode: x {tuple(x.shape)} does not match a state of "
                f"{tuple(state.potentials[0].shape)}: call reset_state() before a new stimulus"
            )
        once = self.training if self.once is None else self.once
        x = x.to(layers[0].weight)
        spikes, membranes, times = {}, {}, {}
        potentials, indices, resets = [], [], []

        def note(name: str, spike: Tensor, potential: Tensor) -> Tensor:
            spikes[name], membranes[name] = spike.to(x.dtype), potential
            first = spike & (state.times[name] == NEVER)
            times[name] = state.times[name].masked_fill(first, state.step)
            return spikes[name]

        into = x
        for i, layer in enumerate(layers):
            conv, pool = f"conv{i + 1}", f"pool{i + 1}"
            fired = state.times[conv] != NEVER
            spike, pre, v = conv_step(
                layer, into, state.potentials[i], fired, once=once, inhibit=self.inhibit
            )
            potentials.append(v)
            resets.append(v != pre)  # a reset changes v, since thresholds are above 0
            note(conv, spike, pre)
            if i < 2:
                passed = state.times[pool] != NEVER
                index, potential = pool_step(spike, pre, passed, self.pool, once)
                indices.append(index)
                into = note(pool, index != SILENT, potential)
        fired = tuple(spikes[f"conv{i}"].bool() for i in (1, 2, 3))
        record = Record(x, fired, tuple(indices), tuple(resets))
        after = SpikeSEGState(state.step + 1, tuple(potentials), times, (*state.records, record))
        if own:
            self.state = after
        return SpikeSEGOutput(spikes, membranes, times, after)

    def forward(
        self, x: Tensor, state: SpikeSEGState | None = None
    ) -> tuple[Tensor, SpikeSEGState]:
        """Run all steps, from the initial state or from `state`, but not from the stored state.

        Args:
            x: ``[T, B, C_in, H, W]``.
            state: the state to continue from.

        Returns:
            ``(class spikes [T, B, n_classes, h, w], state)``.
        """
        check_tensor("SpikeSEG: x", x, "[T>=1, B, C, H, W]", floating=False)
        state = self.initial_state(x[0]) if state is None else state
        spikes = []
        for x_t in x:
            output = self.encode(x_t, state)
            state = output.state
            spikes.append(output.layer_spikes["conv3"])
        return torch.stack(spikes), state

    def saliency(
        self, state: SpikeSEGState | None = None, *, per_step: bool = False, gated: bool = True
    ) -> Tensor:
        """Saliency of the pixels for all class spikes together (`decoder.decode`).

        Args:
            state: the state after the stimuli; None: the network's own state.
            per_step: return the saliency of each step, ``[T, B, 1, H, W]``, instead of the sum.
            gated: True: only pixels with an event; False: the whole filters.

        Returns:
            saliency ``[B, 1, H, W]``, at least 0.
        """
        state = self.state if state is None else state
        if state is None or not state.records:
            raise ValueError("SpikeSEG.saliency: nothing has been shown yet: call encode first")
        target = torch.stack([record.spikes[2] for record in state.records])
        steps = decode(self.layers, state.records, target, pool=self.pool, gated=gated)
        return steps if per_step else steps.sum(0)
