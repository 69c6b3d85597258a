"""The triplet rule of spike-timing dependent plasticity: pairs that know of a third spike."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.plasticity import INTERACTIONS, TraceRule, outer


class TripletState(NamedTuple):
    """The traces of the triplet rule: r1, r2, o1, o2 of Pfister & Gerstner."""

    pre: Tensor  #: r1 ``[B, n_pre]``, decays with `tau_plus`
    pre_slow: Tensor  #: r2 ``[B, n_pre]``, decays with `tau_x`
    post: Tensor  #: o1 ``[B, n_post]``, decays with `tau_minus`
    post_slow: Tensor  #: o2 ``[B, n_post]``, decays with `tau_y`


@dataclass(frozen=True, kw_only=True)
class TripletSTDP(TraceRule):
    r"""Triplet STDP: the second output spike of a burst potentiates more.

    With two traces a neuron, r1, r2 (tau_plus, tau_x) and o1, o2 (tau_minus, tau_y)::

        at an output spike:  w += r1 (a2_plus  + a3_plus  o2)
        at an input spike:   w -= o1 (a2_minus + a3_minus r2)

    where o2 and r2 do not hold the spike itself yet. Without `a3` it is the pair rule. The defaults
    are the minimal model of visual cortex, all to all; `from_paper` has the others.

    Args:
        a2_plus, a2_minus: pair terms, in units of the weight.
        a3_plus, a3_minus: triplet terms.
        tau_plus, tau_minus: of the pair terms, ms.
        tau_x, tau_y: of the slow pre- and post-synaptic traces, ms.
        dt, interaction, bounds, w_min, w_max, same_step: as in `PairSTDP`.

    Raises:
        ValueError: for a value outside its range; the message names it.

    Source: Pfister & Gerstner 2006, J. Neurosci. 26(38):9673, eqs. 2-4.

    Example:
        >>> rule = TripletSTDP.from_paper("visual_cortex", minimal=True, bounds="none")
        >>> rule.a3_plus, rule.tau_y
        (0.0065, 114.0)
    """

    a2_plus: float = 0.0
    a3_plus: float = 6.5e-3
    a2_minus: float = 7.1e-3
    a3_minus: float = 0.0
    tau_plus: float = 16.8
    tau_x: float = 101.0
    tau_minus: float = 33.7
    tau_y: float = 114.0

    @staticmethod
    def from_paper(
        name: str, *, interaction: str = "all", minimal: bool = False, **options: Any
    ) -> "TripletSTDP":
        """A published parameter set; its changes are relative to the weight before the experiment.

        Args:
            name: "visual_cortex" (fitted to Sjostrom et al. 2001) or "hippocampus" (cultures,
                Wang et al. 2005).
            interaction: "all" or "nearest".
            minimal: the model with as many terms set to 0 as the data allow.
            **options: further arguments, such as `dt`.

        Raises:
            ValueError: for an unknown name; the message lists those there are.

        Source: Pfister & Gerstner 2006, tables of fitted parameters.
        """
        key = (name, interaction, bool(minimal))
        if key not in _PUBLISHED:
            known = sorted({k[0] for k in _PUBLISHED})
            raise ValueError(
                f"from_paper: no set for name={name!r}, interaction={interaction!r}: names are "
                f"{', '.join(known)}, interactions {', '.join(INTERACTIONS)}"
            )
        names = ("a2_plus", "a3_plus", "a2_minus", "a3_minus", "tau_x", "tau_y")
        rule = TripletSTDP(
            interaction=interaction, **dict(zip(names, _PUBLISHED[key], strict=True))
        )
        return replace(rule, **options)

    def initial_state(self, pre: Tensor, post: Tensor) -> TripletState:
        """Traces of neurons that have never fired, for spikes like ``[B, n_pre], [B, n_post]``."""
        r, o = torch.zeros_like(pre), torch.zeros_like(post)
        return TripletState(r, r, o, o)

    def _step(self, pre: Tensor, post: Tensor, weight: Tensor, state: TripletState):
        taus = (self.tau_plus, self.tau_x, self.tau_minus, self.tau_y)
        r1, r2, o1, o2 = (self._decayed(x, tau) for x, tau in zip(state, taus, strict=True))
        after = TripletState(
            self._with(r1, pre), self._with(r2, pre), self._with(o1, post), self._with(o2, post)
        )
        read = after.pre if self.same_step == "causal" else r1
        up = outer(post * (self.a2_plus + self.a3_plus * o2), read)
        down = outer(o1, pre * (self.a2_minus + self.a3_minus * r2))
        return self._moved(weight, up, down), after


# (a2_plus, a3_plus, a2_minus, a3_minus, tau_x, tau_y); tau_x acts on nothing where a3_minus is 0.
_PUBLISHED = {
    ("visual_cortex", "all", False): (5e-10, 6.2e-3, 7e-3, 2.3e-4, 101.0, 125.0),
    ("visual_cortex", "all", True): (0.0, 6.5e-3, 7.1e-3, 0.0, 101.0, 114.0),
    ("visual_cortex", "nearest", False): (8.8e-11, 5.3e-2, 6.6e-3, 3.1e-3, 714.0, 40.0),
    ("visual_cortex", "nearest", True): (0.0, 5e-2, 8e-3, 0.0, 714.0, 40.0),
    ("hippocampus", "all", False): (6.1e-3, 6.7e-3, 1.6e-3, 1.4e-3, 946.0, 27.0),
    ("hippocampus", "all", True): (5.3e-3, 8e-3, 3.5e-3, 0.0, 946.0, 40.0),
    ("hippocampus", "nearest", False): (4.6e-3, 9.1e-3, 3e-3, 7.5e-9, 575.0, 47.0),
    ("hippocampus", "nearest", True): (4.6e-3, 9.1e-3, 3e-3, 0.0, 575.0, 48.0),
}
