"""The data set returned by most functions: values and labels in two tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from jarvis.encoding.events import Events
from jarvis.support.checks import check_integer, check_tensor, whole_numbers

SPLITS = ("train", "val", "test")


def class_labels(name: str, targets: Tensor | Sequence[int], n_classes: int) -> Tensor:
    """Convert targets to int64 labels from 0 to ``n_classes - 1``, or -1 for a missing label.

    Raises:
        TypeError: for targets that are not numbers.
        ValueError: for fractions (regression is not supported), or labels out of range.
    """
    n_classes = check_integer(f"{name}: n_classes", n_classes, at_least=0)
    why = f"labels for n_classes={n_classes}, or -1 for none; regression is not supported"
    return whole_numbers(f"{name}: targets", targets, at_least=-1, below=n_classes or None, why=why)


def collated(samples: Sequence[tuple[Events, Tensor]]) -> tuple[Events, Tensor]:
    """Combine several ``dataset[i]`` of an event set into one batch, for a DataLoader."""
    if not len(samples):
        raise ValueError("collate: there are no samples")
    events, targets = zip(*samples, strict=True)
    return Events.concatenate(events), torch.stack([torch.as_tensor(y) for y in targets])


class ArrayDataset(Dataset):
    """Samples in memory, as a torch Dataset: ``dataset[i] -> (input, target)``.

    Indexing with a list or slice returns a whole batch at once.

    Attributes:
        inputs: ``[N, ...]``, float32 in [0, 1], or uint8, which indexing scales to [0, 1].
        targets: ``[N]``, int64 class labels; -1 for a sample without a label.
        n_classes: number of classes.
        source: content and origin of the data, in one line.

    Raises:
        ValueError: if inputs and targets differ in length, or for targets that are not labels, such
            as 0.7: regression is not supported.
        TypeError: for inputs that are not a tensor.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, n_classes: int, source: str) -> None:
        check_tensor("ArrayDataset: inputs", inputs, "[N, ...]", floating=False)
        self.inputs, self.targets = inputs, class_labels("ArrayDataset", targets, n_classes)
        if len(inputs) != len(self.targets):
            raise ValueError(f"{len(inputs)} inputs, but {len(self.targets)} targets")
        self.n_classes, self.source = n_classes, source

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index) -> tuple[Tensor, Tensor]:
        x = self.inputs[index]
        return (x.float() / 255.0 if x.dtype == torch.uint8 else x), self.targets[index]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        x, y = self[torch.as_tensor(indices)]
        return list(zip(x, y, strict=True))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.inputs.shape[1:])

    def subset(self, n: int) -> "ArrayDataset":
        """The first n samples (all of them if there are fewer)."""
        return ArrayDataset(self.inputs[:n], self.targets[:n], self.n_classes, self.source)

    def __repr__(self) -> str:
        return f"{len(self)} samples of shape {self.shape}, {self.n_classes} classes: {self.source}"
