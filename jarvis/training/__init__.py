"""One training loop for all kinds of runs, which resume bit for bit, in one or several processes.

`loop` contains `fit`, `evaluate` and `train`; all kinds of runs are driven by `train`. `run`
defines the state of a run between two batches, and the options that may change when the run
resumes. `checkpoints` and `interruption` protect this state, `schedules` vary the learning rate,
`pruning` removes synapses, `distributed` handles torchrun, and `devices` chooses a device and seeds
random numbers.
"""

from jarvis.training.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from jarvis.training.devices import choose_device, seed_for, seeded
from jarvis.training.interruption import Interruption
from jarvis.training.loop import Hooks, evaluate, fit, train
from jarvis.training.pruning import Pruner, density_after
from jarvis.training.run import (
    GradientRun,
    History,
    Interrupted,
    Run,
    TrainingError,
    checkpoint_file,
)
from jarvis.training.schedules import cosine, linear_tail, warmup_cosine

__all__ = [
    "CheckpointError",
    "GradientRun",
    "History",
    "Hooks",
    "Interrupted",
    "Interruption",
    "Pruner",
    "Run",
    "TrainingError",
    "checkpoint_file",
    "choose_device",
    "cosine",
    "density_after",
    "evaluate",
    "fit",
    "linear_tail",
    "load_checkpoint",
    "save_checkpoint",
    "seed_for",
    "seeded",
    "train",
    "warmup_cosine",
]
