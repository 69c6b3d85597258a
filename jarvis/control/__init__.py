"""Spiking policies for gymnasium's environments, and the methods that train them.

`environments` contains tasks by name, and `wrappers` makes them harder. `policy` defines the
network that maps observations to actions, with any neuron of `jarvis.zoo`, feed-forward or
recurrent. `candidates` runs many policies at a time in a compiled loop without autograd, and
`rollouts` lets them play in one or several processes. `runs` contains the code that all learners
share: `evolution` trains without gradients, `reward` by STDP and reward, and `ppo` by surrogate
gradients. `trained` holds the resulting policy, and `films` shows it in action. The package needs
``pip install 'jarvis-snn[control]'``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
