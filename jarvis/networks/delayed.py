"""Linear maps with synaptic delays, to use between layers of neurons, and a network of both."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, dropout, linear, pad
from torch.nn.utils.fusion import fuse_linear_bn_weights

from jarvis.kernels.dispatch import check_backend, choose
from jarvis.lif import LIFLayer
from jarvis.networks.classifier import SpikingChain
from jarvis.neurons.definition import detached
from jarvis.neurons.layers import over_time
from jarvis.support.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_tensor,
    check_type,
    check_values,
)
from jarvis.support.limits import limited
from jarvis.surrogate import SurrogateSpike

#: The Gaussian is cut off beyond this many standard deviations.
_CUT = 3.0
#: A Gaussian below this width, in steps, is narrower than the interpolation between steps.
_NARROW = 0.2
#: Upper limit of `max_delay`, in steps; a state holds the inputs of the last `max_delay`.
_LONGEST = 1_000_000


def delayed_linear(x: Tensor, weight: Tensor, delays: Tensor) -> Tensor:
    """A linear map with a delay for each synapse: the definition that the compiled loops follow.

    A delay between two steps is interpolated. For a delay d = k + f, where k is a whole number,

        ``y_j[t] = sum_i w_ji ((1 - f_ji) x_i[t - k_ji] + f_ji x_i[t - k_ji - 1])``,

    so that ``dy/dd_ji = w_ji (x_i[t - k_ji - 1] - x_i[t - k_ji])``. Input that arrives after the
    last step is lost; before the first step, x is 0.

    Args:
        x: ``[T, B, n_in]`` spikes or currents; T may be 0.
        weight: ``[n_out, n_in]``, with at least one input and one output.
        delays: ``[n_out, n_in]`` in steps, at least 0.

    Returns:
        ``[T, B, n_out]``.

    Raises:
        TypeError: for tensors that are not floating-point, or of different types.
        ValueError: if shapes do not match, or a delay is negative or not finite.

    Source: a convolution in time with learned positions of its taps: Khalfaoui-Hassani, Pellegrini
    & Masquelier 2023, ICLR; for spikes: Hammouamri, Khalfaoui-Hassani & Masquelier 2024, ICLR.

    Example:
        >>> spike = torch.zeros(6, 1, 1)
        >>> spike[1] = 1.0
        >>> delayed_linear(spike, torch.tensor([[2.0]]), torch.tensor([[2.25]])).flatten().tolist()
        [0.0, 0.0, 0.0, 1.5, 0.5, 0.0]
    """
    for name, part in (("weight", weight), ("delays", delays)):
        check_tensor(f"delayed_linear: {name}", part, "[n_out>=1, n_in>=1]")
    check_tensor("delayed_linear: x", x, "[T, B, n_in]")
    if weight.shape != delays.shape or x.shape[2] != weight.shape[1]:
        raise ValueError(
            f"delayed_linear: x {tuple(x.shape)}, weight {tuple(weight.shape)} and delays "
            f"{tuple(delays.shape)} must be [T, B, n_in], [n_out, n_in], [n_out, n_in]"
        )
    kinds = [f"{part.dtype} on {part.device}" for part in (x, weight, delays)]
    if len(set(kinds)) > 1:
        raise TypeError(
            f"delayed_linear: x is {kinds[0]}, weight is {kinds[1]}, delays are {kinds[2]}: "
            "they must be of one type and on one device"
        )
    check_values("delayed_linear: delays", delays, "steps", at_least=0)
    if not len(x):
        return linear(x, weight)  # no steps, and so nothing to delay
    whole = delays.detach().floor().clamp_max(len(x))
    rest = delays - whole
    early, late = whole.long().unsqueeze(2), whole.long().unsqueeze(2) + 1
    taps = weight.new_zeros(*weight.shape, int(whole.max()) + 2)
    taps = taps.scatter_add(2, early, (weight * (1.0 - rest)).unsqueeze(2))
    taps = taps.scatter_add(2, late, (weight * rest).unsqueeze(2))
    before = pad(x.permute(1, 2, 0), (taps.shape[2] - 1, 0))
    return conv1d(before, taps.flip(2)).permute(2, 0, 1)


def _generator(name: str, seed: int | torch.Generator | None) -> torch.Generator | None:
    """The generator of initial values."""
    if seed is None or isinstance(seed, torch.Generator):
        return seed
    seed = check_integer(f"{name}: seed", seed, at_least=-(2**63), at_most=2**63 - 1)
    return torch.Generator().manual_seed(seed)


def _smoothed(y: Tensor, std: float) -> Tensor:
    """``y [T, B, n]`` convolved in time with a Gaussian: standard deviation `std` steps, sum 1.

    Before the first step and after the last one, y counts as 0. The Gaussian is a ``[T, T]``
    matrix, so memory grows with T^2, and time with T^2 B n.
    """
    t = torch.arange(len(y), dtype=y.dtype, device=y.device)
    distance = (t - t.unsqueeze(1)).abs()
    reach = math.ceil(_CUT * std)
    whole = torch.arange(-reach, reach + 1, dtype=y.dtype, device=y.device)
    total = torch.exp(-0.5 * (whole / std) ** 2).sum()
    gaussian = torch.exp(-0.5 * (distance / std) ** 2) / total
    # For usual lengths, a matrix product is much faster than a convolution in time.
    return (gaussian.masked_fill(distance > reach, 0.0) @ y.flatten(1)).view_as(y)


class DelayState(NamedTuple):
    """State of a `DelayedLinear` between two steps."""

    past: Tensor  #: ``[D, B, n_in]``: the inputs of the last D steps; D is the longest delay

    def detach(self) -> "DelayState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class DelayedLinear(nn.Module):
    """`nn.Linear` with a delay for each synapse, which is learned like a weight.

        ``y_j(t) = b_j + sum_i w_ji x_i(t - d_ji)``

    It is used between two layers of neurons. Unlike an `nn.Linear`, it needs the whole sequence
    ``[T, B, n_in]``, so use it in a `SpikingChain`, not in `over_time`. A delay between two steps
    is interpolated (`delayed_linear`), so its gradient is the difference of two neighbouring steps.

    This gradient depends only on the inputs of these two steps. With `smoothing`, the output is
    convolved with a Gaussian, and the gradient reaches as many steps away as the Gaussian is wide.
    Start with a wide Gaussian and reduce its width to 0 during training, by assigning to
    `smoothing`. While the width exceeds a third of a delay, an output also depends on slightly
    later inputs. What arrives after the last step is lost before the Gaussian could bring part of
    it back, and its tails beyond the first and the last step are lost too. The convolution is a
    product with a ``[T, T]`` matrix: its memory grows with T^2 and its time with T^2 B n_out.
    `smoothing` is not part of ``state_dict()``: a layer that loads a state keeps its own.

    Args:
        n_in, n_out: number of inputs and of outputs.
        max_delay: the longest delay, ms.
        dt: time step, ms.
        bias: whether there is a bias.
        learn_delays: False: the delays stay at their initial values.
        smoothing: standard deviation of the Gaussian, ms; 0: no smoothing.
        backend: "numba" (CPU), "eager" (PyTorch, on any device; the definition), or "auto".
        seed: seed of the initial values, an integer or a `torch.Generator`; None: PyTorch's default
            generator.

    Attributes:
        weight: ``[n_out, n_in]``, initially uniform in +- 1/sqrt(n_in), as in `nn.Linear`.
        delays: ``[n_out, n_in]`` ms, initially uniform in [0, max_delay]. A parameter may drift
            beyond these limits; the limit is then used in its place, and the parameter receives
            only gradients that move it back.
        bias: ``[n_out]``, or None.

    Raises:
        TypeError: for a `bias` or `learn_delays` that is neither True nor False, or another
            argument of a wrong type.
        ValueError: for a size, delay or time step out of range.

    Source: Hammouamri, Khalfaoui-Hassani & Masquelier 2024, ICLR (delays learned by surrogate
    gradients, with a Gaussian that narrows).

    Example:
        >>> from jarvis import LIFLayer
        >>> from jarvis.networks import SpikingChain
        >>> synapses = DelayedLinear(20, 30, max_delay=25.0, dt=1.0, seed=0)
        >>> chain = SpikingChain([synapses, LIFLayer()])
        >>> spikes, state = chain((torch.rand(100, 8, 20) < 0.1).float())
        >>> spikes.shape
        torch.Size([100, 8, 30])
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        max_delay: float,
        dt: float = 1.0,
        *,
        bias: bool = True,
        learn_delays: bool = True,
        smoothing: float = 0.0,
        backend: str = "auto",
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.n_in = check_integer("DelayedLinear: n_in", n_in, at_least=1)
        self.n_out = check_integer("DelayedLinear: n_out", n_out, at_least=1)
        self.dt = check_number("DelayedLinear: dt", dt, "ms", above=0)
        self.max_delay = check_number("DelayedLinear: max_delay", max_delay, "ms", at_least=0)
        for name, flag in (("bias", bias), ("learn_delays", learn_delays)):
            check_flag(f"DelayedLinear: {name}", flag)
        check_backend(backend)
        self.backend, self.smoothing = backend, smoothing
        if self.history > _LONGEST:
            raise ValueError(
                f"DelayedLinear: max_delay={self.max_delay:g} ms is {self.history:,} steps of "
                f"dt={self.dt:g} ms, more than {_LONGEST:,}"
            )
        generator = _generator("DelayedLinear", seed)
        bound = 1.0 / math.sqrt(n_in)

        def uniform(*size: int) -> Tensor:
            return torch.rand(*size, generator=generator)

        self.weight = nn.Parameter(bound * (2.0 * uniform(n_out, n_in) - 1.0))
        delays = self.max_delay * uniform(n_out, n_in)
        self.delays = nn.Parameter(delays, requires_grad=bool(learn_delays))
        self.bias = nn.Parameter(bound * (2.0 * uniform(n_out) - 1.0)) if bias else None

    @property
    def smoothing(self) -> float:
        """Standard deviation of the Gaussian in time, ms."""
        return self._smoothing

    @smoothing.setter
    def smoothing(self, value: float) -> None:
        self._smoothing = check_number("DelayedLinear: smoothing", value, "ms", at_least=0)

    @property
    def history(self) -> int:
        """Number of steps after which an input has arrived through all synapses."""
        return math.ceil(self.max_delay / self.dt)

    def steps(self) -> Tensor:
        """``[n_out, n_in]`` delays within their limits, in steps."""
        return limited(self.delays, 0.0, self.max_delay) / self.dt

    @torch.no_grad()
    def round_delays_(self) -> None:
        """Round the delays to whole steps, in place, as hardware with a clock requires."""
        self.delays.copy_((self.delays.clamp(0.0, self.max_delay) / self.dt).round() * self.dt)

    def fan_out(self, shape: Sequence[int] | None = None) -> Tensor:
        """``[n_in]`` int64: the number of synapses of each input, not counting pruned ones."""
        return (self.weight != 0).sum(0)

    def initial_state(self, x: Tensor) -> DelayState:
        """The state before the first step, all zeros, for an `x` of shape ``[B, n_in]``."""
        return DelayState(x.new_zeros(self.history, *x.shape))

    def forward(self, x: Tensor, state: DelayState | None = None) -> tuple[Tensor, DelayState]:
        """Apply the map to a sequence, or to the next piece of one.

        Args:
            x: spikes or currents ``[T, B, n_in]``. NaN and infinity are not rejected, and spread
                within their sample: with the backend "numba", to the steps t + k and t + k + 1 of
                each output, for an input at step t and a delay of k steps and a fraction; with
                "eager", as NaN also to all other steps from t to t + K + 1, where K is the largest
                k of the layer; with `smoothing`, to all steps.
            state: the state returned for the previous piece, to continue; None to start. With
                `smoothing`, a sequence cannot be continued.

        Returns:
            currents ``[T, B, n_out]``, and the state after the last step.

        Raises:
            TypeError: for an input that is not floating-point, or the state of another layer.
            ValueError: for an input or a state of the wrong shape.
        """
        check_tensor("DelayedLinear: input", x, f"[T, B, n_in={self.n_in}]", why="time first")
        steps, past = len(x), None
        if state is not None:
            check_type("DelayedLinear: state", state, DelayState)
            if self.smoothing:
                raise ValueError(
                    f"DelayedLinear: smoothing={self.smoothing:g} ms looks ahead in time, so a "
                    "sequence cannot be continued: set smoothing to 0"
                )
            past = state.past
            axes = f"[D={self.history}, B={x.shape[1]}, n_in={self.n_in}]"
            check_tensor("DelayedLinear: state.past", past, axes)
            x = torch.cat([past, x])
        y = self._map(x)[len(x) - steps :]
        if self.bias is not None:
            y = y + self.bias
        missing = max(self.history - len(x), 0)
        latest = pad(x, (0, 0, 0, 0, missing, 0)) if missing else x[len(x) - self.history :]
        return y, DelayState(latest)

    def _map(self, x: Tensor) -> Tensor:
        if not len(x):
            return x.new_zeros(0, x.shape[1], self.n_out)
        delays = self.steps()
        check_values("DelayedLinear: delays", delays, "steps", at_least=0)
        tensors = (x, self.weight, delays)
        loops = choose(self.backend, "DelayedLinear", tensors, has_weight=True, family="delayed")
        y = delayed_linear(*tensors) if loops is None else loops.run(*tensors)
        std = self.smoothing / self.dt
        return y if std < _NARROW else _smoothed(y, std)

    def extra_repr(self) -> str:
        return f"{self.n_in}, {self.n_out}, max_delay={self.max_delay:g}, dt={self.dt:g}" + (
            f", smoothing={self.smoothing:g}" if self.smoothing else ""
        )


#: What happens to the delays of a `DelayedNetwork` during training.
DELAYS = ("learned", "frozen", "none")


class DelayedNetwork(nn.Module):
    """Layers of neurons that are connected by delayed synapses: ``[T, B, n_in] -> scores [B, C]``.

    Each hidden layer consists of a `DelayedLinear`, batch normalisation (over steps and samples),
    neurons, and dropout of whole neurons. A final `DelayedLinear` gives the classes' currents ``y
    [T, B, C]``. The scores are sums over the steps,

        ``score_c = sum_t softmax_c(y_t)``,

    so that each step has one vote, which is divided among the classes.

    Args:
        sizes: the number of inputs, of neurons in each hidden layer, and of classes.
        max_delay: the longest delay of a synapse, ms.
        dt: time step, ms.
        neurons: a function that takes the number of hidden neurons and returns a layer of them, as
            an ``nn.Module``; None: `LIFLayer`, with a time constant of one step and the arctangent
            surrogate.
        delays: "learned"; "frozen" at their random initial values; or "none".
        dropout: probability that a neuron is silenced in all steps of a sample during training.
        seed: seed of the initial values, an integer or a `torch.Generator`; None: PyTorch's default
            generator.

    Attributes:
        scale: ``[n_in]`` fixed factors on the inputs, 1 unless `equalise_` sets them.

    Raises:
        TypeError: for `neurons` that is not a function or does not return a module, or another
            argument of a wrong type.
        ValueError: for fewer than two sizes, or an option out of range.

    Source: Hammouamri, Khalfaoui-Hassani & Masquelier 2024, ICLR.

    Example:
        >>> network = DelayedNetwork((20, 32, 5), max_delay=250.0, dt=10.0, seed=0)
        >>> network((torch.rand(100, 8, 20) < 0.1).float()).shape
        torch.Size([8, 5])
    """

    scale: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        max_delay: float,
        dt: float = 1.0,
        *,
        neurons: Callable[[int], nn.Module] | None = None,
        delays: str = "learned",
        dropout: float = 0.0,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_type("DelayedNetwork: sizes", sizes, (tuple, list, range), "a list of integers")
        for size in sizes:
            check_integer("DelayedNetwork: sizes", size, at_least=1)
        if len(sizes) < 2:
            raise ValueError(f"DelayedNetwork: sizes {tuple(sizes)} must give inputs and classes")
        check_choice("DelayedNetwork: delays", delays, DELAYS)
        if neurons is not None and not callable(neurons):
            raise TypeError(
                "DelayedNetwork: neurons must be a function of the number of neurons, such as "
                f"lambda n: LIFLayer(), not {neurons!r:.60}"
            )
        self.dropout = check_number("DelayedNetwork: dropout", dropout, at_least=0, below=1)
        generator = _generator("DelayedNetwork", seed)
        longest = 0.0 if delays == "none" else max_delay
        make = neurons or (lambda n: LIFLayer(tau=dt, dt=dt, surrogate=SurrogateSpike("arctan")))
        self.synapses = nn.ModuleList(
            DelayedLinear(
                n_in, n_out, longest, dt, bias=last, learn_delays=delays == "learned",
                seed=generator,
            )
            for n_in, n_out, last in zip(
                sizes, sizes[1:], [*[False] * (len(sizes) - 2), True], strict=False
            )
        )  # fmt: skip
        self.norms = nn.ModuleList(nn.BatchNorm1d(n) for n in sizes[1:-1])
        layers = [make(n) for n in sizes[1:-1]]
        for layer in layers:
            check_type("DelayedNetwork: what neurons returns", layer, nn.Module)
        self.neurons = nn.ModuleList(layers)
        self.register_buffer("scale", torch.ones(sizes[0]))

    @torch.no_grad()
    def equalise_(self, spread: Tensor, power: float = 0.5) -> None:
        """Scale each input by ``spread ** -power``, divided by the mean of these factors.

        Weights start with the same spread for all inputs, and learn at the same rate. Without
        scaling, inputs that vary little therefore contribute little.

        Args:
            spread: ``[n_in]`` standard deviation of each input over the training data. An input
                that never varies keeps the factor of the one that varies least.
            power: 0: no scaling; 1: all inputs vary by the same amount.

        Raises:
            ValueError: for a spread of another shape, negative, or all 0; or a power outside
                [0, 1].
        """
        check_tensor("equalise_: spread", spread, f"[n_in={len(self.scale)}]")
        check_values("equalise_: spread", spread, "", at_least=0)
        check_number("equalise_: power", power, at_least=0, at_most=1)
        if not bool((spread > 0).any()):
            raise ValueError("equalise_: spread is 0 for all inputs")
        factors = spread.clamp_min(spread[spread > 0].min()) ** -power
        self.scale.copy_(factors / factors.mean())

    @property
    def smoothing(self) -> float:
        """Standard deviation of the Gaussian in time of all synapses, ms; see `DelayedLinear`."""
        return cast(DelayedLinear, self.synapses[0]).smoothing

    @smoothing.setter
    def smoothing(self, value: float) -> None:
        for layer in self.synapses:
            cast(DelayedLinear, layer).smoothing = value

    def layers_in_order(self) -> Iterator[nn.Module]:
        """The layers in the order of execution."""
        for layers in zip(self.synapses, self.norms, self.neurons, strict=False):
            yield from layers
        yield self.synapses[-1]

    def forward(self, x: Tensor, *, return_spikes: bool = False):
        """Classify a batch of sequences ``[T, B, n_in]``.

        Returns:
            scores ``[B, C]``, which add up to T for each sample; with `return_spikes`, also a list
            of the spikes ``[T, B, n]`` of the hidden layers.

        Raises:
            TypeError: for an input that is not floating-point.
            ValueError: for an input of the wrong shape.
        """
        hidden = []
        shape = f"[T, B, n_in={len(self.scale)}]"
        check_tensor("DelayedNetwork: input", x, shape, why="time first")
        x = x * self.scale
        for synapses, norm, neurons in zip(self.synapses, self.norms, self.neurons, strict=False):
            x, _ = neurons(over_time(norm, synapses(x)[0]))
            hidden.append(x)
            if self.training and self.dropout:
                x = x * dropout(torch.ones_like(x[0]), self.dropout)
        currents, _ = self.synapses[-1](x)
        scores = currents.softmax(2).sum(0)
        return (scores, hidden) if return_spikes else scores

    @torch.no_grad()
    def fused(self) -> SpikingChain:
        """A copy without normalisation, for inference: a chain whose outputs are the currents y.

        The normalisation and `scale` become part of the weights and biases, as on hardware.
        `smoothing` is copied. Unless it is 0, the chain looks ahead in time, so that it takes whole
        sequences only and cannot be continued from a state: set ``network.smoothing = 0`` first.
        """
        layers: list[nn.Module] = []
        for synapses, norm, neurons in zip(self.synapses, self.norms, self.neurons, strict=False):
            one = cast(DelayedLinear, copy.deepcopy(synapses))
            norm = cast(nn.BatchNorm1d, norm)
            one.weight, one.bias = fuse_linear_bn_weights(
                one.weight, one.bias, cast(Tensor, norm.running_mean),
                cast(Tensor, norm.running_var), norm.eps, norm.weight, norm.bias,
            )  # fmt: skip
            layers += [one, copy.deepcopy(neurons)]
        layers.append(copy.deepcopy(self.synapses[-1]))
        cast(DelayedLinear, layers[0]).weight.mul_(self.scale)
        return SpikingChain(layers).eval()
