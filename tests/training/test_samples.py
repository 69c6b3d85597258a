"""Data sets as users of PyTorch bring them: they train as an `ArrayDataset`, or say why not."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    random_split,
)

from jarvis.datasets import ArrayDataset, EventDataset, shd_like
from jarvis.encoding import Events
from jarvis.training import CheckpointError, evaluate, fit

INPUTS = torch.rand(24, 5, generator=torch.Generator().manual_seed(0))
TARGETS = (INPUTS.sum(1) > 2.5).long()


class Scores(nn.Module):
    """Linear, with the same weights whenever it is made."""

    def __init__(self, n: int = 5) -> None:
        super().__init__()
        self.linear = nn.Linear(n, 2)
        nn.init.zeros_(self.linear.bias)
        with torch.no_grad():
            self.linear.weight.copy_(torch.linspace(-1, 1, 2 * n).view(2, n))

    def forward(self, x):
        return self.linear(x if x.dim() == 2 else x.flatten(2).sum(0))


class OneByOne(Dataset):
    """A data set that knows nothing of several indices."""

    def __len__(self):
        return len(TARGETS)

    def __getitem__(self, i):
        if not isinstance(i, int):
            raise TypeError("one at a time")
        return INPUTS[i].numpy(), int(TARGETS[i])


def arrays() -> ArrayDataset:
    return ArrayDataset(INPUTS, TARGETS, 2, "by hand")


PAIRS = list(zip(INPUTS, TARGETS, strict=True))

SETS = {
    "TensorDataset": lambda: TensorDataset(INPUTS, TARGETS),
    "Subset": lambda: Subset(arrays(), range(24)),
    "Subset of a Subset": lambda: Subset(Subset(arrays(), range(24)), range(24)),
    "ConcatDataset": lambda: ConcatDataset([arrays().subset(10), Subset(arrays(), range(10, 24))]),
    "list": lambda: PAIRS,
    "list of numbers": lambda: [(x, int(y)) for x, y in PAIRS],
    "tuple of arrays": lambda: tuple((x.numpy(), np.int64(y)) for x, y in PAIRS),
    "one by one": OneByOne,
    "float64": lambda: [(x.double().numpy(), int(y)) for x, y in PAIRS],
}  # fmt: skip


def trained(dataset, **options) -> tuple[list[float], torch.Tensor]:
    model = Scores()
    history = fit(
        model, dataset, dataset, epochs=2, batch_size=7, lr=0.1, progress=False,
        log=lambda line: None, **options,
    )  # fmt: skip
    return history.column("val_loss"), model.linear.weight.detach()


@pytest.mark.parametrize("kind", SETS)
def test_they_train_as_arrays_do(kind):
    losses, weights = trained(SETS[kind]())
    expected, known = trained(arrays())
    assert losses == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(weights, known)
    result = evaluate(Scores(), SETS[kind](), batch_size=5)
    reference = evaluate(Scores(), arrays(), batch_size=5)
    assert result["acc"] == reference["acc"]
    assert torch.equal(result["predicted"], reference["predicted"])
    assert torch.equal(reference["predicted"], Scores()(INPUTS).argmax(1))


def test_random_split_keeps_its_samples():
    parts = random_split(arrays(), [20, 4], generator=torch.Generator().manual_seed(1))
    result = evaluate(Scores(), parts[1], batch_size=3)
    scores = Scores()(INPUTS[parts[1].indices])
    wanted = TARGETS[parts[1].indices]
    assert result["predicted"].tolist() == scores.argmax(1).tolist()
    assert result["loss"] == pytest.approx(nn.functional.cross_entropy(scores, wanted).item())


def test_a_batch_of_one_sample_has_its_axis():
    one = Subset(TensorDataset(INPUTS, TARGETS), [3])
    assert evaluate(Scores(), one)["predicted"].shape == (1,)
    assert evaluate(Scores(), [(INPUTS[3], 1)], batch_size=1)["predicted"].shape == (1,)


def test_another_subset_is_another_run(tmp_path):
    options = dict(output=tmp_path)
    trained(Subset(arrays(), range(20)), **options)
    with pytest.raises(CheckpointError, match="its data was 20"):
        trained(Subset(arrays(), range(1, 21)), resume=tmp_path)


def events() -> EventDataset:
    steps = torch.randint(0, 6, (24, 5), generator=torch.Generator().manual_seed(2))
    return EventDataset(Events.from_first_steps(steps, 5), TARGETS, 2, "by hand")


def test_events_in_steps_become_spike_trains():
    dense = ArrayDataset(events().events.dense().transpose(0, 1), TARGETS, 2, "the same")
    expected = trained(dense, encode=lambda x, generator: x.transpose(0, 1))
    for dataset in (events(), Subset(events(), range(24)), list(events())):
        losses, weights = trained(dataset)
        assert losses == pytest.approx(expected[0], rel=1e-6)
        torch.testing.assert_close(weights, expected[1])


def test_events_in_ms_say_what_to_do():
    steps = events().events
    ms = Events(steps.times.float(), steps.units, steps.offsets, steps.shape)
    dataset = EventDataset(ms, TARGETS, 2, "in ms")
    with pytest.raises(ValueError, match=r"in ms; bin them first: \.binned\(T\)"):
        evaluate(Scores(), dataset)
    result = evaluate(Scores(), dataset, lambda e, generator: e.binned(4, 5.0).dense())
    assert len(result["predicted"]) == 24
    words = shd_like("train+val", n=20)

    class Twenty(nn.Module):
        def forward(self, x):
            return x.sum(0)[:, :20]

    result = evaluate(Twenty(), words, lambda e, generator: e.binned(4, 1000.0).dense())
    assert len(result["predicted"]) == 20


def test_a_model_without_parameters_is_evaluated_but_not_trained():
    class Fixed(nn.Module):
        def forward(self, x):
            return x[:, :2]

    assert evaluate(Fixed(), arrays())["predicted"].tolist() == INPUTS[:, :2].argmax(1).tolist()
    with pytest.raises(ValueError, match="the model has no parameters to train"):
        fit(Fixed(), arrays(), progress=False)


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (lambda: DataLoader(arrays()), TypeError, "is a DataLoader: give its data set"),
        (lambda: iter([]), TypeError, "must be a data set with a length"),
        (lambda: INPUTS, TypeError, "must be a data set with a length and pairs"),
        (lambda: [], ValueError, "the data set is empty"),
        (lambda: [INPUTS[0], INPUTS[1]], TypeError, r"must be a pair \(input, label\), not Tensor"),
        (lambda: [(INPUTS[0], 1, 2)], TypeError, "must be a pair .*, not 3 parts"),
        (lambda: [(INPUTS[0], 1), (INPUTS[0, :3], 0)], TypeError, "cannot be stacked to a batch"),
        (lambda: [("a", 1), ("b", 0)], TypeError, "inputs must be tensors or Events"),
        (lambda: TensorDataset(INPUTS, INPUTS[:, 0]), ValueError, "targets must be integers; got"),
        (lambda: TensorDataset(INPUTS, TARGETS - 1), ValueError, "targets must be at least 0"),
        (lambda: TensorDataset(INPUTS, TARGETS + 1), ValueError, r"targets must lie in \[0, 2\)"),
        (lambda: TensorDataset(INPUTS), TypeError, "must be a pair .*, not 1 parts"),
    ],
)
def test_what_is_no_data_set_is_named(dataset, error, message):
    for call in (
        lambda: evaluate(Scores(), dataset()),
        lambda: fit(Scores(), dataset(), epochs=1, progress=False, log=lambda line: None),
        lambda: fit(Scores(), arrays(), dataset(), epochs=1, progress=False, log=lambda line: None),
    ):
        with pytest.raises(error, match=message) as found:
            call()
        assert "\n" not in str(found.value)


def test_scores_that_are_none_are_named():
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(5, 2)

        def forward(self, x):
            return self.linear(x), None

    for call in (lambda: evaluate(Pair(), arrays()), lambda: fit(Pair(), arrays(), progress=False)):
        with pytest.raises(TypeError, match="the model's output must be a floating-point tensor"):
            call()
    with pytest.raises(TypeError, match="model must be a Module"):
        evaluate(lambda x: x, arrays())


def test_numpy_integers_are_numbers():
    result = evaluate(
        Scores(), arrays(), batch_size=np.uint8(5), seed=np.int64(3), draws=np.int32(2)
    )
    assert result["acc"] == evaluate(Scores(), arrays())["acc"]
