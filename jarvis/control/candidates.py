"""Many policies, each with its own weights, in one compiled loop; and one policy that acts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jarvis.control.policy import Policy
from jarvis.control.statistics import ObservationStatistics, statistics_of
from jarvis.kernels import candidate_loops as loops
from jarvis.kernels.candidates import CandidateProgram, act, program
from jarvis.kernels.expression import Untraceable, read
from jarvis.neurons import DrivenLayer
from jarvis.neurons.definition import Neuron
from jarvis.support.checks import check_choice, check_integer, check_integers, check_type

#: Largest seed of the random numbers of noisy neurons.
MOST_SEED = 1 << 53

#: The data types of weights and states in the compiled loop.
DTYPES = {"float32": np.float32, "float64": np.float64}


class Candidates:
    """A batch of policies of one kind, each with its own weights and state, without autograd.

    The compiled loop is generated from the step of the neuron, as in a `SpikingLayer`. It computes
    the same as `SpikingPolicy`, for one control step of all candidates at a time.

    Args:
        policy: the network of all candidates.
        n: number of candidates.
        dtype: "float32" or "float64".

    Attributes:
        theta: the weights ``[n, n_parameters]``, to be set in place.
        observations: ``[n, n_observations]``, in float64, to be set in place before `act`.
        outputs: ``[n, actions]``, in float64: scores of the choices, or forces before clipping.
        actions: the actions for the environments, ``[n, forces]`` or ``[n, 1]``, in float64.
        counts, sums, squares: number of observations since `reset` ``[n]``; sums of their
            deviations from ``statistics.centre``, and of the squared deviations,
            ``[n, n_observations]``.
        fired: number of spikes since `reset` ``[n, 1 + layers]``: of the encoders, then of each
            layer.

    Raises:
        ValueError: for a number below 1, an unknown type, or a neuron without a compiled loop.

    Example:
        >>> from jarvis.control.spaces import Actions
        >>> policy = Policy(4, Actions(2), hidden=(8,))
        >>> several = Candidates(policy, 3)
        >>> several.theta[:] = policy.initial()
        >>> several.observations[:] = 0.1
        >>> several.act()
        >>> several.actions.ravel().tolist()  # the read-out starts at 0
        [0.0, 0.0, 0.0]
    """

    observations: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    counts: np.ndarray
    fired: np.ndarray
    outputs: np.ndarray
    actions: np.ndarray

    def __init__(self, policy: Policy, n: int, dtype: str = "float32") -> None:
        check_type("Candidates: policy", policy, Policy)
        check_integer("Candidates: n", n, at_least=1)
        check_choice("Candidates: dtype", dtype, DTYPES)
        self.policy, self.n, real = policy, n, DTYPES[dtype]
        made, layer, numbers, lanes, rest = loop_of(policy)
        self._act: Callable[..., int] = act(made, np.dtype(real))
        hidden, forces = policy.hidden, policy.actions
        last = hidden[-1] if hidden else policy.n_inputs
        n_fields, widest = len(made.present), max(policy.n_inputs, *hidden, 1)
        self._rest = np.concatenate(
            [
                *(np.concatenate([*(np.broadcast_to(x, m) for x in rest), np.zeros(m)])
                  for m in hidden),
                np.zeros(last + policy.n_inputs * bool(policy.population)),
            ]
        ).astype(real)  # fmt: skip
        self.theta = np.zeros((n, policy.n_parameters), real)
        self._state = np.tile(self._rest, (n, 1))
        self._u = np.array(made.numbers(numbers), real)
        self._lanes = np.array(lanes, real).reshape(-1)
        scalars = (
            layer.gain * policy.drive, layer.offset, policy.clip, 1.0 / policy.width,
        )  # fmt: skip
        room = len(scalars) + 7 * widest + forces.n
        self._scratch = np.concatenate([np.zeros(room, real), self._rest])
        self._scratch[: len(scalars)] = scalars
        for k, factors in enumerate(policy.trace()):
            self._scratch[len(scalars) + (5 + k) * widest :][:last] = factors
        n_actions = 1 if forces.discrete else forces.n
        shapes = {
            "observations": (n, policy.n_observations), "mean": (policy.n_observations,),
            "scale": (policy.n_observations,), "low": (n_actions,), "high": (n_actions,),
            "centres": (policy.per_input,), "sums": (n, policy.n_observations),
            "squares": (n, policy.n_observations), "counts": (n,), "fired": (n, 1 + len(hidden)),
            "outputs": (n, forces.n), "actions": (n, n_actions), "ticks": (n, 2),
        }  # fmt: skip
        ends = np.cumsum([0, *(int(np.prod(shapes[name])) for name in loops.WIDE)])
        self._wide, self._places = np.zeros(ends[-1]), ends[:-1].astype(np.int64)
        parts: dict[str, np.ndarray] = {}
        for name, low, high in zip(loops.WIDE, ends[:-1], ends[1:], strict=True):
            parts[name] = self._wide[low:high].reshape(shapes[name])
        for name in ("observations", "sums", "squares", "counts", "fired", "outputs", "actions"):
            setattr(self, name, parts[name])
        self._parts = parts
        parts["centres"][:] = policy.centres()
        if forces.low is not None and forces.high is not None:
            parts["low"][:], parts["high"][:] = forces.low, forces.high
        options = dict(
            n_live=n, n_parameters=policy.n_parameters, n_state=len(self._rest),
            n_observations=policy.n_observations, n_fields=n_fields,
            n_per_input=policy.population, n_layers=len(hidden), recurrent=policy.recurrent,
            steps=policy.steps, substeps=layer.steps, n_outputs=forces.n, n_actions=n_actions,
            discrete=forces.discrete, start=forces.start, fresh=policy.readout == "rate",
            noisy=made.noisy, forget=not policy.persistent,
        )  # fmt: skip
        first = [int(options[name]) for name in loops.WHOLE]
        self._whole = np.array([*first, *hidden, *range(n)], np.int64)
        self._live = self._whole[len(first) + len(hidden) :]
        self.observe(ObservationStatistics.empty(policy.n_observations))
        self.reset()

    def observe(self, statistics: ObservationStatistics) -> None:
        """Use these statistics to normalise observations from now on.

        Raises:
            TypeError: for something other than statistics.
            ValueError: for statistics of another number of observations.
        """
        statistics = statistics_of("statistics", statistics, self.policy.n_observations)
        self._parts["mean"][:] = statistics.centre
        self._parts["scale"][:] = statistics.scale

    def reset(self, which: int | slice = slice(None), seed: int = 0) -> None:
        """Begin an episode: set the state to rest and the counters to 0.

        Args:
            which: index of the candidate, or a slice of several.
            seed: seed of the random numbers of noisy neurons, from 0 to 2**53.

        Raises:
            ValueError: for a seed out of range.
        """
        check_integer("seed", seed, at_least=0, at_most=MOST_SEED)
        self._state[which] = self._rest
        for part in (self.counts, self.sums, self.squares, self.fired):
            part[which] = 0.0
        self._parts["ticks"][which] = (seed, 0.0)

    def choose(self, live: Sequence[int]) -> None:
        """Let `act` run only these candidates from now on.

        Args:
            live: indices of candidates, each at most once.

        Raises:
            ValueError: for an index that is out of range or occurs twice.
            TypeError: for an index that is not a number.
        """
        which = check_integers("choose: live", live, at_least=0, at_most=self.n - 1)
        if len(set(which)) != len(which):
            raise ValueError(f"choose: live={list(which)} must be different indices")
        self._whole[0] = len(which)
        self._live[: len(which)] = which

    def act(self) -> None:
        """Run one control step: compute `outputs` and `actions` from `observations`.

        Raises:
            FloatingPointError: if an observation or an output is not finite.
        """
        bad = self._act(
            self.theta.reshape(-1), self._u, self._lanes, self._state.reshape(-1), self._scratch,
            self._wide, self._places, self._whole,
        )  # fmt: skip
        if bad >= 0:
            if not np.isfinite(self.observations[bad] - self._parts["mean"]).all():
                raise FloatingPointError(
                    f"the observations of candidate {bad}, or their statistics, are not finite"
                )
            raise FloatingPointError(
                f"the output of candidate {bad} is not finite: look at its weights"
            )

    def choices(self) -> list[int]:
        """The `actions` as whole numbers, for environments with choices."""
        return self.actions[:, 0].astype(np.int64).tolist()


class Player:
    """One policy that acts: `Candidates` with a single candidate.

    Args:
        policy: the network.
        theta: its weights ``[n_parameters]``.
        statistics: statistics of the observations in training; None passes observations on
            unchanged.
        dtype: "float32" or "float64".

    Raises:
        ValueError: for weights that are not finite or of another number, an unknown data type, or
            statistics of another number of observations.
        TypeError: for something other than a policy or statistics.

    Example:
        >>> from jarvis.control.spaces import Actions
        >>> policy = Policy(4, Actions(2), hidden=(8,))
        >>> player = Player(policy, policy.initial())
        >>> player.act(np.zeros(4))
        0
    """

    def __init__(
        self,
        policy: Policy,
        theta: np.ndarray,
        statistics: ObservationStatistics | None = None,
        dtype: str = "float32",
    ) -> None:
        check_type("Player: policy", policy, Policy)
        policy.unpacked(np.asarray(theta))
        if not np.isfinite(theta).all():
            raise ValueError("Player: theta is not finite")
        self.policy = policy
        seen = statistics_of("Player: statistics", statistics, policy.n_observations)
        self.candidates = Candidates(policy, 1, dtype)
        self.candidates.theta[0] = theta
        self.candidates.observe(seen)

    def reset(self, seed: int = 0) -> None:
        """Begin an episode."""
        self.candidates.reset(seed=seed)

    def act(self, observation: Sequence[float] | np.ndarray) -> Any:
        """The action for an observation ``[n_observations]``: a whole number, or forces ``[n]``.

        Raises:
            ValueError: for an observation of another length.
            FloatingPointError: if the observation or the output is not finite.
        """
        several = self.candidates
        if np.shape(observation) != (self.policy.n_observations,):
            raise ValueError(
                f"act: observation must be [n_observations={self.policy.n_observations}]; "
                f"got shape {np.shape(observation)}"
            )
        several.observations[0] = observation
        several.act()
        if self.policy.actions.discrete:
            return int(several.actions[0, 0])
        return several.actions[0].astype(self.policy.actions.dtype)


def loop_of(
    policy: Policy,
) -> tuple[CandidateProgram, DrivenLayer, list[float], list[np.ndarray], list[np.ndarray]]:
    """A policy's loop and layer, the loop's numbers and arrays, and the resting state."""
    # A linear policy runs no neurons, so the loop of any neuron will do.
    layer = policy.layer() if policy.hidden else Policy(1, policy.actions).layer()
    inner, neuron = layer.layer, layer.layer.neuron
    params, spike = inner.params, inner.spike
    state = neuron.state(*neuron.rest(params))
    step, inputs = neuron.step, neuron.inputs
    if layer.inputs is not None:
        step, inputs = _single(neuron, layer.inputs), None
    try:
        probe = program(neuron.name, step, params, spike, inputs, state)
    except Untraceable as error:
        raise ValueError(f"neuron={policy.neuron!r} has no compiled loop: {error}") from error
    found = [read(params, spike.surrogate, path) for path in probe.values]
    lanes = tuple(
        path for path, value in zip(probe.values, found, strict=True)
        if isinstance(value, Tensor) and value.numel() > 1
    )  # fmt: skip
    made = probe
    if lanes:
        made = program(neuron.name, step, params, spike, inputs, state, lanes)
    numbers = [
        0.0 if path in lanes else float(value)
        for path, value in zip(made.values, found, strict=True)
    ]
    values = dict(zip(probe.values, found, strict=True))
    own = [torch.as_tensor(values[path]).detach().double().numpy() for path in lanes]
    rest = [torch.as_tensor(x).detach().double().numpy() for x in state if x is not None]
    return made, layer, numbers, own, rest


def _single(neuron: Neuron, inputs: Callable[[Tensor], Any]) -> Callable:
    """The step of a neuron with several inputs, turned into a step with a single input."""
    original = neuron.step

    def step(x: Tensor, state: Any, params: Any, spike: Any) -> Any:
        return original(inputs(x), state, params, spike)

    return step
