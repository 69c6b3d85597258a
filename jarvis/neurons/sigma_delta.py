"""Sigma-delta neurons: an ordinary network that sends only what has changed.

A delta encoder sends the difference between a signal and what it has sent so far, once that is
large enough; a sigma decoder adds up what arrives. Between them, a linear map of the messages is
the linear map of the signal. A network of such neurons computes frame by frame what a ReLU network
computes, to within its thresholds, and a signal that does not change costs nothing.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.definition import Parameters, define, detached, parameter
from jarvis.neurons.numbers import bounded
from jarvis.support.checks import check_choice
from jarvis.surrogate import DEFAULT_SPIKE, Spike

ROUNDINGS = ("multiple", "nearest", "none")
ACTIVATIONS = ("relu", "none")


@dataclass(frozen=True)
class DeltaEncoderParams(Parameters):
    """Parameters of the delta encoder, in units of the signal.

    The threshold may be a tensor that broadcasts against ``[B, ...]``: one value per neuron. There
    is no time step: a step is a frame, however long it takes.

    Args:
        threshold: theta, the smallest difference for which a message is sent.
        rounding: what is sent, and when:

            - "multiple": the multiple of theta nearest to the difference, once that has reached
              theta. What has been sent is then within theta of the signal.
            - "nearest": that multiple in each step, so already for a difference of theta/2. Within
              theta/2.
            - "none": the difference itself, once it has reached theta. Within theta.

    Raises:
        ValueError: for a value outside its range; the message names it.

    Source: O'Connor & Welling 2016, arXiv:1611.02024, for networks.

    Example:
        >>> DeltaEncoderParams(threshold=0.1).rounding
        'multiple'
    """

    threshold: float | Tensor = parameter(0.1, above=0)
    rounding: str = "multiple"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("rounding", self.rounding, ROUNDINGS)


class DeltaEncoderState(NamedTuple):
    """State of a delta encoder, ``[B, ...]``."""

    sent: Tensor  #: the sum of all messages, in units of the signal

    def detach(self) -> "DeltaEncoderState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


def _message(error: Tensor, params: "DeltaEncoderParams | SigmaDeltaParams") -> Tensor:
    """What is sent for a difference; backward, the difference itself."""
    ratio = bounded(error / params.threshold)
    known = ratio.detach()
    if params.rounding == "none":
        sent = torch.where(known.abs() >= 1.0, known, 0.0)
    else:
        sent = torch.floor(known + 0.5)
        if params.rounding == "multiple":
            sent = torch.where(known.abs() >= 1.0, sent, 0.0)
    # ratio - known is 0, with the derivative of the ratio.
    return params.threshold * (sent + (ratio - known))


def delta_encoder_step(
    x: Tensor, state: DeltaEncoderState, params: DeltaEncoderParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, DeltaEncoderState]:
    """One step of the delta encoder: send the change of a signal where it is large enough.

    In this order::

        e    = x - sent
        m    = theta floor(e/theta + 1/2) where |e| >= theta, else 0      (rounding "multiple")
        sent = sent + m

    With "nearest", m is rounded in each step; with "none", it is e where ``|e| >= theta``. So the
    error of what has been sent stays within theta (theta/2 with "nearest"), and a constant signal
    sends nothing after the first step.

    Backward, m counts as e (straight through): to the gradient, the sum of all messages is the
    signal. For a learned theta, ``dm/dtheta = (m - e)/theta``: as if e were a fixed number of
    thetas plus what is rounded away.

    Args:
        x: the signal at this step ``[B, ...]``; any unit, clamped to +-1e15.
        state: the state before the step; `DeltaEncoder(...).initial_state(x)` has sent nothing.
        params: the encoder's parameters.
        spike: not used: messages are graded.

    Returns:
        messages ``[B, ...]`` in the unit of x, 0 where nothing is sent, and the new state. (NaN
        from where the signal is NaN on.)

    Source: O'Connor & Welling 2016, arXiv:1611.02024; the derivative with respect to theta is that
    of Esser et al. 2020, ICLR, arXiv:1902.08153.

    Example:
        >>> encoder = DeltaEncoder(threshold=0.25)
        >>> state = encoder.initial_state(torch.zeros(1))
        >>> for value in (1.0, 1.0, 1.2, 1.3, 0.0):
        ...     m, state = delta_encoder_step(torch.tensor([value]), state, encoder.values)
        ...     print(m.item(), state.sent.item())
        1.0 1.0
        0.0 1.0
        0.0 1.0
        0.25 1.25
        -1.25 0.0
    """
    message = _message(bounded(x) - state.sent, params)
    return message, DeltaEncoderState(state.sent + message)


#: The delta encoder: ``DeltaEncoder(threshold=0.1)`` for a `SpikingLayer`.
DeltaEncoder = define(
    delta_encoder_step,
    DeltaEncoderParams,
    DeltaEncoderState,
    lambda params: DeltaEncoderState(0.0),  # type: ignore[arg-type]
    fires=False,
)


@dataclass(frozen=True)
class SigmaDecoderParams(Parameters):
    """Parameters of the sigma decoder: it has none."""


class SigmaDecoderState(NamedTuple):
    """State of a sigma decoder, ``[B, ...]``."""

    sum: Tensor  #: of all inputs, in their unit

    def detach(self) -> "SigmaDecoderState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


def sigma_decoder_step(
    x: Tensor, state: SigmaDecoderState, params: SigmaDecoderParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, SigmaDecoderState]:
    """One step of the sigma decoder, a running sum: ``s = s + x``.

    Args:
        x: message of this step ``[B, ...]``, or a linear map of messages.
        state: the state before the step.
        params: none.
        spike: not used: the output is graded.

    Returns:
        the sum ``[B, ...]`` including x, bounded by 1e15, and the new state.

    Source: O'Connor & Welling 2016, arXiv:1611.02024.

    Example:
        >>> from jarvis.neurons.layer import SpikingLayer
        >>> s, _ = SpikingLayer(SigmaDecoder())(torch.tensor([1.0, 0.0, -0.25]).view(3, 1, 1))
        >>> s.flatten().tolist()
        [1.0, 1.0, 0.75]
    """
    total = bounded(state.sum + x)
    return total, SigmaDecoderState(total)


#: The sigma decoder: ``SigmaDecoder()`` for a `SpikingLayer`.
SigmaDecoder = define(
    sigma_decoder_step,
    SigmaDecoderParams,
    SigmaDecoderState,
    lambda params: SigmaDecoderState(0.0),  # type: ignore[arg-type]
    fires=False,
)


@dataclass(frozen=True)
class SigmaDeltaParams(Parameters):
    """Parameters of the sigma-delta neuron, in units of its activation.

    Its bias belongs to the neuron. The linear map that brings the messages must have none
    (``bias=False``): it would be added up in every step.

    All numbers may be tensors that broadcast against ``[B, ...]``: one value per neuron. There is
    no time step: a step is a frame, however long it takes.

    Args:
        threshold: theta, the smallest change of the activation for which a message is sent.
        bias: added to the sum of all inputs.
        rounding: "multiple", "nearest" or "none", as in `DeltaEncoderParams`.
        activation: "relu", or "none" for a linear neuron.

    Raises:
        ValueError: for a value outside its range; the message names it.

    Source: O'Connor & Welling 2016, arXiv:1611.02024.

    Example:
        >>> SigmaDeltaParams(threshold=0.05, bias=torch.zeros(10)).bias.shape
        torch.Size([10])
    """

    threshold: float | Tensor = parameter(0.1, above=0)
    bias: float | Tensor = parameter(0.0)
    rounding: str = "multiple"
    activation: str = "relu"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("rounding", self.rounding, ROUNDINGS)
        check_choice("activation", self.activation, ACTIVATIONS)


class SigmaDeltaState(NamedTuple):
    """State of a sigma-delta neuron, each ``[B, ...]``."""

    sum: Tensor  #: of all inputs: what an ordinary network would have as input, without the bias
    sent: Tensor  #: the sum of all messages: the activation as its receivers know it

    def detach(self) -> "SigmaDeltaState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class SigmaDeltaTrace(NamedTuple):
    """Recorded variables, each ``[T, B, ...]``."""

    activation: Tensor  #: that of the neuron
    sent: Tensor  #: that which its receivers know: within the threshold of it


def sigma_delta_step(
    x: Tensor, state: SigmaDeltaState, params: SigmaDeltaParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, SigmaDeltaState, SigmaDeltaTrace]:
    """One step of the sigma-delta neuron: add up, rectify, send what has changed.

    In this order::

        sum  = sum + x                                                     sigma
        a    = max(0, sum + bias)                                          ("relu")
        m    = theta floor((a - sent)/theta + 1/2) where |a - sent| >= theta, else 0    delta
        sent = sent + m

    A network is a delta encoder, linear maps without a bias with sigma-delta neurons between them,
    and a sigma decoder, all in the same step. As theta goes to 0, it computes in each step what
    the network of the same weights with ReLUs computes. For any theta its gradient is that of the
    ReLU network, taken at the activations that have been sent: backward, a message counts as the
    difference that it stands for (`delta_encoder_step`).

    Args:
        x: a linear map of messages ``[B, ...]``.
        state: the state before the step; `SigmaDelta(...).initial_state(x)` has sent nothing.
        params: the neuron's parameters.
        spike: not used: messages are graded.

    Returns:
        messages ``[B, ...]``, 0 where nothing is sent (so ``(messages != 0).sum()`` counts events);
        the new state, with a sum bounded by 1e15; and a record.

    Source: O'Connor & Welling 2016, arXiv:1611.02024.

    Example:
        >>> from jarvis.neurons.layer import SpikingLayer
        >>> x = torch.tensor([0.8, 0.0, 0.1, -2.0]).view(4, 1, 1)
        >>> m, _, trace = SpikingLayer(SigmaDelta(threshold=0.25, bias=-0.25))(x, trace=True)
        >>> m.flatten().tolist(), [round(a, 2) for a in trace.activation.flatten().tolist()]
        ([0.5, 0.0, 0.0, -0.5], [0.55, 0.55, 0.65, 0.0])
    """
    total = bounded(state.sum + x)
    activation = total + params.bias
    if params.activation == "relu":
        activation = torch.relu(activation)
    message = _message(activation - state.sent, params)
    sent = state.sent + message
    return message, SigmaDeltaState(total, sent), SigmaDeltaTrace(activation, sent)


#: The sigma-delta neuron: ``SigmaDelta(threshold=0.1)`` for a `SpikingLayer`.
SigmaDelta = define(
    sigma_delta_step,
    SigmaDeltaParams,
    SigmaDeltaState,
    lambda params: SigmaDeltaState(0.0, 0.0),  # type: ignore[arg-type]
    fires=False,
)
