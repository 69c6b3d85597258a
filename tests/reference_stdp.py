"""An independent convolutional STDP layer, frame by frame: the definition that the loops obey.

Every step computes every neuron, as the equations in `jarvis.stdp.conv` say it, with torch's own
convolution. Winners and weights come from the readable functions of `jarvis.stdp`.
"""

import torch
import torch.nn.functional as F

from jarvis.stdp.order_rule import STDPConfig, STDPLearner
from jarvis.stdp.wta import WTAConfig, adapt_thresholds, pick_winners


def drive(frame, weight):
    """Input of one step, "same" padding: output (y, x) sees rows y - k//2 ... y - k//2 + k - 1."""
    k = weight.shape[-1]
    before, after = k // 2, k - 1 - k // 2
    return F.conv2d(F.pad(frame, (before, after, before, after)), weight)


def first_spikes(frames, weight, thresholds, leak):
    """First spikes ``[C, H, W]`` (T: never) of one stimulus ``[T, C_in, H, W]``, potential there.

    A neuron that has fired goes on without a reset here: it fires only once.
    """
    n_steps = len(frames)
    v, steps, potentials = None, None, None
    for t, frame in enumerate(frames):
        i = drive(frame[None].to(weight.dtype), weight)[0]
        if v is None:
            v, steps = torch.zeros_like(i), torch.full(i.shape, n_steps)
            potentials = torch.zeros_like(i)
        v = (v + i - leak).clamp_min(0.0)
        fires = (v >= thresholds[:, None, None]) & (steps == n_steps)
        steps[fires], potentials[fires] = t, v[fires]
    return steps, potentials


def learn(frames, weight, threshold, leak, stdp: STDPConfig, wta: WTAConfig):
    """Stimuli ``[T, B, C_in, H, W]`` one after another.

    Returns:
        winners (sample, map, y, x, step), weights and thresholds after the last stimulus.
    """
    n_steps = len(frames)
    weight, learner = weight.clone(), STDPLearner(stdp)
    thresholds = torch.full((len(weight),), threshold, dtype=weight.dtype)
    found = []
    for b in range(frames.shape[1]):
        stimulus = frames[:, b]
        steps, potentials = first_spikes(stimulus, weight, thresholds, leak)
        winners = pick_winners(steps, potentials, wta, n_steps)
        times = (stimulus.cumsum(0) == 0).sum(0)  # T where an input never fires
        for w in winners:
            learner.update_weights_for_winner(
                weight, times, w.step, w.y, w.x, weight.shape[-1], winner_map=w.map
            )
            found.append((b, w.map, w.y, w.x, w.step))
        won = torch.bincount(torch.tensor([w.map for w in winners], dtype=torch.int64),
                             minlength=len(weight))  # fmt: skip
        thresholds = adapt_thresholds(thresholds, won, wta)
    return found, weight, thresholds


def respond(frames, weight, thresholds, leak, pool=1, once=True, inhibit=False):
    """Output spikes ``[T, B, C, H // pool, W // pool]``, as `ConvSTDP.respond`."""
    out = []
    for b in range(frames.shape[1]):
        v, fired, closed = 0.0, None, None
        for t in range(len(frames)):
            v = (v + drive(frames[t, b][None].to(weight.dtype), weight)[0] - leak).clamp_min(0.0)
            over = v >= thresholds[:, None, None]
            if fired is None:
                fired, closed = torch.zeros_like(over), torch.zeros_like(over[0])
                pooled_before = torch.zeros_like(F.max_pool2d(v[None], pool)[0], dtype=torch.bool)
            over = over & ~fired & ~closed
            spikes = over
            if inhibit:
                best = torch.where(over, v, -1.0).argmax(0)
                spikes = over & (torch.arange(len(v))[:, None, None] == best)
            if once:
                fired = fired | over
                if inhibit:
                    closed = closed | over.any(0)
            v = torch.where(over, 0.0, v)
            sent = F.max_pool2d(spikes[None].float(), pool)[0] > 0
            if once:
                sent = sent & ~pooled_before
                pooled_before = pooled_before | sent
            out.append(sent)
    return torch.stack(out).unflatten(0, (frames.shape[1], len(frames))).transpose(0, 1).float()
