"""Batches from the data sets that `fit` and `evaluate` accept: the package's and PyTorch's."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, default_collate

from jarvis.datasets.arrays import ArrayDataset, collated
from jarvis.datasets.recordings import EventDataset
from jarvis.datasets.spoken_digits import SpokenDigits
from jarvis.encoding.events import Events
from jarvis.support.checks import check_tensor, check_values, whole_numbers

_AT_ONCE = ArrayDataset | EventDataset | SpokenDigits | TensorDataset  # dataset[index] is a batch


def check_dataset(name: str, dataset: Any) -> None:
    """Raise TypeError or ValueError unless `dataset` is indexable, has a length and is not empty.

    Args:
        name: name of the argument in the message.
        dataset: the given value.
    """
    if isinstance(dataset, DataLoader):
        raise TypeError(f"{name} is a DataLoader: give its data set, {name}.dataset")
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")) or isinstance(
        dataset, str | bytes | dict | Tensor
    ):
        raise TypeError(
            f"{name} must be a data set with a length and pairs (input, label), not a "
            f"{type(dataset).__name__}"
        )
    if not len(dataset):
        raise ValueError(f"{name}: the data set is empty")


def samples_at(name: str, dataset: Any, index: Tensor) -> tuple[Tensor | Events, Tensor]:
    """The samples at `index` as a batch of inputs and their targets ``[B]``.

    Data sets that take several indices at once (`ArrayDataset`, `EventDataset`, `SpokenDigits`,
    `TensorDataset`) are indexed once with all indices, and a `Subset` passes the indices on to its
    own data set. From all other data sets, such as a `ConcatDataset` or a list of pairs, the
    samples are fetched one by one and collated.

    Raises:
        TypeError, ValueError: if the samples are not pairs of numbers, or differ in shape.
    """
    if isinstance(dataset, Subset):
        return samples_at(name, dataset.dataset, torch.as_tensor(dataset.indices)[index])
    if isinstance(dataset, _AT_ONCE):
        x, y = _pair(name, dataset[index])
    else:
        single = isinstance(dataset, ConcatDataset | list | tuple)
        batch = None if single else _batch_of(dataset, index)
        samples = batch or _collated(name, [_pair(name, dataset[i]) for i in index.tolist()])
        x, y = samples
    if not isinstance(x, Tensor | Events):
        raise TypeError(f"{name}: the inputs must be tensors or Events, not {type(x).__name__}")
    return x, torch.as_tensor(y)


def _batch_of(dataset: Any, index: Tensor) -> tuple[Any, Any] | None:
    """The batch that a data set of another class returns for several indices; None if it cannot."""
    try:
        x, y = dataset[index]
        whole = isinstance(x, Tensor | Events) and len(x) == len(index) and len(y) == len(index)
        return (x, y) if whole else None
    except Exception:  # a data set that takes single indices may fail in any way with several
        return None


def _pair(name: str, sample: Any) -> Any:
    if not isinstance(sample, tuple | list) or len(sample) != 2:
        what = f"{len(sample)} parts" if isinstance(sample, tuple | list) else type(sample).__name__
        raise TypeError(f"{name}: a sample must be a pair (input, label), not {what}")
    return sample


def _collated(name: str, samples: Sequence[Any]) -> tuple[Any, Any]:
    if isinstance(samples[0][0], Events):
        return collated(samples)
    try:
        x, y = default_collate([tuple(sample) for sample in samples])
    except (TypeError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise TypeError(f"{name}: the samples cannot be stacked to a batch: {first}") from error
    if isinstance(x, Tensor) and not x.is_floating_point() and x.dtype != torch.uint8:
        return x, y
    return (x.float() if isinstance(x, Tensor) and x.dtype == torch.float64 else x), y


def labels_of(name: str, targets: Tensor) -> Tensor:
    """Convert targets, which must be whole numbers of at least 0, to int64 labels.

    Raises:
        TypeError, ValueError: for other targets.
    """
    why = "fit and evaluate need a label for every sample; regression needs an objective"
    return whole_numbers(f"{name}: the targets", targets, at_least=0, why=why)


def check_scores(scores: Any, targets: Tensor) -> None:
    """Raise TypeError or ValueError unless `scores` are ``[B, C]`` and every target is below C."""
    check_tensor("the model's output", scores, f"[B={len(targets)}, C]", why="scores of classes")
    why = f"the model gives scores for {scores.shape[1]} classes"
    check_values("the targets", targets, at_least=0, below=scores.shape[1], why=why)


def device_of(model: nn.Module) -> torch.device:
    """The device of a model's parameters or buffers; the CPU for a model without any."""
    for tensors in (model.parameters(), model.buffers()):
        for tensor in tensors:
            return tensor.device
    return torch.device("cpu")


def description(dataset: Any, described: Callable[[object], str]) -> str:
    """A description of a data set, stored in a checkpoint to recognise the data set of a run."""
    if isinstance(dataset, Subset):
        key = zlib.crc32(torch.as_tensor(dataset.indices).numpy().tobytes())
        return f"{len(dataset)} ({key:08x}) of {description(dataset.dataset, described)}"
    if isinstance(dataset, ConcatDataset):
        return " + ".join(description(part, described) for part in dataset.datasets)
    if isinstance(dataset, list | tuple):
        return f"a {type(dataset).__name__} of {len(dataset)} samples"
    return described(dataset)
