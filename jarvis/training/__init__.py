"""One training loop for everything: runs that resume bit for bit, on one process or several.

`loop` has `fit` and `evaluate`, `run` what happens between two batches, `checkpoints` and
`interruption` keep a run safe, `schedules` vary the learning rate, `pruning` removes synapses,
`distributed` speaks to torchrun, and `devices` chooses a device and seeds torch.
"""

from jarvis.training.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from jarvis.training.devices import choose_device, seeded
from jarvis.training.interruption import Interruption
from jarvis.training.loop import Interrupted, evaluate, fit
from jarvis.training.pruning import Pruner, density_after
from jarvis.training.run import History, TrainingError
from jarvis.training.schedules import cosine, linear_tail, warmup_cosine

__all__ = [
    "CheckpointError",
    "History",
    "Interrupted",
    "Interruption",
    "Pruner",
    "TrainingError",
    "choose_device",
    "cosine",
    "density_after",
    "evaluate",
    "fit",
    "linear_tail",
    "load_checkpoint",
    "save_checkpoint",
    "seeded",
    "warmup_cosine",
]
