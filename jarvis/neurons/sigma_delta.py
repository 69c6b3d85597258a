"""Sigma-delta neurons: an ordinary network that transmits only changes.

A delta encoder sends the difference between a signal and what it has sent so far, once this
difference is large enough; a sigma decoder adds up the messages it receives. A linear map between
them may act on the messages, since the sum of the mapped messages is the linear map of the signal.
A network of such neurons computes in each frame what a ReLU network computes, up to errors that the
thresholds determine, and a signal that does not change causes no messages.
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
    is no time step: a step is a frame of any duration.

    Args:
        threshold: theta, the smallest difference for which a message is sent.
        rounding: what is sent, and when:

            - "multiple": the multiple of theta nearest to the difference, once the difference has
              reached theta. The sum of the messages is then within theta of the signal.
            - "nearest": this multiple in every step, so a difference of theta/2 is already enough
              for a message. The sum of the messages is within theta/2 of the signal.
            - "none": the difference itself, once it has reached theta. The sum of the messages is
              within theta of the signal.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

    Source: O'Connor & Welling 2016, arXiv:1611.02024 (networks of such encoders).

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
    """State of delta encoders: a tensor ``[B, ...]``."""

    sent: Tensor  #: the sum of all messages, in units of the signal

    def detach(self) -> "DeltaEncoderState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


def _message(error: Tensor, params: "DeltaEncoderParams | SigmaDeltaParams") -> Tensor:
    """The message sent for a difference; for gradients, it counts as the difference itself."""
    ratio = bounded(error / params.threshold)
    known = ratio.detach()
    if params.rounding == "none":
        sent = torch.where(known.abs() >= 1.0, known, 0.0)
    else:
        sent = torch.floor(known + 0.5)
        if params.rounding == "multiple":
            sent = torch.where(known.abs() >= 1.0, sent, 0.0)
    # ratio - known has the value 0 and the derivative of the ratio.
    return params.threshold * (sent + (ratio - known))


def delta_encoder_step(
    x: Tensor, state: DeltaEncoderState, params: DeltaEncoderParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, DeltaEncoderState]:
    """One step of the delta encoder: send the change of a signal where it is large enough.

    It computes, in this order::

        e    = x - sent
        m    = theta floor(e/theta + 1/2) where |e| >= theta, else 0      (rounding "multiple")
        sent = sent + m

    With "nearest", m is rounded in each step; with "none", m is e where ``|e| >= theta``. The
    difference between the signal and the sum of the messages thus stays within theta (theta/2 with
    "nearest"), and a constant signal causes no message after the first step.

    In the backward pass, m counts as e (straight-through estimator), so for the gradient the sum of
    all messages equals the signal. For a learned theta, ``dm/dtheta = (m - e)/theta``, because the
    rounding of e/theta counts as the identity in the derivative.

    Args:
        x: the signal at this step ``[B, ...]``, in any unit; clamped to +-1e15.
        state: the state before the step; at the start, `DeltaEncoder(...).initial_state(x)`.
        params: the encoder's parameters.
        spike: not used: messages are graded.

    Returns:
        messages ``[B, ...]`` in the unit of x, 0 where nothing is sent, and the new state. (Once
        the signal is NaN, all later messages are NaN.)

    Source: O'Connor & Welling 2016, arXiv:1611.02024; the derivative with respect to theta is from
    Esser et al. 2020, ICLR, arXiv:1902.08153.

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
    """Parameters of the sigma decoder, which has none."""


class SigmaDecoderState(NamedTuple):
    """State of sigma decoders: a tensor ``[B, ...]``."""

    sum: Tensor  #: the sum of all inputs, in their unit

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

    The bias belongs to the neuron. The linear map that acts on the messages must not have a bias
    (``bias=False``), since it would be added again in every step.

    All numbers may be tensors that broadcast against ``[B, ...]``: one value per neuron. There
    is no time step: a step is a frame of any duration.

    Args:
        threshold: theta, the smallest change of the activation for which a message is sent.
        bias: a constant that is added to the sum of all inputs.
        rounding: "multiple", "nearest" or "none", as in `DeltaEncoderParams`.
        activation: "relu", or "none" for a linear neuron.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

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
    """State of sigma-delta neurons: tensors ``[B, ...]``."""

    sum: Tensor  #: sum of all inputs: the input of a ReLU unit, without the bias
    sent: Tensor  #: the sum of all messages: the activation that the receivers have received

    def detach(self) -> "SigmaDeltaState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class SigmaDeltaTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]``."""

    activation: Tensor  #: activation of the neuron
    sent: Tensor  #: the sum of all messages; it differs from the activation by at most theta


def sigma_delta_step(
    x: Tensor, state: SigmaDeltaState, params: SigmaDeltaParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, SigmaDeltaState, SigmaDeltaTrace]:
    """One step of the sigma-delta neuron: add up, rectify, send what has changed.

    It computes, in this order::

        sum  = sum + x                                                     sigma
        a    = max(0, sum + bias)                                          ("relu")
        m    = theta floor((a - sent)/theta + 1/2) where |a - sent| >= theta, else 0    delta
        sent = sent + m

    A network consists of a delta encoder, linear maps without a bias, sigma-delta neurons between
    the linear maps, and a sigma decoder, which all act in the same step. As theta goes to 0, the
    network computes in each step what a ReLU network with the same weights computes. For any theta,
    its gradient equals the ReLU network's gradient at the activations that have been sent: in the
    backward pass, a message counts as the difference that it represents (`delta_encoder_step`).

    Args:
        x: a linear map of messages ``[B, ...]``.
        state: the state before the step; at the start, `SigmaDelta(...).initial_state(x)`.
        params: the neuron's parameters.
        spike: not used: messages are graded.

    Returns:
        messages ``[B, ...]``, 0 where nothing is sent (so ``(messages != 0).sum()`` counts events);
        the new state, with a sum bounded by 1e15; and the record of ``trace=True``.

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
