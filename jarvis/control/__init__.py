"""Spiking policies for gymnasium's environments, and what trains them.

`environments` has tasks by name, and `wrappers` what makes them harder. `policy` says what a
network between observations and actions is: any neuron of `jarvis.zoo`, feed-forward or recurrent.
`candidates` runs many of them at a time in a compiled loop without autograd, `rollouts` lets them
play in one process or several. `runs` has what all learners share: `evolution` trains without
gradients, `reward` by STDP and reward, `ppo` by surrogate gradients. `trained` is the result, and
`films` shows it. Needs ``pip install 'jarvis-snn[control]'``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
