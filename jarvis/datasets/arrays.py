"""The data set returned by most functions: values and labels in two tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

SPLITS = ("train", "val", "test")


class ArrayDataset(Dataset):
    """Samples in memory, as a torch Dataset: ``dataset[i] -> (input, target)``.

    Indexing with a list or slice returns a batch at once, which DataLoader uses.

    Attributes:
        inputs: ``[N, ...]``, float32 in [0, 1], or uint8, which indexing scales to [0, 1].
        targets: ``[N]``, int64 class labels.
        n_classes: number of classes.
        source: content and origin of the data, in one line.

    Raises:
        ValueError: if inputs and targets differ in length.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, n_classes: int, source: str) -> None:
        if len(inputs) != len(targets):
            raise ValueError(f"{len(inputs)} inputs, but {len(targets)} targets")
        self.inputs, self.targets = inputs, targets.long()
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
