"""Checkpoints that are damaged, edited, or of another program; what a resumed run may change."""

import copy
import io
import pickle
import re
import zipfile

import pytest
import torch
from torch import nn

from jarvis import SpikingMLP, datasets, fit, poisson_encode, seeded
from jarvis.encoding import Events
from jarvis.stdp import LayerwiseRun, make_layers, make_recipe, read_run
from jarvis.support.files import FolderInUseError, locked
from jarvis.training import (
    CheckpointError,
    GradientRun,
    History,
    TrainingError,
    choose_device,
    cosine,
    load_checkpoint,
    save_checkpoint,
    train,
)
from jarvis.training.checkpoints import holds_run
from jarvis.training.run import Interrupted

DATA = datasets.toy("train").subset(48)
VAL = datasets.toy("val").subset(16)


def encode(x, generator):
    return poisson_encode(x, 3, generator=generator)


def make_model():
    with seeded(0):
        return SpikingMLP((32, 4, 2))


def gradient_run(**options):
    options = {"encode": encode, "batch_size": 16, "epochs": 2, **options}
    return GradientRun(make_model(), DATA, **options)


def layerwise_run():
    layer = {"maps": 4, "threshold": 0.5, "pool": 1}
    recipe = make_recipe(
        {"conv1": layer, "conv2": layer, "stdp": {"converged_below": 0, "max_epochs": 2}}
    )
    generator = torch.Generator().manual_seed(0)
    run = LayerwiseRun(make_layers(recipe, 1, generator), recipe, 0)
    run.batch_size = 5
    run.events = Events.from_dense(
        (torch.rand(4, 12, 1, 10, 10, generator=generator) < 0.1).float()
    )
    return run


KINDS = {"gradient": gradient_run, "layerwise": layerwise_run}


def weights(run):
    if isinstance(run, GradientRun):
        return torch.cat([p.detach().flatten() for p in run.model.parameters()])
    return torch.cat([layer.weight.flatten() for layer in run.layers.values()])


def resumed(kind, path):
    return train(KINDS[kind](), resume=path, progress=False, log=lambda line: None)


@pytest.fixture(params=KINDS)
def kept(request, tmp_path):
    """A kind of run, a checkpoint after its second batch, and the weights at its end."""
    run = KINDS[request.param]()
    for _ in zip(range(2), run.steps(), strict=False):
        pass
    path = tmp_path / "kept.pt"
    run.save(path)
    return request.param, path, weights(resumed(request.param, path))


def test_a_flipped_bit_is_noticed_wherever_it_is(kept):
    """Or it is in a byte that means nothing: then the run is the same."""
    kind, path, end = kept
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), len(whole) // 60):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        try:
            run = resumed(kind, path)
        except CheckpointError as error:
            refused += bool(re.fullmatch(r".*kept\.pt is .*", str(error)))
        else:
            assert torch.equal(weights(run), end)
    assert refused > 20


def test_a_bit_of_a_weight_is_named_by_its_checksum(tmp_path):
    path = tmp_path / "x.pt"
    save_checkpoint(path, {"model": torch.full((500,), 0.1234)})
    data = bytearray(path.read_bytes())
    at = data.index(torch.full((9,), 0.1234).numpy().tobytes())
    data[at + 3] ^= 0x40
    path.write_bytes(data)
    assert torch.load(path)["model"][0] > 1e30  # torch itself does not notice
    with pytest.raises(
        CheckpointError, match=r"x\.pt is damaged: the checksum of .*data/0 is wrong"
    ):
        load_checkpoint(path)


def test_a_compressed_archive_is_refused(tmp_path):
    """It could unpack to any size."""
    save_checkpoint(tmp_path / "x.pt", {"model": torch.zeros(10_000)})
    with (
        zipfile.ZipFile(tmp_path / "x.pt") as source,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for one in source.infolist():
            target.writestr(one.filename, source.read(one))
    with pytest.raises(CheckpointError, match=r"packed\.pt is damaged: it is compressed"):
        load_checkpoint(tmp_path / "packed.pt")


def test_the_refusal_of_a_pickle_gives_no_bad_advice(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"format": 2, "model": nn.Linear(2, 2)}, path)
    with pytest.raises(CheckpointError, match=r"objects \(torch.nn.modules.linear.Linear\) other"):
        load_checkpoint(path)
    buffer = io.BytesIO()
    torch.save(
        {"format": 2, "model": nn.Linear(2, 2)}, buffer, _use_new_zipfile_serialization=False
    )
    for data in (path.read_bytes(), pickle.dumps({"format": 2}), buffer.getvalue()):
        path.write_bytes(data)
        with pytest.raises(CheckpointError) as error:
            load_checkpoint(path)
        assert "weights_only" not in str(error.value)
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"format": 2, "kind": "gradient", "model": {}}, "its run is missing"),
        ({"format": 2, "state_dict": {}}, "of another kind of training: None"),
        ({"format": True, "kind": "gradient"}, "not a jarvis checkpoint"),
        ({"format": "2"}, "not a jarvis checkpoint"),
        ({"format": torch.tensor([2, 2])}, "not a jarvis checkpoint"),
        ([1, 2], "not a jarvis checkpoint"),
        ({"format": 2, "model": {"w": torch.tensor([1.0, float("nan")])}}, r"contains NaN"),
        ({"format": 2, "model": torch.zeros(2).to_sparse()}, "model is not dense"),
        ({"format": 2, "model": torch.zeros(2, device="meta")}, "checkpoint"),
    ],
)
def test_a_checkpoint_of_another_program_is_refused_in_one_line(content, says, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=rf"other\.pt .*{says}") as error:
        train(gradient_run(), resume=tmp_path / "other.pt", progress=False)
    assert len(str(error.value).splitlines()) == 1


NAN, INF = float("nan"), float("inf")
EDITS = {
    "gradient": [
        ("run", None), ("run.seed", None), ("epoch", -1), ("epoch", "1"), ("epoch", True),
        ("done", 10**6), ("done", None), ("epochs", 0), ("history", None), ("history.epochs", {}),
        ("history.best_epoch", 5), ("history.best_val_acc", "high"), ("history.epochs", [{"a": 1}]),
        ("random", None), ("random.run", torch.zeros(3)), ("random.torch", "x"), ("lrs", []),
        ("random.run", torch.zeros(5056, dtype=torch.uint8)), ("lrs", [INF]), ("sums", {}),
        ("sums.loss", NAN), ("model", None), ("model.output.weight", None),
        ("model.output.weight", torch.zeros(1)), ("model.output.weight", "zeros"),
        ("model.output.bias", torch.zeros(2).double()),
        ("model.output.bias", torch.tensor([0, INF])),
        ("model.output.bias", torch.tensor([0.0, NAN])), ("model.new", torch.zeros(2)),
        ("optimizer", {}), ("optimizer.state.0.exp_avg", None),
        ("optimizer.state.0.exp_avg", torch.zeros(2)), ("optimizer.state.0.step", torch.zeros(0)),
        ("optimizer.state.0.exp_avg_sq", torch.full((4, 32), -1.0)),
        ("optimizer.state.0.exp_avg_sq", torch.full((4, 32), INF)),
        ("optimizer.param_groups", []),
    ],
    "layerwise": [
        ("recipe", None), ("recipe.conv2", None), ("recipe.conv2", 3), ("recipe.conv2.maps", "x"),
        ("recipe.conv2.stdp.a_plus", -1.0), ("layers", []), ("layers.conv2", None),
        ("layers.conv2", {}), ("layers.conv2.weight", torch.zeros(4, 4)), ("stage", 7),
        ("layers.conv2.weight", torch.full((4, 4, 5, 5), INF)), ("stopped", {"conv2": "maps"}),
        ("layers.conv2.thresholds", torch.full((4,), -1.0)), ("layers.conv2.wins", torch.zeros(4)),
        ("epoch_wins", torch.zeros(9, dtype=torch.int64)), ("best", NAN), ("best", "low"),
        ("arguments", None), ("history.epochs", [{"layer": "conv9"}]), ("epoch", 1),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "place", "value"), [(kind, *edit) for kind, edits in EDITS.items() for edit in edits]
)
def test_an_edited_checkpoint_is_refused_in_one_line(kind, place, value, tmp_path):
    """None takes the value away."""
    path, run = tmp_path / "edited.pt", KINDS[kind]()
    for _ in zip(range(2), run.steps(), strict=False):
        pass
    run.save(path)
    content = copy.deepcopy(torch.load(path, weights_only=True))
    inner, names = content, place.split(".")
    if names[0] == "model":
        names = ["model", place.removeprefix("model.")] if "." in place else ["model"]
    for name in names[:-1]:
        inner = inner[int(name) if name.isdigit() else name]
    if value is None:
        del inner[names[-1]]
    else:
        inner[names[-1]] = value
    torch.save(content, path)

    def read():
        if kind == "layerwise":
            read_run(path)  # the programs read it with this one first
        resumed(kind, path)

    with pytest.raises(CheckpointError, match=r"edited\.pt") as error:
        read()
    assert len(str(error.value).splitlines()) == 1


# ---------------------------------------------------------------- what may change


def optimiser(kind, model, lr):
    match kind:
        case "fit's Adam":
            return None
        case "Adam":
            return torch.optim.Adam(model.parameters(), lr=lr)
        case "tensor":
            return torch.optim.Adam(model.parameters(), lr=torch.tensor(lr))
        case "SGD":
            return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    names = list(model.parameters())
    return torch.optim.Adam([{"params": names[:1]}, {"params": names[1:], "lr": lr}], lr=lr)


@pytest.mark.parametrize("kind", ["fit's Adam", "Adam", "tensor", "SGD", "groups"])
@pytest.mark.parametrize("schedule", [None, cosine])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("at", ["after an epoch", "within an epoch"])
def test_a_new_learning_rate_is_taken_in_every_case(kind, schedule, named, at, tmp_path):
    """The rule of docs/programs.md; at 1e-12 the weights stay where they were."""

    def run(lr, encode=encode, **options):
        model = make_model()
        arguments = {"lr": lr} if named else None
        fit(model, DATA, encode=encode, batch_size=16, lr=lr, schedule=schedule, progress=False,
            optimizer=optimiser(kind, model, lr), arguments=arguments, **options)  # fmt: skip
        return model

    calls = []

    def interrupting(x, generator):
        calls.append(1)
        if len(calls) == 5:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)
        return encode(x, generator)

    quiet = {"log": lambda line: None}
    if at == "after an epoch":
        run(1e-2, epochs=1, output=tmp_path, **quiet)
    else:
        with pytest.raises(Interrupted):
            run(1e-2, interrupting, epochs=3, output=tmp_path, **quiet)
    lines = []
    model = run(1e-12, epochs=3, resume=tmp_path, log=lines.append)
    assert re.match(r"resumed with .*lr 0\.01(, 0\.01)? -> 1e-12(, 1e-12)?$", lines[0]), lines
    before = load_checkpoint(tmp_path)["model"]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], atol=1e-8, rtol=0)


def test_a_learning_rate_that_on_epoch_changed_goes_on(tmp_path):
    """Halved by the user after each epoch, and interrupted within one: as without interruption."""
    import os
    import signal

    def run(stop=None, **options):
        model = make_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        calls = []

        def encode_and_stop(x, generator):
            calls.append(1)
            if len(calls) == stop:
                os.kill(os.getpid(), signal.SIGINT)
            return encode(x, generator)

        def halve(epoch, model):
            for group in optimizer.param_groups:
                group["lr"] /= 2

        fit(model, DATA, encode=encode_and_stop, batch_size=16, optimizer=optimizer, epochs=3,
            on_epoch=halve, log=lambda line: None, progress=False, **options)  # fmt: skip
        return model

    whole = run()
    with pytest.raises(Interrupted):
        run(stop=5, output=tmp_path)
    again = run(resume=tmp_path)
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_seeds_fit_in_64_bits():
    for seed in (2 * 10**13, 2**63 - 1, -(2**63)):
        run = gradient_run(seed=seed, epochs=1)
        train(run, progress=False, log=lambda line: None)
        assert weights(run).isfinite().all()
        with seeded(seed):
            torch.rand(1)
    for seed in (2**63, 2**70, -(2**63) - 1):
        with pytest.raises(ValueError, match=f"seed={seed}"):
            gradient_run(seed=seed)
        with pytest.raises(ValueError, match=f"seed={seed}"), seeded(seed):
            pass


@pytest.mark.parametrize(
    "name",
    ["mps", "xpu", "meta", "cpu:3", "cpu:1000", "cuda:-1", "cuda:", "CPU", "", " cpu", "cuda:x"],
)
def test_devices_that_no_program_uses_are_refused(name):
    message = re.escape(f"device={name!r} is not one of auto, cpu, cuda, cuda:N")
    with pytest.raises(ValueError, match=message):
        choose_device(name)


@pytest.mark.parametrize("name", ["cuda:99", "cuda:256", "cuda:99999999999999999999"])
def test_a_gpu_that_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match=r"this machine has \d+ GPUs"):
        choose_device(name)  # torch reads 256 as 0


# ---------------------------------------------------------------- metrics and folders


def test_a_metric_that_is_not_finite_ends_the_run_and_is_not_saved(tmp_path):
    class Poisoned(SpikingMLP):
        broken = False

        def forward(self, *args, **options):
            scores = super().forward(*args, **options)
            return scores * NAN if self.broken and not self.training else scores

    with seeded(0):
        model = Poisoned((32, 4, 2))

    def break_it(epoch, model):
        model.broken = True

    with pytest.raises(TrainingError, match="val_loss is nan after epoch 2"):
        fit(model, DATA, VAL, encode=encode, epochs=3, output=tmp_path, on_epoch=break_it,
            log=lambda line: None, progress=False)  # fmt: skip
    assert load_checkpoint(tmp_path)["epoch"] == 1
    assert not (tmp_path / "metrics_final.json").exists()


def test_nothing_is_written_to_a_folder_that_is_in_use(tmp_path):
    import threading

    refused = []

    def run():
        try:
            fit(make_model(), DATA, encode=encode, epochs=1, output=tmp_path, progress=False)
        except FolderInUseError as error:
            refused.append(error)

    with locked(tmp_path):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert {path.name for path in tmp_path.iterdir()} == {".lock"}
    assert len(refused) == 1
    run()
    assert len(refused) == 1
    assert {path.name for path in tmp_path.iterdir()} >= {"metrics_final.json"}
    assert not (tmp_path / ".lock").exists()


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("checkpoint_latest.pt", True),
        ("checkpoint_best.pt", True),
        ("metrics_final.json", True),
        ("checkpoints/checkpoint_epoch1_conv1.pt", True),
        ("checkpoints/notes.txt", False),
        ("notes.txt", False),
    ],
)
def test_a_run_is_known_by_its_files(name, holds, tmp_path):
    assert not holds_run(tmp_path)
    assert not holds_run(tmp_path / "missing")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert holds_run(tmp_path) == holds


def test_a_column_has_nan_where_nothing_was_measured():
    history = History([{"loss": 1.0}, {"loss": 0.5, "val_acc": 0.7}])
    assert history.column("loss") == [1.0, 0.5]
    assert history.column("val_acc") == [pytest.approx(NAN, nan_ok=True), 0.7]
    with pytest.raises(KeyError, match="no metric 'test_acc': there are loss, val_acc"):
        history.column("test_acc")
    assert History().column("loss") == []
