"""The encoder against the event-driven layers, and the decoder against a walk along the causes."""

import pytest
import torch

from jarvis.encoding.events import Events
from jarvis.stdp.order_rule import NEVER, STDPConfig, STDPLearner
from jarvis.stdp.spikeseg.decoder import decode
from jarvis.stdp.spikeseg.network import LAYERS, SpikeSEG
from jarvis.stdp.spikeseg.steps import SILENT, conv_step, fixed_filters, pool_step, unpool
from jarvis.stdp.wta import WTAConfig, WTAInhibition

F64 = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(seed=0, **options):
    """A small network with weights of all sizes and thresholds that take several events."""
    defaults = dict(
        n_classes=2,
        in_channels=2,
        channels=(3, 4),
        kernels=(3, 3, 3),
        thresholds=(0.9, 1.1, 2.0),
        leaks=(0.2, 0.05, 0.0),
        filters=None,
        stdp=STDPConfig(init_mean=0.4, init_std=0.3),
        generator=generator(seed),
    )
    return SpikeSEG(**{**defaults, **options}).double()


def scene(seed=0, shape=(6, 2, 2, 14, 13), density=0.08):
    return (torch.rand(shape, generator=generator(seed)) < density).to(F64)


def tiny():
    """One map a layer, kernels that look at one pixel, thresholds that one event reaches."""
    model = SpikeSEG(1, 1, (1, 1), (1, 1, 1), 0.5, 0.0, None).eval()
    for layer in model.layers:
        layer.weight.fill_(1.0)
    return model


# ------------------------------------------------------------------------------------ encoder


def test_the_potential_follows_the_rule_through_a_spike_and_a_reset():
    layer = SpikeSEG(1, 1, (1, 1), (1, 1, 1), 1.0, 0.25, None).double().layers[0]
    layer.weight.fill_(0.6)
    v = torch.zeros(1, 1, 1, 1, dtype=F64)
    fired = torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    seen = []
    for x in (1, 0, 0, 1, 1, 1, 1):
        spike, pre, v = conv_step(layer, torch.full_like(v, x), v, fired, once=False)
        seen.append((pre.item(), bool(spike), v.item()))
    expected = [0.35, 0.1, 0.0, 0.35, 0.7, 1.05, 0.35]
    assert [p for p, _, _ in seen] == pytest.approx(expected)
    assert [s for _, s, _ in seen] == [False] * 5 + [True, False]
    assert seen[5][2] == 0.0


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("inhibit", [True, False])
@pytest.mark.parametrize(
    ("kernels", "thresholds"), [((3, 3, 3), (1.5, 3.0, 6.0)), ((5, 4, 7), (3.0, 6.0, 9.0))]
)
def test_the_encoder_agrees_with_the_event_driven_layers(once, inhibit, kernels, thresholds):
    model = network(once=once, inhibit=inhibit, kernels=kernels, thresholds=thresholds)
    x = scene(1)
    state, spikes = None, {name: [] for name in LAYERS}
    for x_t in x:
        output = model.encode(x_t, model.initial_state(x_t) if state is None else state)
        state = output.state
        for name in LAYERS:
            spikes[name].append(output.layer_spikes[name])
    dense = {name: torch.stack(values) for name, values in spikes.items()}
    events = Events.from_dense(x)
    for i, layer in enumerate(model.layers):
        alone = layer.respond(events, pool=1, once=once, inhibit=inhibit)
        assert torch.equal(alone.dense(), dense[f"conv{i + 1}"].float())
        assert len(alone.times) > 4
        assert i == 2 or len(alone.times.unique()) > 3
        if i < 2:
            events = layer.respond(events, pool=2, once=once, inhibit=inhibit)
            assert torch.equal(events.dense(), dense[f"pool{i + 1}"].float())
    for name in LAYERS:
        first = Events.from_dense(dense[name]).first_steps()
        assert torch.equal(output.layer_spike_times[name].clamp(max=len(x)), first)
        if once:
            assert dense[name].sum(0).max() == 1
    if not once:
        assert dense["conv1"].sum(0).max() > 1


def test_membranes_are_the_potentials_before_the_reset():
    model = network(once=False)
    x = scene(2)
    state = model.initial_state(x[0])
    fired = 0
    for x_t in x:
        before = state.potentials
        output = model.encode(x_t, state)
        state = output.state
        for i, layer in enumerate(model.layers):
            spikes = output.layer_spikes[f"conv{i + 1}"].bool()
            membranes = output.layer_membranes[f"conv{i + 1}"]
            assert torch.equal(spikes, membranes >= layer.thresholds[:, None, None])
            assert torch.equal(state.potentials[i], membranes.masked_fill(spikes, 0))
            fired += int(spikes.sum())
        into = torch.nn.functional.conv2d(x_t, model.layers[0].weight, padding=1)
        expected = (before[0] + into - 0.2).clamp(min=0)
        torch.testing.assert_close(output.layer_membranes["conv1"], expected)
    assert fired > 100


def test_training_mode_lets_a_neuron_fire_once():
    x = torch.ones(4, 1, 1, 8, 8)
    model = tiny()
    assert model.eval()(x)[0].sum(0).max() == 4
    assert model.train()(x)[0].sum(0).max() == 1
    model.once = False
    assert model(x)[0].sum(0).max() == 4


def test_the_own_state_is_replaced_by_encode_and_dropped_by_reset():
    model, x = network(), scene(3)
    whole, final = model(x)
    assert model.state is None
    for _ in range(2):
        model.reset_state()
        steps = [model.encode(x_t).layer_spikes["conv3"] for x_t in x]
        assert torch.equal(torch.stack(steps), whole)
    assert model.state.step == len(x)
    kept = model.state
    model.encode(x[0], final)
    assert model.state is kept
    halves, state = model(x[:3])
    rest, state = model(x[3:], state)
    assert torch.equal(torch.cat([halves, rest]), whole)
    assert len(state.records) == len(x)


def test_samples_of_a_batch_do_not_touch_each_other():
    model, x = network(), scene(4)
    both, state = model(x)
    alone, state_1 = model(x[:, 1:])
    assert torch.equal(both[:, 1:], alone)
    torch.testing.assert_close(model.saliency(state)[1:], model.saliency(state_1))


def test_a_pool_passes_on_the_highest_potential_and_remembers_its_place():
    potentials = torch.tensor([[[[3.0, 9.0, 1.0, 2.0, 5.0], [4.0, 5.0, 2.0, 1.0, 5.0]]]])
    spikes = torch.tensor([[[[1, 0, 0, 0, 1], [1, 1, 0, 1, 1]]]]).bool()
    none = torch.zeros(1, 1, 1, 2, dtype=torch.bool)
    index, value = pool_step(spikes, potentials, none, 2, once=True)
    assert index.tolist() == [[[[3, 3]]]]
    assert value.tolist() == [[[[5.0, 1.0]]]]
    index, value = pool_step(spikes, potentials, torch.tensor([[[[True, False]]]]), 2, once=True)
    assert index.tolist() == [[[[SILENT, 3]]]]
    back = unpool(torch.tensor([[[[0.0, 7.0]]]]), index, 2)
    assert back.nonzero().tolist() == [[0, 0, 1, 3]]


# ------------------------------------------------------------------------------------ decoder


def explained_by(model, records, sample, step, label, y, x):
    """Saliency of one class spike, from each spike to its causes, one by one and recursively."""
    layers, p = model.layers, model.pool
    out = torch.zeros(len(records), *records[0].x.shape[2:], dtype=F64)

    def walk(i, step, m, y, x, worth):
        layer, k = layers[i], layers[i].kernel_size
        keep = 1 - layer.leak / layer.thresholds[m]
        for s in range(step, -1, -1):
            if s < step and records[s].resets[i][sample, m, y, x]:
                return  # an earlier reset has used up what came before it
            source = records[s].x if i == 0 else records[s].indices[i - 1]
            for c in range(layer.in_channels):
                for j in range(k):
                    for l_ in range(k):
                        row, column = y - k // 2 + j, x - k // 2 + l_
                        if not (0 <= row < source.shape[2] and 0 <= column < source.shape[3]):
                            continue
                        value = worth * keep ** (step - s) * layer.weight[m, c, j, l_]
                        at = source[sample, c, row, column]
                        if i == 0:
                            out[s, row, column] += value * at
                        elif at != SILENT:
                            place = row * p + int(at) // p, column * p + int(at) % p
                            walk(i - 1, s, c, *place, value)

    walk(2, step, label, y, x, 1.0)
    return out


@pytest.mark.parametrize("options", [dict(once=True), dict(once=False), dict(inhibit=True)])
def test_the_decoder_finds_exactly_the_causes(options):
    model = network(**options).eval()
    x = scene(5, (5, 2, 2, 14, 13), 0.05)
    _, state = model(x)
    target = torch.stack([record.spikes[2] for record in state.records])
    spikes = target.nonzero()
    assert len(spikes) > 8
    silent = [(r.resets[1] & ~r.spikes[1]).any() for r in state.records]
    assert any(silent) == model.inhibit
    for spike in spikes[:: len(spikes) // 6]:
        t, b, m, y, x_ = spike.tolist()
        one = torch.zeros_like(target)
        one[t, b, m, y, x_] = True
        found = decode(model.layers, state.records, one)[:, :, 0]
        expected = explained_by(model, state.records, b, t, m, y, x_)
        assert expected.any()
        torch.testing.assert_close(found[:, b], expected)
        assert not found[:, 1 - b].any()


def test_saliency_adds_up_what_the_spikes_lead_back_to():
    model = network()
    _, state = model(scene(6))
    target = torch.stack([record.spikes[2] for record in state.records])
    g = generator(1)
    some = target & (torch.rand(target.shape, generator=g) < 0.5)
    parts = [decode(model.layers, state.records, part) for part in (some, target & ~some)]
    torch.testing.assert_close(parts[0] + parts[1], model.saliency(state, per_step=True))
    whole = model.saliency(state)
    assert whole.shape == (2, 1, 14, 13)
    assert whole.sum() > 0
    torch.testing.assert_close(whole, model.saliency(state, per_step=True).sum(0))


def test_unpooling_takes_the_indices_of_the_step_at_which_the_spike_travelled():
    # A spike passes each pool at (0, 0) in step 0, and another one through the same pools later.
    model = tiny()
    x = torch.zeros(3, 1, 1, 8, 8)
    x[0, 0, 0, 0, 0] = 1.0
    x[2, 0, 0, 3, 2] = 1.0
    _, state = model(x)
    target = torch.stack([record.spikes[2] for record in state.records])
    assert target[:, 0, 0, 0, 0].tolist() == [True, False, True]
    target[2] = False  # explain the first spike alone
    found = decode(model.layers, state.records, target)
    assert found[:, 0, 0].nonzero().tolist() == [[0, 0, 0]]
    # With the indices of the last step for all steps, the same spike is led astray.
    last = state.records[-1].indices
    wrong = [record._replace(indices=last) for record in state.records]
    astray = decode(model.layers, wrong, target, gated=False)
    right = decode(model.layers, state.records, target, gated=False)
    assert right.sum(0)[0, 0].nonzero().tolist() == [[0, 0]]
    assert astray.sum(0)[0, 0].nonzero().tolist() != [[0, 0]]


def test_what_travelled_before_the_last_reset_is_not_a_cause():
    model = tiny()
    model.layers[2].weight.fill_(0.3)  # two events to a class spike
    x = torch.zeros(4, 1, 1, 4, 4)
    for t in range(4):
        x[t, 0, 0, 0, t] = 1.0
    spikes, state = model(x)
    assert spikes.flatten().tolist() == [0.0, 1.0, 0.0, 1.0]
    target = torch.stack([record.spikes[2] for record in state.records])
    target[1] = False
    found = decode(model.layers, state.records, target).sum(0)
    assert found[0, 0].nonzero().tolist() == [[0, 2], [0, 3]]


def test_ungated_saliency_shows_the_filters():
    model = SpikeSEG(1, 1, (1, 1), (3, 1, 1), 0.5, 0.0, None).eval()
    for layer in model.layers:
        layer.weight.fill_(1.0)
    x = torch.zeros(1, 1, 1, 8, 8)
    x[0, 0, 0, 4, 4] = 1.0
    _, state = model(x)
    assert model.saliency(state, gated=True).nonzero()[:, 2:].tolist() == [[4, 4]]
    assert (model.saliency(state, gated=False) > 0).sum() > 9


# --------------------------------------------------------------------------- filters, options


def test_fixed_filters_and_polarities():
    gabor = fixed_filters("gabor", 4, 1, 5)
    assert gabor.shape == (4, 1, 5, 5)
    assert torch.equal(fixed_filters("gabor", 4, 2, 5), gabor.repeat(1, 2, 1, 1))
    difference = fixed_filters("gabor", 4, 2, 5, "difference")
    assert torch.equal(difference[:, 0], -difference[:, 1])
    separate = fixed_filters("gabor", 8, 2, 5, "separate")
    assert torch.equal(separate[:4, :1], gabor)
    assert torch.equal(separate[4:, 1:], gabor)
    assert not separate[:4, 1].any()
    assert not separate[4:, 0].any()
    dog = fixed_filters("dog", 4, 1, 5)
    torch.testing.assert_close(dog[::2], -dog[1::2])
    assert not torch.allclose(dog[0], dog[2])
    for wrong, message in [
        (("gabor", 4, 1, 5, "both"), "polarity='both'"),
        (("gabor", 3, 2, 5, "separate"), "multiple"),
        (("dog", 3, 1, 5), "pairs"),
        (("sobel", 4, 1, 5), "filters='sobel'"),
    ]:
        with pytest.raises(ValueError, match=message):
            fixed_filters(*wrong)


def test_presets():
    model = SpikeSEG.from_paper("igarss2023", n_classes=3)
    encoder = model.encoder
    assert encoder.conv1.weight.shape == (4, 1, 5, 5)
    assert encoder.conv2.weight.shape == (36, 4, 5, 5)
    assert encoder.conv3.weight.shape == (3, 36, 7, 7)
    assert torch.equal(encoder.conv1.weight, fixed_filters("gabor", 4, 1, 5))
    assert encoder.conv2.weight.mean() == pytest.approx(0.8, abs=0.002)
    assert [layer.leak for layer in model.layers] == [0.09, 0.01, 0.0]
    assert [round(float(layer.thresholds[0]), 6) for layer in model.layers] == [0.1] * 3
    assert not model.learns_conv1
    model = SpikeSEG.from_paper("kheradpisheh2018", n_classes=2, channels=(30, 20))
    assert model.learns_conv1
    assert model.encoder.conv1.weight.shape == (30, 2, 5, 5)
    assert model.encoder.conv3.weight.shape == (2, 20, 17, 17)
    assert [layer.leak for layer in model.layers] == [0.0] * 3
    with pytest.raises(ValueError, match="'igarss' is not one of"):
        SpikeSEG.from_paper("igarss")


def test_the_weights_and_thresholds_are_saved():
    model, other = network(0), network(1)
    model.encoder.conv2.thresholds[1] = 5.0
    x = scene(8)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x)[0], model(x)[0])
    assert not list(model.parameters())  # nothing here has a gradient


def test_wrong_input_is_named():
    model = network()
    with pytest.raises(ValueError, match=r"C=2.*"):
        model.encode(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"\[T>=1, B, C, H, W\]; got shape \(2, 2, 8, 8\)"):
        model(torch.zeros(2, 2, 8, 8))
    model.encode(torch.zeros(1, 2, 8, 8))
    with pytest.raises(ValueError, match="reset_state"):
        model.encode(torch.zeros(1, 2, 8, 9))
    with pytest.raises(ValueError, match="nothing has been shown"):
        network().saliency()
    with pytest.raises(ValueError, match=r"leaks=\(1.0, 2.0\) must be 3"):
        SpikeSEG(leaks=(1.0, 2.0))
    model.reset_state()
    with pytest.raises(ValueError, match="leaves nothing"):
        model.encode(torch.zeros(1, 2, 2, 2))
    _, state = model(scene(9))
    with pytest.raises(ValueError, match=r"T=6"):
        decode(model.layers, state.records, torch.zeros(5, 2, 2, 3, 3))


def test_the_programmatic_example_of_the_guide_learns():
    """Conv2 meets one small pattern at random places, among noise, step by step."""
    g = generator(0)
    model = SpikeSEG.from_paper("igarss2023", n_classes=1, channels=(4, 6), generator=g)
    learner = STDPLearner(STDPConfig.from_paper("igarss2023"))
    config = WTAConfig.from_paper("igarss2023")
    wta = WTAInhibition(config, n_channels=6, spatial_shape=(16, 16))
    conv2 = model.encoder.conv2
    before = learner.convergence(conv2.weight)
    for _ in range(150):
        events = torch.zeros(4, 1, 1, 32, 32)
        y, x = torch.randint(6, 24, (2,), generator=g).tolist()
        for t in range(4):
            events[t, 0, 0, y : y + 4, x + t] = 1.0
        model.reset_state()
        wta.new_stimulus()
        conv2.thresholds.copy_(wta.thresholds)
        for t in range(4):
            output = model.encode(events[t])
            _, winner_mask = wta(output.layer_spikes["conv2"], output.layer_membranes["conv2"])
            for _, m, y_, x_ in winner_mask.nonzero().tolist():
                learner.update_weights_for_winner(
                    conv2.weight,
                    pre_spike_times=output.layer_spike_times["pool1"],
                    post_spike_time=t,
                    winner_y=y_,
                    winner_x=x_,
                    kernel_size=5,
                    winner_map=m,
                )
    assert wta.wins.sum() >= 150
    assert before == pytest.approx(0.16, abs=0.001)
    assert learner.convergence(conv2.weight) < 0.5 * before
    assert conv2.weight.min() >= 0
    assert conv2.weight.max() <= 1


def test_never_is_later_than_any_step():
    assert NEVER == 2**31 - 1
    output = tiny().encode(torch.zeros(1, 1, 8, 8))
    assert set(output.layer_spike_times) == set(LAYERS)
    assert all((times == NEVER).all() for times in output.layer_spike_times.values())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_network_runs_on_a_gpu():
    x = scene(10)
    model = network(once=False)
    spikes, state = model(x)
    on_gpu = network(once=False).cuda()
    spikes_gpu, state_gpu = on_gpu(x.cuda())
    assert torch.equal(spikes_gpu.cpu(), spikes)
    torch.testing.assert_close(on_gpu.saliency(state_gpu).cpu(), model.saliency(state))
