"""A classifier that runs over a stream in pieces: the scores are those of the whole sequence."""

import math
from itertools import accumulate

import pytest
import torch

from jarvis import LIFLayer, RecurrentLIFLayer, SpikingCNN, SpikingMLP, constant_encode, seeded
from jarvis.encoding import first_spike_decode
from jarvis.networks import READOUTS, ClassifierState, Readout, ReadoutState, SpikingChain

F64 = torch.float64
STEPS, BATCH = 23, 3
SIZES = [0, 1, 6, 0, 1, 1, 9, 4, 1, 0]  # of the pieces: none, one and many steps


def mlp(readout, sizes=(12, 20, 16, 4), **options):
    with seeded(0):
        return exact(SpikingMLP(sizes, readout, gain=3.0, **options))


def cnn(readout, **options):
    with seeded(1):
        return exact(SpikingCNN((1, 8, 8), 4, (3, 5), readout, **options))


def exact(model):
    """Weights that are multiples of 1/64: sums over spikes are exact, in whatever order."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((64 * parameter).round() / 64)
        model.output.bias += 0.125
    return model


NETWORKS = {
    "mlp": (mlp, (12,)),
    "cnn": (cnn, (1, 8, 8)),
    "shallow": (lambda readout: mlp(readout, (12, 4)), (12,)),
    "options": (
        lambda readout: mlp(readout, tau_syn=3.0, refractory=2.0, adaptation=0.125, tau_adapt=30.0),
        (12,),
    ),
}


def spikes(shape, generator, steps=STEPS, batch=BATCH):
    return (torch.rand(steps, batch, *shape, generator=generator) < 0.4).float()


def ends(sizes):
    return list(accumulate(sizes))


def random_sizes(seed):
    generator = torch.Generator().manual_seed(seed)
    cuts = torch.randint(0, STEPS + 1, (7,), generator=generator).sort().values.tolist()
    return [b - a for a, b in zip([0, *cuts], [*cuts, STEPS], strict=True)]


def stream(model, pieces):
    """Scores after each piece, and the last state."""
    scores, state = [], None
    for piece in pieces:
        score, state = model(piece, state, return_state=True)
        scores.append(score)
    return scores, state


@pytest.mark.parametrize("sizes", [SIZES, *map(random_sizes, range(3))], ids=str)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_scores_after_each_piece_are_those_of_the_whole_so_far(network, readout, sizes, generator):
    make, shape = NETWORKS[network]
    model, x = make(readout), spikes(shape, generator)
    assert sum(sizes) == STEPS
    with torch.no_grad():
        scores, _ = stream(model, x.split(sizes))
        for score, end in zip(scores, ends(sizes), strict=True):
            if end == 0:
                continue  # for a test of its own
            whole = model(x[:end])
            if readout == "trace":  # decays from piece to piece, instead of once
                torch.testing.assert_close(score, whole)
            else:
                assert torch.equal(score, whole)
            assert score.dtype == whole.dtype


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_state_matters(network, readout, generator):
    """Else the tests above would pass without it. Each part of it has its own effect."""
    make, shape = NETWORKS[network]
    model, x = make(readout), spikes(shape, generator)
    differ = []
    for cut in (2, 5, 11):  # a first spike may come early
        with torch.no_grad():
            first, state = model(x[:cut], return_state=True)
            whole = model(x[cut:], state)
            assert torch.equal(model(x[cut:], state), whole)  # the call left the state as it was
            rest = (None,) * len(state.hidden)
            others = [first, model(x[cut:]), model(x[cut:], state._replace(readout=None))]
            others += [model(x[cut:], state._replace(hidden=rest))] if rest else []
        differ.append([not torch.allclose(other, whole) for other in others])
    assert all(map(any, zip(*differ, strict=True)))


@pytest.mark.parametrize("readout", READOUTS)
def test_every_field_of_a_readouts_state_matters(readout, generator):
    currents = torch.rand(STEPS, 8, 5, generator=generator) - 0.2
    layer = Readout(readout, tau=10.0)
    _, state = layer(currents[:11], return_state=True)
    _, start = layer(currents[:0], return_state=True)
    whole = layer(currents[11:], state)
    set_fields = [name for name in state._fields if getattr(state, name) is not None]
    assert set_fields == [name for name in start._fields if getattr(start, name) is not None]
    for name in set_fields:
        other = layer(currents[11:], state._replace(**{name: getattr(start, name)}))
        assert not torch.allclose(other, whole), name


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("make", [mlp, cnn])
def test_any_weights(make, readout, generator):
    """Products of different shapes may be rounded differently, so not to the last bit."""
    model = make(readout).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + 0.1 * torch.rand(parameter.shape, generator=generator))
    shape = (12,) if make is mlp else (1, 8, 8)
    x = torch.rand(STEPS, BATCH, *shape, dtype=F64, generator=generator)
    with torch.no_grad():
        scores, _ = stream(model, x.split(SIZES))
        torch.testing.assert_close(scores[-1], model(x))


@pytest.mark.parametrize("readout", READOUTS)
def test_a_single_piece_has_the_scores_of_a_call_without_state(readout, generator):
    """With weights as drawn, since the same numbers are computed."""
    with seeded(3):
        model = SpikingMLP((12, 30, 4), readout, gain=3.0)
    x = torch.rand(STEPS, BATCH, 12, generator=generator)
    scores, state = model(x, return_state=True)
    assert torch.equal(scores, model(x))
    assert isinstance(state, ClassifierState)
    assert isinstance(state.readout, ReadoutState)
    assert torch.equal(model(x[:0], state), scores)


@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("readout", READOUTS)
def test_an_empty_piece_changes_nothing(make, readout, generator):
    model, shape = make(readout), (12,) if make is mlp else (1, 8, 8)
    x = spikes(shape, generator)
    with torch.no_grad():
        scores, state = model(x, return_state=True)
        again, hidden, same = model(x[:0], state, return_spikes=True, return_state=True)
    assert torch.equal(again, scores)
    assert [len(layer) for layer in hidden] == [0, 0]
    leaves, before = map(torch.utils._pytree.tree_leaves, (same, state))
    assert len(leaves) == len(before) > 1
    for a, b in zip(leaves, before, strict=True):
        assert a is b is None or torch.equal(a, b)


def test_scores_before_the_first_step():
    nothing = torch.zeros(0, 2, 3)
    for readout in READOUTS:
        scores, state = Readout(readout)(nothing, return_state=True)
        expected = {"mean": math.nan, "max": -math.inf}.get(readout, 0.0)
        torch.testing.assert_close(scores, torch.full((2, 3), expected), equal_nan=True)
        x = torch.rand(4, 2, 3)
        torch.testing.assert_close(Readout(readout)(x, state), Readout(readout)(x))
        if readout not in ("mean", "rate"):  # without a state there is nothing to continue
            with pytest.raises(ValueError, match="T>=1"):
                Readout(readout)(nothing)


@pytest.mark.parametrize("readout", READOUTS)
def test_two_streams_at_once(readout, generator):
    model = mlp(readout)
    one, two = spikes((12,), generator), spikes((12,), generator, batch=5)
    with torch.no_grad():
        want_one, _ = stream(model, one.split(4))
        want_two, _ = stream(model, two.split(4))
        state_one = state_two = None
        for i, (a, b) in enumerate(zip(one.split(4), two.split(4), strict=True)):
            score_one, state_one = model(a, state_one, return_state=True)
            score_two, state_two = model(b, state_two, return_state=True)
            assert torch.equal(score_one, want_one[i])
            assert torch.equal(score_two, want_two[i])


def test_a_state_can_be_continued_twice(generator):
    """Nothing is written into it: two futures of the same past."""
    model, x = mlp("trace"), spikes((12,), generator)
    with torch.no_grad():
        _, state = model(x[:10], return_state=True)
        kept = [part.clone() for part in torch.utils._pytree.tree_leaves(state) if part is not None]
        _, other = model(1 - x[10:], state, return_state=True)
        torch.testing.assert_close(model(x[10:], state), model(x))
    parts = [part for part in torch.utils._pytree.tree_leaves(state) if part is not None]
    assert all(map(torch.equal, parts, kept))
    assert not torch.equal(other.hidden[0].v, state.hidden[0].v)


@pytest.mark.parametrize("readout", READOUTS)
def test_samples_are_independent(readout, generator):
    """A stream can leave the batch: every tensor of the state has a row for each sample."""
    model, x = mlp(readout), spikes((12,), generator)
    with torch.no_grad():
        _, state = model(x[:10], return_state=True)
        rows = torch.utils._pytree.tree_map(lambda part: part if part is None else part[1:], state)
        torch.testing.assert_close(model(x[10:, 1:], rows), model(x)[1:])


@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("readout", READOUTS)
def test_gradient_through_two_pieces_is_that_through_the_whole(make, readout, generator):
    model, shape = make(readout).double(), (12,) if make is mlp else (1, 8, 8)
    wanted = list(model.parameters())

    def gradients(run):
        x = spikes(shape, torch.Generator().manual_seed(0)).double().requires_grad_()
        score = run(x)
        upstream = torch.arange(score.numel(), dtype=F64).reshape(score.shape) + 1.0
        return torch.autograd.grad((score * upstream).sum(), [x, *wanted], allow_unused=True)

    def pieces(x, detach=False):
        _, state = model(x[:11], return_state=True)
        state = state.detach() if detach else state
        _, state = model(x[11:11], state, return_state=True)
        return model(x[11:], state)

    whole = gradients(model)
    assert all(g is not None and g.isfinite().all() for g in whole)
    assert whole[0][:11].any()
    assert whole[0][11:].any()
    for a, b in zip(gradients(pieces), whole, strict=True):
        torch.testing.assert_close(a, b)

    cut = gradients(lambda x: pieces(x, detach=True))
    assert not cut[0][:11].any()  # nothing reaches the first piece
    assert cut[0][11:].any()
    assert not torch.allclose(cut[1], whole[1])


def test_the_gradient_of_a_first_spike_crosses_pieces():
    """By hand, with a linear neuron's surrogate left out: spikes enter the formula as numbers."""
    layer = Readout("first")
    layer.neurons = _Given()
    s = torch.tensor([0.0, 0.0, 1.0, 0.0, 1.0], dtype=F64).reshape(5, 1, 1).requires_grad_()
    (whole,) = torch.autograd.grad((5 - first_spike_decode(s)).sum(), s)
    _, state = layer(s[:2], return_state=True)
    _, state = layer(s[2:4], state, return_state=True)
    (pieces,) = torch.autograd.grad(layer(s[4:], state).sum(), s)
    assert torch.equal(pieces, whole)
    # A spike at step 0 or 1 would make the first spike 2 or 1 steps earlier. Without the one at
    # step 2 it would be that at step 4. Later ones change nothing.
    assert whole.flatten().tolist() == [2.0, 1.0, 2.0, 0.0, 0.0]


class _Given(LIFLayer):
    """Returns its input."""

    def forward(self, x, state=None):
        return x, self.initial_state(x.new_empty(x.shape[1:])) if state is None else state


def test_detach(generator):
    model, x = mlp("first", tau_syn=3.0), spikes((12,), generator)
    _, state = model(x, return_state=True)
    leaves = torch.utils._pytree.tree_leaves(state)
    assert any(part.requires_grad for part in leaves if part is not None)
    for one in (state.detach(), ClassifierState(state.hidden, state.readout.detach()).detach()):
        assert type(one) is ClassifierState
        assert type(one.readout) is ReadoutState
        parts = torch.utils._pytree.tree_leaves(one)
        assert not any(part.requires_grad for part in parts if part is not None)
        assert torch.equal(model(x, one), model(x, state))


def test_truncated_backpropagation_trains(generator):
    """Each piece has its own backward pass: the graph of the previous one is gone."""
    model, x = mlp("rate"), spikes((12,), generator)
    labels, state = torch.tensor([0, 1, 2]), None
    for piece in x.split(6):
        scores, state = model(piece, state, return_state=True)
        torch.nn.functional.cross_entropy(scores, labels).backward()
        state = state.detach()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("make", [mlp, cnn])
def test_spikes_of_the_pieces_are_those_of_the_whole(make, generator):
    model, shape = make("last"), (12,) if make is mlp else (1, 8, 8)
    x = spikes(shape, generator)
    with torch.no_grad():
        want, want_hidden = model(x, return_spikes=True)
        state, parts = None, []
        for piece in x.split(SIZES):
            scores, hidden, state = model(piece, state, return_spikes=True, return_state=True)
            parts.append(hidden)
        found, hidden = model(x[:0], state, return_spikes=True)
    assert torch.equal(found, want)
    assert torch.equal(scores, want)
    for layer, whole in zip(zip(*parts, strict=True), want_hidden, strict=True):
        assert torch.equal(torch.cat(layer), whole)
        assert 0 < whole.mean() < 1


def test_a_static_picture_is_mapped_once_a_piece(generator):
    model = cnn("rate")
    x = constant_encode(torch.rand(2, 1, 8, 8, generator=generator), STEPS)
    sizes = []
    model.synapses[0].register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    with torch.no_grad():
        whole = model(x)
        scores, _ = stream(model, x.split([9, 13, 1]))
    torch.testing.assert_close(scores[-1], whole)
    assert sizes == [2, 2, 2, 2]  # not 2 for each step


def test_a_recurrent_layer(generator):
    model = mlp("last").double()
    with seeded(2):
        model.neurons[1] = RecurrentLIFLayer(16).double()
    x = spikes((12,), generator).double()
    with torch.no_grad():
        scores, state = stream(model, x.split(SIZES))
        torch.testing.assert_close(scores[-1], model(x))
    assert state.hidden[1].spikes.shape == (BATCH, 16)


def test_a_network_without_hidden_layers(generator):
    model, x = mlp("mean", (12, 4)), spikes((12,), generator)
    with torch.no_grad():
        scores, state = stream(model, x.split(SIZES))
        torch.testing.assert_close(scores[-1], model.output(x).mean(0))
    assert state.hidden == ()
    with pytest.raises(ValueError, match="0 hidden layers, but this network has 1"):
        mlp("mean", (12, 20, 4))(x, state)


def test_a_readout_can_start_anew(generator):
    model, x = mlp("rate"), spikes((12,), generator)
    with torch.no_grad():
        _, hidden = model(x, return_spikes=True)
        _, state = model(x[:10], return_state=True)
        scores, after = model(x[10:], state._replace(readout=None), return_state=True)
        assert torch.equal(scores, model.readout(model.output(hidden[-1][10:])))
        assert torch.equal(after.readout.counts, scores)


@pytest.mark.parametrize("readout", READOUTS)
def test_a_readout_alone(readout, generator):
    currents = torch.rand(STEPS, BATCH, 5, dtype=F64, generator=generator)
    layer = Readout(readout, tau=7.0)
    state = None
    for piece, end in zip(currents.split(SIZES), ends(SIZES), strict=True):
        scores, state = layer(piece, state, return_state=True)
        if end:
            torch.testing.assert_close(scores, layer(currents[:end]))
    assert scores.dtype == F64


def test_a_sum_in_half_precision_does_not_stop_growing():
    """256 + 1 = 256 in bfloat16. A single 1 at step 301 and 700 more, most of them one by one."""
    x = torch.cat([torch.zeros(301), torch.ones(701)]).to(torch.bfloat16).reshape(-1, 1, 1)
    expected = {"mean": 701 / 1002, "rate": 701, "first": 701}
    for readout, field in (("mean", "total"), ("rate", "counts"), ("first", "since")):
        layer, state = Readout(readout, tau=math.inf, reset="none"), None
        for piece in x.split([302, *[1] * 299, 401]):
            scores, state = layer(piece, state, return_state=True)
        assert getattr(state, field).item() == 701
        assert torch.equal(scores, torch.tensor([[expected[readout]]], dtype=torch.bfloat16))


def test_a_state_after_nan():
    """NaN is rejected in every piece, as it is in a whole sequence."""
    x = torch.rand(4, 2, 3)
    for readout in ("last", "max", "first", "trace"):
        layer = Readout(readout)
        _, state = layer(x, return_state=True)
        with pytest.raises(ValueError, match="NaN"):
            layer(x * math.nan, state)


def _state(model, batch=BATCH, shape=(12,)):
    return model(torch.ones(2, batch, *shape), return_state=True)[1]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (lambda: (None, None), "SpikingMLP: state is a tuple, but a classifier needs a Classifier"),
        (lambda: _state(mlp("rate")).readout, "SpikingMLP: state is a ReadoutState"),
        (lambda: [], "SpikingMLP: state is a list"),
        (lambda: _state(mlp("rate", (12, 20, 4))), "1 hidden layers, but this network has 2"),
        (lambda: _state(mlp("rate"), batch=2), r"state.v has shape \(2, 20\)"),
        (lambda: _state(mlp("rate", (12, 21, 16, 4))), r"state.v has shape \(3, 21\)"),
        (lambda: _state(mlp("rate", (12, 20, 16, 5))), r"state.counts has shape \(3, 5\)"),
        (lambda: _state(mlp("rate", tau_syn=2.0)), "state.i is set, so this state comes from"),
        (lambda: _state(cnn("rate"), shape=(1, 8, 8)), r"state.v has shape \(3, 3, 4, 4\)"),
        (lambda: _state(mlp("rate"))._replace(readout=(None,)), "'rate'.*: state is a tuple"),
        (
            lambda: _state(mlp("rate"))._replace(readout=_state(mlp("rate"), batch=2).readout),
            r"Readout\('rate'\): state.counts has shape \(2, 4\), but .* \(3, 4\).*new batch",
        ),
    ],
)
def test_states_of_other_networks(state, says):
    with pytest.raises(ValueError, match=says):
        mlp("rate")(torch.ones(2, BATCH, 12), state())


@pytest.mark.parametrize("readout", READOUTS)
def test_the_state_of_another_readout(readout):
    x = torch.ones(2, BATCH, 12)
    for other in READOUTS:
        if other != readout:
            state = _state(mlp(other))
            with pytest.raises(ValueError, match="so this state comes from another read-out"):
                mlp(readout)(x, state)
            with pytest.raises(ValueError, match=rf"Readout\('{readout}'\): state"):
                mlp(readout).readout(x[..., :4], state.readout)


def test_parts_of_a_readouts_state_of_another_type_or_shape():
    x = torch.ones(2, BATCH, 4)
    _, mean = Readout("mean")(x, return_state=True)
    _, last = Readout("last")(x, return_state=True)
    _, rate = Readout("rate")(x, return_state=True)
    for readout, state, says in (
        ("mean", mean._replace(steps=2), "state.steps must be a tensor, not int"),
        ("mean", mean._replace(steps=mean.steps[:1]), r"state.steps has shape \(1,\)"),
        ("mean", mean._replace(total=mean.total[:1]), r"state.total has shape \(1, 4\)"),
        (
            "last",
            last._replace(neurons=rate.neurons),
            "state.neurons must be a tensor, not LIFState",
        ),
        ("last", last._replace(neurons=last.neurons[:1]), r"state.neurons has shape \(1, 4\)"),
        ("rate", rate._replace(neurons=last.neurons), "state is a Tensor"),
        ("rate", rate._replace(neurons=None), "state.neurons is missing"),
    ):
        with pytest.raises(ValueError, match=says):
            Readout(readout)(x, state)


def test_a_readout_without_a_state(generator):
    class Sum(torch.nn.Module):
        def forward(self, currents):
            return currents.sum(0)

    model, x = mlp("mean"), spikes((12,), generator)
    model.readout = Sum()
    assert model(x).shape == (BATCH, 4)
    with pytest.raises(TypeError, match="SpikingMLP: the read-out is a Sum, which has no state"):
        model(x, return_state=True)


def test_state_dict_is_unchanged(generator):
    """Nothing of a stream stays in the modules."""
    for make, shape in ((mlp, (12,)), (cnn, (1, 8, 8))):
        model = make("trace")
        names = [f"synapses.{i}.{0 if make is cnn else 1}" for i in range(2)]
        names = [f"{name}.{part}" for name in [*names, "output"] for part in ("weight", "bias")]
        assert list(model.state_dict()) == names
        before = {name: value.clone() for name, value in model.state_dict().items()}
        attributes = {name: set(vars(module)) for name, module in model.named_modules()}
        stream(model, spikes(shape, generator).split(5))
        assert list(model.state_dict()) == names
        assert all(torch.equal(model.state_dict()[name], before[name]) for name in names)
        assert attributes == {name: set(vars(module)) for name, module in model.named_modules()}


def test_a_layer_that_takes_no_state_still_serves_whole_sequences(generator):
    class Relu(torch.nn.Module):
        def forward(self, x):
            return x.relu(), None

    model, x = mlp("mean", (12, 20, 4)), spikes((12,), generator)
    model.neurons[0] = Relu()
    want = model.output(model.synapses[0][1](x).relu()).mean(0)
    torch.testing.assert_close(model(x), want)


def test_the_state_is_not_that_of_a_chain(generator):
    """The same network as a chain: its state is a tuple with an entry for each module."""
    model, x = mlp("last", (12, 20, 4)), spikes((12,), generator)
    chain = SpikingChain([model.synapses[0], model.neurons[0], model.output, model.readout.neurons])
    with torch.no_grad():
        _, state = model(x[:9], return_state=True)
        _, of_chain = chain(x[:9])
        assert torch.equal(of_chain[1].v, state.hidden[0].v)
        assert torch.equal(of_chain[3], state.readout.neurons)
        v, _ = chain(x[9:], of_chain)
        assert torch.equal(v[-1], model(x[9:], state))
        with pytest.raises(ValueError, match="state is a tuple"):
            model(x[9:], of_chain)
