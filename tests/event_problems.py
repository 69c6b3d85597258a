"""Recurrent networks with delays, small and full of spikes, for every test that runs one."""

import numpy as np
import torch

from jarvis.adex.normalised import NormalisedAdExParams
from jarvis.encoding.events import Events
from jarvis.spatial.event_neurons import EventAdEx, EventLIF

NEURONS = {
    "lif": EventLIF(dt=0.5),
    "euler": EventLIF(dt=0.5, integrator="euler"),
    "equal": EventLIF(tau=4.0, tau_syn=4.0, dt=0.25),
    "adex": EventAdEx(dt=0.2),
    "euler adex": NormalisedAdExParams(dt=0.2),
}


def problem(dtype=torch.float64, batch=3, steps=150, n_in=12, width=9, events=200, seed=0):
    """Input spikes, and matrices that make the neurons fire now and then."""
    random = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=random, dtype=dtype)

    counts = [events, 0, events // 2][:batch]  # a sample without any spike too
    times = [torch.randint(0, steps, (n,), generator=random).sort()[0] for n in counts]
    units = [torch.randint(0, n_in, (n,), generator=random) for n in counts]
    offsets = torch.tensor([0, *np.cumsum(counts)])
    spikes = Events(torch.cat(times).int(), torch.cat(units).int(), offsets, (n_in,), steps)
    matrices = (
        0.25 * (uniform(n_in, width) - 0.2),
        20.0 * uniform(n_in, width),
        0.3 * (uniform(width, width) - 0.5),
        20.0 * uniform(width, width),
    )
    return spikes, [matrix.requires_grad_() for matrix in matrices]
