"""A policy: a network of neurons of one kind that maps observations to actions.

`Policy` defines the network and the order of its weights in one vector. `SpikingPolicy` is the
network in PyTorch, which serves as its readable definition. `Candidates` runs many policies at a
time in a compiled loop.
"""

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.control.rate import Tanh
from jarvis.control.spaces import Actions
from jarvis.control.statistics import ObservationStatistics, statistics_of
from jarvis.kernels.candidates import NOISE
from jarvis.neurons import DrivenLayer, SpikingLayer
from jarvis.support.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_integers,
    check_number,
    check_tensor,
    check_type,
)
from jarvis.zoo import hidden_layer, trainable

CODES = ("normalised", "population")
READOUTS = ("trace", "rate", "last")

#: Kinds accepted in addition to the neurons of the zoo.
OTHERS = ("tanh", "linear")


def kinds() -> tuple[str, ...]:
    """The kinds of neurons that a policy can have.

    These are the neurons of the zoo that can be used in a network, "tanh" (units without spikes or
    memory), and "linear" (no neurons at all).

    Example:
        >>> {"lif", "izhikevich", "tanh", "linear"} <= set(kinds())
        True
    """
    return (*trainable(), *OTHERS)


class Block(NamedTuple):
    """A matrix or vector within the vector of all weights."""

    name: str  #: a name such as "synapses0", "biases0", "recurrent0", "readout"
    shape: tuple[int, ...]  #: ``[senders, receivers]`` or ``[receivers]``
    part: slice


@dataclass(frozen=True)
class Policy:
    """A network that maps observations to actions.

    In every control step, the network receives ``z = (observation - mean) / standard deviation``,
    clipped to +-`clip`, and takes `steps` steps of 1 ms::

        code       normalised: x = W z, constant over the control step
                   population: `per_input` encoders for each observation, with centres c from -2 to
                   2 and width w. At each step, A = exp(-(z - c)^2 / 2 w^2) is added to the
                   potential of an encoder. When the potential reaches 1, the encoder sends a spike,
                   and 1 is subtracted. x = W spikes
        layer      input = drive (x + b + R y), where y is the output of the layer one step before
        read-out   trace: r <- exp(-1/tau_trace) r + (1 - exp(-1/tau_trace)) y
                   rate: r = mean of y over the steps;  last: r = y of the last step
        action     o = W r + b. Choices: the largest o is chosen. Forces: o is clipped to +-1 and
                   scaled to the bounds of the forces

    The whole state is kept from one control step to the next and starts at rest in each episode. If
    the policy is not `persistent`, the state starts at rest in each control step.

    Args:
        n_observations: number of observations.
        actions: the actions of the environment.
        neuron: kind of neuron, one of `kinds`. "linear" has no hidden neurons.
        hidden: number of neurons in each hidden layer.
        recurrent: whether the neurons of a layer are connected to each other.
        steps: number of steps of 1 ms per control step.
        code: "normalised" or "population".
        per_input: number of encoders per observation in a population code.
        readout: "trace", "rate" or "last".
        tau_trace: time constant of the trace, ms. Several time constants alternate over the neurons
            of the last layer: the difference between a fast and a slow trace shows how the input
            changes.
        drive: factor on the input of a neuron. An input of order 1 takes a neuron of the zoo from
            rest to its threshold within 1 ms.
        clip: largest magnitude of a normalised observation.
        persistent: whether the state is kept from one control step to the next.
        values: parameters of the neuron that differ from those of `jarvis.zoo`. A sequence, an
            array or a tensor gives each neuron its own value; this requires a single hidden layer.

    Raises:
        ValueError: for a value out of range or an unknown name; the message names it.
        TypeError: for a parameter that the neuron does not have, values that are not a mapping, or
            a flag that is not True or False.

    Source: the population code is from Tang, Kumar, Yoo & Michmizos 2021, CoRL (PMLR 155:2016).

    Example:
        >>> Policy(4, Actions(2), hidden=(8,)).n_parameters  # 4*8 + 8 + 8*2 + 2
        58
    """

    n_observations: int
    actions: Actions
    neuron: str = "lif"
    hidden: tuple[int, ...] = (32,)
    recurrent: bool = False
    steps: int = 4
    code: str = "normalised"
    per_input: int = 10
    readout: str = "trace"
    tau_trace: float | tuple[float, ...] = 4.5
    drive: float = 0.2
    clip: float = 10.0
    persistent: bool = True
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_integer("Policy: n_observations", self.n_observations, at_least=1)
        if not isinstance(self.actions, Actions):
            raise TypeError(f"Policy: actions must be Actions, not {type(self.actions).__name__}")
        for name in ("recurrent", "persistent"):
            flag = check_flag(f"Policy: {name}", getattr(self, name))
            object.__setattr__(self, name, flag)
        check_type("Policy: values", self.values, Mapping)
        check_choice("Policy: neuron", self.neuron, kinds())
        given = () if self.neuron == "linear" else self.hidden
        sizes = check_integers("Policy: hidden", given, at_least=1, at_most=100_000)
        object.__setattr__(self, "hidden", sizes)
        if not sizes and self.neuron != "linear":
            raise ValueError("Policy: hidden=() has no neurons: use neuron='linear'")
        check_integer("Policy: steps", self.steps, at_least=1, at_most=1000)
        check_choice("Policy: code", self.code, CODES)
        check_integer("Policy: per_input", self.per_input, at_least=2, at_most=1000)
        check_choice("Policy: readout", self.readout, READOUTS)
        taus = self.tau_trace if isinstance(self.tau_trace, tuple | list) else (self.tau_trace,)
        if not taus:
            raise ValueError("Policy: tau_trace=() has no time constant")
        taus = tuple(check_number("Policy: tau_trace", tau, "ms", above=0) for tau in taus)
        object.__setattr__(self, "tau_trace", taus if taus[1:] else next(iter(taus)))
        n_read = sizes[-1] if sizes else self.n_inputs
        if self.readout == "trace" and len(taus) > n_read:
            raise ValueError(
                f"Policy: tau_trace has {len(taus)} time constants, but the read-out has {n_read}"
            )
        check_number("Policy: drive", self.drive, above=0)
        check_number("Policy: clip", self.clip, above=0)
        if self.neuron == "linear" and (self.values or self.recurrent):
            raise ValueError("Policy: a linear policy has no neurons for `values` or `recurrent`")
        plain = {name: self._plain(name, value) for name, value in self.values.items()}
        object.__setattr__(self, "values", plain)
        if sizes:
            self.layer()  # raises for invalid values of the neuron

    def _plain(self, name: str, value: Any) -> Any:
        """A parameter of the neuron: as it is, or, for several values, as a tuple of numbers."""
        if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray | Tensor):
            return value
        if isinstance(value, Tensor):
            value = value.detach().cpu().double().numpy()
        try:
            each = np.asarray(value)
        except ValueError:  # lists of different lengths
            each = np.asarray(None)
        if each.dtype.kind not in "iuf":
            raise TypeError(f"Policy: values[{name!r}] must be numbers, not {reprlib.repr(value)}")
        if not each.ndim:
            return each.item()
        if len(self.hidden) != 1 or each.shape != self.hidden:
            raise ValueError(
                f"Policy: values[{name!r}] of shape {list(each.shape)} needs one hidden layer of "
                f"that size, not {list(self.hidden)}"
            )
        return tuple(each.tolist())

    # -- sizes and weights

    @property
    def population(self) -> int:
        """Number of encoders per observation; 0 without a population code."""
        return self.per_input if self.code == "population" else 0

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the first layer."""
        return self.n_observations * max(self.population, 1)

    def blocks(self) -> list[Block]:
        """The matrices and biases, in the order in which the vector of weights contains them."""
        shapes: list[tuple[str, tuple[int, ...]]] = []
        sizes = (self.n_inputs, *self.hidden)
        for k, (n, m) in enumerate(pairwise(sizes)):
            shapes += [(f"synapses{k}", (n, m)), (f"biases{k}", (m,))]
            shapes += [(f"recurrent{k}", (m, m))] * self.recurrent
        shapes += [("readout", (sizes[-1], self.actions.n)), ("readout_biases", (self.actions.n,))]
        found, at = [], 0
        for name, shape in shapes:
            found.append(Block(name, shape, slice(at, at + math.prod(shape))))
            at += math.prod(shape)
        return found

    @property
    def n_parameters(self) -> int:
        """Length of the vector of weights."""
        return self.blocks()[-1].part.stop

    def unpacked(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """The matrices and biases of a vector of weights, by name; they share the vector's memory.

        Raises:
            ValueError: for a vector of another length.
            TypeError: for something other than an array of numpy.
        """
        if np.shape(theta) != (self.n_parameters,):
            raise ValueError(
                f"theta must be [n_parameters={self.n_parameters}]; got shape {np.shape(theta)}"
            )
        check_type("theta", theta, np.ndarray, "an array")
        return {name: theta[part].reshape(shape) for name, shape, part in self.blocks()}

    def initial(self, seed: int = 0) -> np.ndarray:
        """Initial weights ``[n_parameters]``: random synapses, biases of 1 and a read-out of 0.

        Synapses are normally distributed with the standard deviation ``2 / sqrt(inputs)``, and
        recurrent synapses with ``1 / sqrt(neurons)``. Without spikes (tanh), biases start at 0. The
        read-out starts at 0, so the initial policy does nothing or always chooses the same action.

        Args:
            seed: seed of the random numbers.
        """
        check_integer("initial: seed", seed, at_least=0)
        rng = np.random.default_rng((seed, 1))
        theta = np.zeros(self.n_parameters)
        for name, values in self.unpacked(theta).items():
            if name.startswith("synapses"):
                values[:] = rng.normal(0.0, 2.0 / math.sqrt(len(values)), values.shape)
            elif name.startswith("recurrent"):
                values[:] = rng.normal(0.0, 1.0 / math.sqrt(len(values)), values.shape)
            elif name.startswith("biases") and self.neuron != "tanh":
                values[:] = 1.0
        return theta

    # -- parts of the network

    def layer(self, backend: str = "auto") -> DrivenLayer:
        """A layer of the policy's neurons, without synapses."""
        values: dict[str, Any] = {
            name: torch.as_tensor(value, dtype=torch.get_default_dtype())
            if isinstance(value, tuple)
            else value
            for name, value in self.values.items()
        }
        if self.neuron == "tanh":
            return DrivenLayer(SpikingLayer(Tanh(**values), backend=backend))
        return hidden_layer(self.neuron, backend=backend, **values)

    @property
    def fires(self) -> bool:
        """Whether the output of the neurons consists of spikes."""
        return bool(self.hidden) and self.layer().fires

    @property
    def noisy(self) -> bool:
        """Whether the neurons draw random numbers."""
        if not self.hidden:
            return False
        driven = self.layer()
        inputs = driven.layer.neuron.inputs if driven.inputs is None else None
        return inputs is not None and NOISE in inputs._fields

    def centres(self) -> np.ndarray:
        """The centres of the receptive fields of the encoders of an observation ``[per_input]``."""
        return np.linspace(-2.0, 2.0, self.per_input)

    @property
    def width(self) -> float:
        """The standard deviation of the encoders' receptive fields: the spacing of centres."""
        return 4.0 / (self.per_input - 1)

    def trace(self) -> tuple[np.ndarray, np.ndarray]:
        """The factors by which each step multiplies the trace and the output of the last layer.

        Each has one value per neuron that is read out ``[n]``."""
        n = self.hidden[-1] if self.hidden else self.n_inputs
        if self.readout == "rate":
            return np.ones(n), np.full(n, 1.0 / self.steps)
        if self.readout == "last":
            return np.zeros(n), np.ones(n)
        keep = np.resize(np.exp(-1.0 / np.atleast_1d(np.array(self.tau_trace, float))), n)
        return keep, 1.0 - keep

    def operations(self, fired: np.ndarray, steps: float) -> float:
        """The mean number of synaptic operations per control step.

        A spike costs one addition per synapse that it reaches; an analogue value (a normalised
        observation, the output of a tanh unit, a trace at the read-out) costs one multiplication
        per synapse.

        Args:
            fired: total number of spikes of the encoders, then of each layer.
            steps: number of control steps.
        """
        sizes = [*self.hidden, self.actions.n]
        if not self.hidden:
            return float(self.n_inputs * self.actions.n)
        spikes = np.asarray(fired, float) / steps
        if not self.fires:
            spikes = np.array([spikes[0], *(self.steps * n for n in self.hidden)], float)
        total = spikes[0] * sizes[0] if self.population else float(self.n_inputs * sizes[0])
        for k, n in enumerate(self.hidden):
            inner = sizes[k + 1] if k + 1 < len(self.hidden) else 0
            total += spikes[k + 1] * (inner + n * self.recurrent)
        return float(total + self.hidden[-1] * self.actions.n)


class PolicyState(NamedTuple):
    """State of a `SpikingPolicy` between two control steps."""

    encoders: Tensor | None  #: potentials ``[B, inputs]``; None without encoders
    neurons: tuple[Any, ...]  #: the state of each layer
    sent: tuple[Tensor, ...]  #: the output of each layer in the last step ``[B, n]``
    trace: Tensor  #: ``[B, n of the last layer]``

    def detach(self) -> "PolicyState":
        """The state detached from the graph, for truncated backpropagation through time."""
        from jarvis.neurons import detached

        return detached(self)


class SpikingPolicy(nn.Module):
    """A `Policy` as a PyTorch module: the definition of its computation, with gradients.

    Args:
        policy: the network.
        theta: its weights ``[n_parameters]``; None for `Policy.initial`.
        statistics: statistics of the observations; None passes observations on unchanged.
        seed: seed of the initial weights.
        backend: backend of the neurons, as in `SpikingLayer`.

    Raises:
        ValueError: for weights or statistics of another size.
        TypeError: for something other than a policy or statistics.

    Attributes:
        weights: a `ParameterDict` with the matrices and biases of `Policy.blocks`.

    Example:
        >>> network = SpikingPolicy(Policy(4, Actions(2), hidden=(8,)))
        >>> outputs, state = network(torch.rand(5, 1, 4))  # 5 control steps of one episode
        >>> outputs.shape
        torch.Size([5, 1, 2])
    """

    mean: Tensor
    scale: Tensor
    _centres: Tensor

    def __init__(
        self,
        policy: Policy,
        theta: np.ndarray | None = None,
        statistics: ObservationStatistics | None = None,
        *,
        seed: int = 0,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        check_type("policy", policy, Policy)
        self.policy = policy
        parts = policy.unpacked(policy.initial(seed) if theta is None else np.asarray(theta))
        dtype = torch.get_default_dtype()
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(part, dtype=dtype)) for name, part in parts.items()}
        )
        self.layers = nn.ModuleList(policy.layer(backend) for _ in policy.hidden)
        seen = statistics_of("SpikingPolicy: statistics", statistics, policy.n_observations)
        self.register_buffer("mean", torch.tensor(seen.centre, dtype=dtype))
        self.register_buffer("scale", torch.tensor(seen.scale, dtype=dtype))
        self.register_buffer("_centres", torch.tensor(policy.centres(), dtype=dtype))

    def theta(self) -> np.ndarray:
        """The weights as one vector ``[n_parameters]``."""
        parts = (self.weights[name].detach().double().reshape(-1) for name, *_ in
                 self.policy.blocks())  # fmt: skip
        return torch.cat(list(parts)).numpy()

    def initial_state(self, observations: Tensor) -> PolicyState:
        """The state at the beginning of an episode.

        Args:
            observations: observations of one control step ``[B, n_observations]``.
        """
        policy = self.policy
        empty = [observations.new_zeros(len(observations), n) for n in policy.hidden]
        encoders = observations.new_zeros(len(observations), policy.n_inputs)
        return PolicyState(
            encoders if policy.population else None,
            tuple(layer.initial_state(x) for layer, x in zip(self.layers, empty, strict=True)),  # type: ignore[operator]
            tuple(empty),
            torch.zeros_like(empty[-1] if empty else encoders),
        )

    def forward(
        self, observations: Tensor, state: PolicyState | None = None
    ) -> tuple[Tensor, PolicyState]:
        """Run the policy over control steps.

        Args:
            observations: ``[T, B, n_observations]``.
            state: the state that a previous call returned; None at the beginning of an episode.

        Returns:
            the outputs ``[T, B, n]``, and the state. The outputs are scores of the choices, or
            forces in units of their bounds, which are not clipped yet.
        """
        check_tensor("observations", observations, f"[T, B, {self.policy.n_observations}]")
        policy = self.policy
        z = ((observations - self.mean) * self.scale).clamp(-policy.clip, policy.clip)
        if not policy.persistent and policy.hidden and not (policy.recurrent or policy.population):
            traces = self._at_once(z.flatten(0, 1)).unflatten(0, z.shape[:2])
            return self._read(traces), self.initial_state(observations[0])
        state = self.initial_state(observations[0]) if state is None else state
        outputs = []
        for one in z:
            state = state if policy.persistent else self.initial_state(one)
            trace, state = self._control_step(one, state)
            outputs.append(self._read(trace))
        return torch.stack(outputs), state

    def latent(self, observations: Tensor) -> Tensor:
        """The values ``[N, n]`` read out after a control step from rest.

        Args:
            observations: ``[N, n_observations]``.
        """
        limit = self.policy.clip
        z = ((observations - self.mean) * self.scale).clamp(-limit, limit)
        if self.policy.hidden and not (self.policy.recurrent or self.policy.population):
            return self._at_once(z)
        return self._control_step(z, self.initial_state(observations))[0]

    def _read(self, trace: Tensor) -> Tensor:
        return trace @ self.weights["readout"] + self.weights["readout_biases"]

    def _at_once(self, z: Tensor) -> Tensor:
        """The values read out after a control step from rest; a layer runs all steps at once."""
        policy, weights = self.policy, self.weights
        keep, take = (torch.as_tensor(part).to(z) for part in policy.trace())
        x = (z @ weights["synapses0"]).expand(policy.steps, -1, -1)
        for k, layer in enumerate(self.layers):
            if k:
                x = x @ weights[f"synapses{k}"]
            x, _ = layer(policy.drive * (x + weights[f"biases{k}"]))
        trace = torch.zeros_like(x[0])
        for y in x:
            trace = keep * trace + take * y
        return trace

    def _control_step(self, z: Tensor, state: PolicyState) -> tuple[Tensor, PolicyState]:
        policy, weights = self.policy, self.weights
        if policy.population:
            apart = (z.unsqueeze(-1) - self._centres) / policy.width
            values = torch.exp(-0.5 * apart * apart).flatten(1)
        else:
            values = z
        if not self.layers:
            return values, state._replace(trace=values)
        keep, take = (torch.as_tensor(part).to(values) for part in policy.trace())
        trace = torch.zeros_like(state.trace) if policy.readout == "rate" else state.trace
        encoders, neurons, sent = state.encoders, list(state.neurons), list(state.sent)
        steady = None if policy.population else values @ weights["synapses0"]
        for _ in range(policy.steps):
            x = steady
            if encoders is not None:
                potential = encoders + values
                pulses = (potential >= 1.0).to(values)
                encoders = potential - pulses
                x = pulses @ weights["synapses0"]
            for k, layer in enumerate(self.layers):
                if k:
                    x = sent[k - 1] @ weights[f"synapses{k}"]
                x = x + weights[f"biases{k}"]  # type: ignore[operator]
                if policy.recurrent:
                    x = x + sent[k] @ weights[f"recurrent{k}"]
                y, neurons[k] = layer(policy.drive * x.unsqueeze(0), neurons[k])
                sent[k] = y[0]
            trace = keep * trace + take * sent[-1]
        return trace, PolicyState(encoders, tuple(neurons), tuple(sent), trace)
