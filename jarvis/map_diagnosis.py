"""Why maps that learn by STDP are dead: the part of `diagnose` for a `ConvSTDP`."""

import torch

from jarvis.convstdp import ConvSTDP
from jarvis.events import Events
from jarvis.stdp import STDPLearner


def judge_maps(layer: ConvSTDP, events: Events) -> tuple[dict[str, float], list[str]]:
    """Who wins, who is dead, and whether potentials reach the thresholds.

    Args:
        layer: after it has learned from something; its `wins` and `n_seen` are looked at.
        events: stimuli like those that it learned from.

    Returns:
        the measures by name, and the problems in words.

    Raises:
        ValueError: if there are no stimuli.

    Example:
        >>> events = Events.from_dense(torch.ones(1, 2, 1, 8, 8))
        >>> measures, problems = judge_maps(ConvSTDP(1, 4, 5, threshold=50.0), events)
        >>> measures["maps that never fire"], problems[0][:22]
        (4, 'maps: none ever fires:')
    """
    if not len(events):
        raise ValueError("diagnose: there are no stimuli")
    highest = layer.potentials(events).amax(dim=(0, 2, 3))  # of each map, if it never fired
    sent = layer.respond(events)
    _, height, width = events.shape
    n_maps, n_seen = layer.out_channels, int(layer.n_seen)
    spikes = torch.bincount(sent.units.long() // (height * width), minlength=n_maps)
    silent = int((spikes == 0).sum())
    dead = int((layer.wins < layer.wta.dead_share * n_seen).sum())
    best, share = int(layer.wins.argmax()), layer.wins.max().item() / max(1, int(layer.wins.sum()))
    low, high, limit = highest.min().item(), highest.max().item(), layer.thresholds.max().item()
    measures = {
        "maps": n_maps,
        "maps that never fire": silent,
        "dead maps": dead,
        "share of all wins, best map": share,
        "highest potential, weakest map": low,
        "highest potential, strongest map": high,
        "highest threshold": limit,
        "C_l": STDPLearner(layer.stdp).convergence(layer.weight),
    }
    problems = []
    if silent == n_maps:
        problems.append(
            f"maps: none ever fires: the highest potential is {high:.3g}, the highest threshold "
            f"{limit:.3g}: lower the threshold (theta_rest, theta_plus, theta_max)"
        )
    elif dead:
        cure = "raise theta_plus" if layer.wta.enable_homeostasis else "turn homeostasis on"
        problems.append(
            f"maps: {dead} of {n_maps} are dead (each won fewer than {layer.wta.dead_share:g} "
            f"times a stimulus, over {n_seen} of them), while map {best} has {share:.0%} of all "
            f"wins. Thresholds are up to {limit:.3g}; the potential of the weakest map reaches "
            f"{low:.3g}, of the strongest {high:.3g}: lower the threshold, or {cure}"
        )
    return measures, problems
