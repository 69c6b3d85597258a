"""Two responses to four stimuli: a task that only a reward can teach.

A stimulus lasts 100 ms, during which ten of forty inputs fire at 60 Hz. Two neurons receive all
inputs. Each spike of one neuron inhibits the other, and the neuron with more spikes gives the
response. After another 100 ms of silence, a reward shows whether the response was right. Trials run
in blocks of 16, and the weights change only between blocks. The time step is 5 ms.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jarvis.lif import LIFParams, lif_step
from jarvis.stdp.trace_rules import PairSTDP, ThreeFactorSTDP
from jarvis.support.checks import check_integer, check_tensor

DT = 5.0  #: ms
N_TRIALS = 16  #: trials in a block
GOAL = torch.tensor([0, 1, 1, 0])  #: the right response to each stimulus
PAIR = PairSTDP(a_plus=0.2, a_minus=0.1, dt=DT)  #: a strong pair rule, so that 60 blocks suffice

_STEPS, _OWN = 20, 10  # steps of a stimulus, and inputs that fire only for this stimulus
_NEURON = LIFParams(tau=20.0, dt=DT, reset="zero", refractory=5.0)


def trial(
    stimulus: Tensor, weight: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """The spikes of a block of trials: 100 ms of stimulus, and 100 ms in which nothing fires.

    Args:
        stimulus: number of the stimulus, 0 to 3, ``[B]``.
        weight: ``[2, 40]``.
        generator: draws the spikes of the inputs and the noise of the neurons.

    Returns:
        input spikes ``[40, B, 40]`` and output spikes ``[40, B, 2]``.

    Raises:
        ValueError: for a weight of the wrong shape.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> pre, post = trial(torch.tensor([2, 0]), torch.full((2, 40), 0.5), g)
        >>> pre.shape, pre[:, 0].sum(0).nonzero().flatten().tolist()
        (torch.Size([40, 2, 40]), [20, 21, 22, 23, 24, 25, 26, 27, 28, 29])
    """
    check_tensor("trial: weight", weight, f"[2, {4 * _OWN}]")
    n = len(stimulus)
    drive = torch.zeros(n, 4, _OWN)
    drive[range(n), stimulus] = 0.06 * DT
    pre, post = torch.zeros(2 * _STEPS, n, 4 * _OWN), torch.zeros(2 * _STEPS, n, 2)
    pre[:_STEPS] = (torch.rand(_STEPS, n, 4 * _OWN, generator=generator) < drive.flatten(1)).float()
    noise = 0.3 * torch.randn(_STEPS, n, 2, generator=generator)
    state = None
    for t in range(_STEPS):
        post[t], state = lif_step(0.2 * pre[t] @ weight.T + noise[t], state, _NEURON)
        state = state._replace(v=state.v - post[t].flip(1))  # each inhibits the other
    return pre, post


def session(
    rule: PairSTDP | ThreeFactorSTDP,
    signal: Callable[[Tensor, float], Any] | None = None,
    *,
    seed: int,
    n_blocks: int = 60,
    swap_at: int | None = None,
) -> tuple[np.ndarray, Tensor]:
    """Run blocks of trials, with learning after each block.

    Args:
        rule: a pair rule, which learns without reward, or a three-factor rule.
        signal: ``(correct [16], expected) -> signal [16]`` gives the signal that the synapses
            receive at the end of a trial: `correct` is 1 or 0, and `expected` is the average of
            `correct` over about the last ten blocks. None for a pair rule.
        seed: seed of everything random.
        n_blocks: number of blocks.
        swap_at: from this block on, right and wrong responses are exchanged; None for never.

    Returns:
        the fraction of correct responses in each block ``[n_blocks]``, and the final weight
        ``[2, 40]``.

    Raises:
        TypeError: for a three-factor rule without a signal.

    Example:
        >>> accuracy, weight = session(PAIR, seed=0, n_blocks=2)
        >>> accuracy.shape, weight.shape
        ((2,), torch.Size([2, 40]))
    """
    check_integer("session: n_blocks", n_blocks, at_least=1)
    if isinstance(rule, ThreeFactorSTDP) and signal is None:
        raise TypeError("session: a three-factor rule needs a signal")
    g = torch.Generator().manual_seed(seed)
    weight, expected, accuracy = torch.full((2, 4 * _OWN), 0.5), 0.5, []
    for block in range(n_blocks):
        goal = GOAL if swap_at is None or block < swap_at else 1 - GOAL
        stimulus = torch.randint(4, (N_TRIALS,), generator=g)
        pre, post = trial(stimulus, weight, g)
        tie = 0.01 * torch.rand(N_TRIALS, 2, generator=g)  # decides between equal counts
        correct = ((post.sum(0) + tie).argmax(1) == goal[stimulus]).float()
        if isinstance(rule, ThreeFactorSTDP):
            reward = torch.zeros(len(pre), N_TRIALS)
            reward[-1] = signal(correct, expected)  # type: ignore[misc]
            weight, _ = rule.run(pre, post, reward, weight)
        else:
            weight, _ = rule.run(pre, post, weight)
        accuracy.append(correct.mean().item())
        expected += 0.1 * (accuracy[-1] - expected)
    return np.array(accuracy), weight
