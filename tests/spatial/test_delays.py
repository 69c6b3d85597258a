"""Every form of delays: values worked out by hand, gradients, counts, limits, bad names."""

import math

import pytest
import torch
from torch.func import functional_call

from jarvis.spatial import make_delays
from jarvis.spatial.delays import (
    FORMS,
    euclidean_delays,
    grid_points,
    limited_delays,
    manhattan_delays,
    starting_points,
)

F64 = torch.float64
RECURRENT = ((0, 1), (1, 1))


def test_distances_by_hand():
    pre = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=F64)
    post = torch.tensor([[0.0, 0.0], [3.0, 0.0], [-1.0, 2.0]], dtype=F64)
    squares = torch.tensor([[0.0, 9.0, 5.0], [25.0, 16.0, 20.0]], dtype=F64)
    torch.testing.assert_close(euclidean_delays(pre, post), (0.01 + squares).sqrt())
    # Differences of opposite sign do not cancel: (-1, 2) is 3 away, not 1.
    apart = torch.tensor([[0.0, 3.0, 3.0], [7.0, 4.0, 6.0]], dtype=F64)
    torch.testing.assert_close(manhattan_delays(pre, post), apart)


def test_short_distances_far_from_the_origin_keep_their_digits():
    pre = torch.tensor([[1000.0, 0.0, 0.0]])
    post = pre + torch.tensor([[0.25, 0.0, 0.0]])
    expected = torch.tensor([[math.sqrt(0.01 + 0.0625)]])
    torch.testing.assert_close(euclidean_delays(pre, post), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("n", "n_dims", "side"), [(27, 3, 3), (28, 3, 4), (300, 2, 18), (5, 1, 5)])
def test_grid_has_the_side_of_its_own_dimension(n, n_dims, side):
    points = grid_points(n, n_dims)
    assert points.shape == (n, n_dims)
    assert len(torch.unique(points, dim=0)) == n
    assert points.max() == side - 1
    assert (points == points.round()).all()
    assert points.min() == 0


@pytest.mark.parametrize("n", [10, 50, 300])
@pytest.mark.parametrize(
    ("net", "trained"),
    [
        ("0", lambda n: 0),
        ("inf", lambda n: n * (n - 1) + 700 * n),
        ("2", lambda n: 2 * (700 + n)),
        ("3", lambda n: 3 * (700 + n)),
        ("3e0.2", lambda n: 3 * (700 + n) + n * (n - 1) + 700 * n),
        ("2g0.2", lambda n: 1 + 2 + n * (n - 1) + 700 * n),
        ("2g0", lambda n: 1 + 2),
    ],
)
def test_counts(net, trained, n):
    delays = make_delays(net, (700, n), RECURRENT)
    assert delays.n_synapses == n * (n - 1) + 700 * n
    assert delays.n_parameters == trained(n)


def test_counts_of_the_paper():
    total = {
        net: delays.n_synapses + delays.n_parameters
        for net in ("inf", "3")
        for delays in [make_delays(net, (700, 300), RECURRENT)]
    }
    assert total == {"inf": 599_400, "3": 302_700}


@pytest.mark.parametrize("net", ["0", "inf", "2", "3e0.5", "2g0.5"])
def test_every_form_gives_one_matrix_a_connection(net):
    delays = make_delays(net, (5, 4), RECURRENT)
    first, second = delays()
    assert (first.shape, second.shape) == ((5, 4), (4, 4))
    assert (second.diagonal() == 0).all()
    assert min(first.min(), second.min()) >= 0
    feed_forward = make_delays(net, (4, 6, 3), ((0, 1), (1, 2)))
    assert [tuple(matrix.shape) for matrix in feed_forward()] == [(4, 6), (6, 3)]


def test_nothing_and_free():
    assert all((matrix == 0).all() for matrix in make_delays("0", (3, 2), RECURRENT)())
    assert make_delays("0", (3, 2), RECURRENT, shortest=0.5)()[0].unique().tolist() == [0.5]
    delays = make_delays("inf", (400, 200), RECURRENT)
    drawn = delays()[0].detach()
    assert drawn.mean().item() == pytest.approx(8, abs=0.02)
    assert drawn.std().item() == pytest.approx(1, abs=0.02)
    assert delays.positions is None


def test_positions_are_shared_by_both_matrices():
    delays = make_delays("3", (6, 4), RECURRENT, seed=1)
    inputs, hidden = delays.positions
    assert (inputs.shape, hidden.shape) == ((6, 3), (4, 3))
    before = [matrix.detach().clone() for matrix in delays()]
    with torch.no_grad():
        hidden[2] += 5.0
    after = delays()
    for old, new in zip(before, after, strict=True):
        moved = (old != new).any(0)
        assert moved[2]
    assert (before[0] != after[0]).any(0).tolist() == [False, False, True, False]
    expected = (0.01 + (inputs[1] - hidden[2]).square().sum()).sqrt()
    torch.testing.assert_close(after[0][1, 2], expected)


def test_positions_start_with_their_spread():
    delays = make_delays("2", (700, 300), RECURRENT, position_std=20.0)
    for position in delays.positions:
        assert position.std().item() == pytest.approx(20, rel=0.08)
    hidden = delays.positions[1]
    assert len(torch.unique(hidden, dim=0)) == 300  # the original put them all at one point


def test_layouts():
    inputs, hidden = make_delays("3", (5, 40), RECURRENT, layout="line", position_std=10).positions
    expected = torch.zeros(5, 3)
    expected[:, 0] = torch.tensor([-20.0, -10.0, 0.0, 10.0, 20.0])
    torch.testing.assert_close(inputs.detach(), expected)
    assert hidden.std() > 5
    inputs, hidden = make_delays("2", (8, 6), RECURRENT, layout="circle").positions
    torch.testing.assert_close(inputs.norm(dim=1), torch.full((8,), 40.0))
    torch.testing.assert_close(hidden.norm(dim=1), torch.full((6,), 20.0))
    torch.testing.assert_close(inputs.mean(0), torch.zeros(2), atol=1e-5, rtol=0)  # none twice


def test_stretch_lies_between_1_and_1_plus_eps():
    delays = make_delays("2e0.4", (3, 2), RECURRENT)
    distance = euclidean_delays(*delays.positions)
    for theta, factor in [(-40.0, 1.0), (0.0, 1.2), (40.0, 1.4)]:
        with torch.no_grad():
            delays.theta[0].fill_(theta)
        torch.testing.assert_close(delays()[0], factor * distance)
    assert (delays.theta[1] == 0).all()  # each synapse has its own


def test_grid_by_hand():
    delays = make_delays("2g0", (4, 3), RECURRENT, grid_scale=2.0)
    with torch.no_grad():
        delays.origin.copy_(torch.tensor([1.0, -10.0]))
    # hidden at (0, 0), (2, 0), (0, 2); inputs at (1, -10), (3, -10), (1, -8), (3, -8)
    by_hand = [[11.0, 11.0, 13.0], [13.0, 11.0, 15.0], [9.0, 9.0, 11.0], [11.0, 9.0, 13.0]]
    assert delays()[0].tolist() == by_hand
    assert delays()[1].tolist() == [[0.0, 2.0, 2.0], [2.0, 0.0, 4.0], [2.0, 4.0, 0.0]]
    assert delays.positions[0][3].tolist() == [3.0, -8.0]
    assert delays.positions[1][2].tolist() == [0.0, 2.0]


@pytest.mark.parametrize("net", ["inf", "1", "2", "3", "2e0.3", "3g0.3", "2g0"])
def test_gradients_by_finite_differences(net, generator):
    delays = make_delays(net, (5, 3), RECURRENT, position_std=3.0, shortest=0.05).double()
    names, values = zip(*delays.named_parameters(), strict=True)
    # Away from theta = 0 and from the grid's ties, where a Manhattan distance has a corner.
    start = [
        (p.detach() + 0.3 * torch.rand(p.shape, generator=generator, dtype=F64)).requires_grad_()
        for p in values
    ]

    def matrices(*given):
        state = dict(zip(names, given, strict=True))
        return tuple(functional_call(delays, state, ()))

    assert torch.autograd.gradcheck(matrices, start)


@pytest.mark.parametrize("net", ["inf", "2e0.3", "2g0.3"])
def test_the_diagonal_feels_nothing(net):
    delays = make_delays(net, (3, 4), RECURRENT)
    delays()[1].sum().backward()
    synaptic = delays.delays[1] if net == "inf" else delays.theta[1]
    assert (synaptic.grad.diagonal() == 0).all()
    assert (synaptic.grad[~torch.eye(4, dtype=torch.bool)] != 0).all()


def test_a_clamped_delay_can_come_back():
    x = torch.tensor([[-1.0, 2.0, 9.0]], requires_grad=True)
    limited = limited_delays(x, 0.5, 5.0, saturate=True)
    assert limited.tolist() == [[0.5, 2.0, 5.0]]
    limited.backward(torch.tensor([[1.0, 1.0, 1.0]]))
    assert x.grad.tolist() == [[0.0, 1.0, 1.0]]  # descent raises nothing, lowers 2 and 9
    x.grad = None
    limited_delays(x, 0.5, 5.0, saturate=True).backward(-torch.ones(1, 3))
    assert x.grad.tolist() == [[-1.0, -1.0, 0.0]]  # and back up from -1


def test_free_delays_learn_their_way_out_of_the_clamp():
    delays = make_delays("inf", (2, 2), ((0, 1),), delay_mean=-0.5, delay_std=0.1)
    assert (delays()[0] == 0).all()
    optimiser = torch.optim.SGD(delays.parameters(), lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        (delays()[0] - 2.0).square().sum().backward()
        optimiser.step()
    torch.testing.assert_close(delays()[0].detach(), torch.full((2, 2), 2.0))


def test_a_delay_beyond_the_longest_is_named():
    delays = make_delays("inf", (3, 2), RECURRENT, delay_std=0.0, longest=20.0)
    assert (delays()[0] == 8).all()
    with torch.no_grad():
        delays.delays[1].fill_diagonal_(99.0)  # no synapse is there
        delays()
        delays.delays[1][1, 0] = 20.5
    with pytest.raises(ValueError, match=r"longest=20 ms.*\[1, 0\].*connection 1 -> 1 is 20.5 ms"):
        delays()
    with torch.no_grad():
        delays.delays[1][1, 0] = math.nan
    with pytest.raises(ValueError, match="a delay is NaN"):
        delays()
    far = make_delays("2", (20, 20), RECURRENT, position_std=200.0, longest=50.0, saturate=True)
    assert far()[0].max() == 50.0


def test_fixed_inputs_stay():
    for net in ("2", "2e0.1", "2g0.1"):
        delays = make_delays(net, (3, 2), RECURRENT, fixed_inputs=True)
        free = make_delays(net, (3, 2), RECURRENT)
        assert free.n_parameters - delays.n_parameters == (2 if "g" in net else 6)
        sum(matrix.sum() for matrix in delays()).backward()
        still = delays.origin if "g" in net else delays.coordinates[0]
        assert still.grad is None
        assert any(p.grad is not None for p in delays.parameters())


def test_the_same_seed_gives_the_same_start():
    first, same, other = (make_delays("3", (4, 3), RECURRENT, seed=seed) for seed in (5, 5, 6))
    for a, b, c in zip(first(), same(), other(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(make_delays("3", (4, 3), RECURRENT, seed=generator)()[0], first()[0])
    assert not torch.equal(make_delays("3", (4, 3), RECURRENT, seed=generator)()[0], first()[0])


@pytest.mark.parametrize("net", ["inf", "2", "2e0.3", "2g0.3"])
def test_state_is_saved_and_restored(net):
    first, second = (make_delays(net, (4, 3), RECURRENT, seed=seed) for seed in (1, 2))
    with torch.no_grad():
        for p in first.parameters():
            p.add_(0.5)
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(first(), second(), strict=True))


@pytest.mark.parametrize(
    "net", ["", "-1", "1.5", "3x0.2", "3e", "3g-1", "e0.2", "three", "0e0.1", "03", "3e0.2g0.1"]
)
def test_bad_names_are_one_line_that_lists_the_forms(net):
    with pytest.raises(ValueError) as error:
        make_delays(net, (3, 2), RECURRENT)
    message = str(error.value)
    assert repr(net) in message
    assert FORMS in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (dict(net="3", layout="circle"), "2 dimensions"),
        (dict(net="3", layout="square"), "layout='square'"),
        (dict(net="inf", layout="line"), "layout='line' needs"),
        (dict(net="2g0.1", layout="line"), "layout='line' needs"),
        (dict(net="inf", fixed_inputs=True), "fixed_inputs"),
        (dict(net="2", shortest=-1.0), "shortest"),
        (dict(net="2", shortest=2.0, longest=1.0), "longest"),
        (dict(net="2", saturate=True), "saturate"),
        (dict(net="2", position_std=math.nan), "position_std"),
        (dict(net="2", sizes=(3, 0)), "sizes"),
        (dict(net="2", connections=((0, 2),)), r"connections: \(0, 2\)"),
    ],
)
def test_options_without_sense_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        make_delays(**{"sizes": (3, 2), "connections": RECURRENT, **options})


def test_starting_points_need_a_known_layout():
    with pytest.raises(ValueError, match="normal, line, circle"):
        starting_points(3, 2, "ring", 1.0, torch.Generator(), inputs=True)
