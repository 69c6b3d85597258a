"""SHD's files, words as events, random changes of them, and the generated words."""

import gzip
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from jarvis import datasets
from jarvis.datasets.augmentation import Augmentation, blended
from jarvis.datasets.generated_words import generate_words
from jarvis.datasets.spoken_digits import CHANNELS, VAL_SPEAKERS, SpokenDigits, Words
from jarvis.encoding.events import Events
from jarvis.support.downloads import CorruptDataError, MissingDataError

KEYS = [f"word {k}".encode() for k in range(20)]
SPEAKERS = np.array([0, VAL_SPEAKERS[0], 3, VAL_SPEAKERS[1], 11, 0])
LABELS = np.array([3, 19, 0, 7, 7, 3])


def spike_lists(n: int = 6, seed: int = 0) -> tuple[list, list]:
    random = np.random.default_rng(seed)
    sizes = random.integers(3, 9, n)
    times = [np.sort(random.uniform(0, 1.3, size)).astype(np.float16) for size in sizes]
    return times, [random.integers(0, CHANNELS, size).astype(np.uint16) for size in sizes]


def write_shd(path, *, rebuilt=False, drop=(), **other) -> tuple[list, list]:
    """A file of SHD's schema, as published; `other` replaces a part, `drop` leaves parts out."""
    times, units = spike_lists()
    times, units = other.pop("times", times), other.pop("units", units)
    parts = {"labels": LABELS, "extra/speaker": SPEAKERS, "extra/keys": np.array(KEYS)}
    parts |= {"extra/trial": np.arange(6), "extra/file": np.array(KEYS[:6])} if rebuilt else {}
    parts |= other
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, lists, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            kind = h5py.vlen_dtype(np.dtype(kind))
            if f"spikes/{name}" not in drop:
                part = file.create_dataset(f"spikes/{name}", (len(lists),), dtype=kind)
                for k, values in enumerate(lists):
                    part[k] = values
        for name, values in parts.items():
            if name not in drop:
                file[name] = values
    return times, units


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A data folder and a cache of this test's own."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    monkeypatch.setenv("JARVIS_DATA", str(data))
    monkeypatch.setenv("JARVIS_CACHE", str(cache))
    return data, cache


def test_words_are_what_the_file_says(places):
    times, units = write_shd(places[0] / "SHD/shd_train.h5")
    words = datasets.shd("train+val")
    assert len(words) == 6
    assert words.targets.tolist() == LABELS.tolist()
    assert words.speakers.tolist() == SPEAKERS.tolist()
    assert words.names[19] == "word 19"
    for k, (t, u) in enumerate(zip(times, units, strict=True)):
        events, label = words[k]
        assert len(events) == 1
        np.testing.assert_array_equal(events.times, t.astype(np.float32) * np.float32(1000))
        assert events.units.tolist() == u.tolist()
        assert int(label) == LABELS[k]
    assert words.counts.tolist() == [len(t) for t in times]
    assert words.events.counts.tolist() == words.counts.tolist()


def test_a_batch_is_its_words_in_the_order_asked_for(places):
    write_shd(places[0] / "SHD/shd_train.h5")
    words = datasets.shd("train+val")
    for index in ([4, 0, 4], slice(1, 5, 2), torch.tensor([5, 2]), -1):
        events, labels = words[index]
        singly = [words[int(k)] for k in torch.arange(6)[index].reshape(-1)]
        whole = Events.concatenate([e for e, _ in singly])
        assert torch.equal(events.times, whole.times)
        assert torch.equal(events.units, whole.units)
        assert torch.equal(events.offsets, whole.offsets)
        assert labels.reshape(-1).tolist() == [int(label) for _, label in singly]
    assert len(words[[]][0]) == 0
    with pytest.raises(IndexError):
        words[6]


@pytest.mark.parametrize(("dt", "n_steps"), [(0.5, 2800), (1.0, 700), (3.3, 100)])
def test_the_grid_is_that_of_events(places, dt, n_steps):
    write_shd(places[0] / "SHD/shd_train.h5")
    words = datasets.shd("train+val")
    expected = words.events.on_grid(dt, n_steps)
    events, _ = words.on_grid(dt, n_steps)[:]
    assert events.n_steps == n_steps
    for name in ("times", "units", "offsets"):
        assert torch.equal(getattr(events, name), getattr(expected, name)), name
    assert len(events.times) < len(words.events.times) or n_steps * dt > 1300


def test_splits_hold_speakers_out(places):
    write_shd(places[0] / "SHD/shd_train.h5")
    write_shd(places[0] / "SHD/shd_test.h5", rebuilt=True)
    train, val = datasets.shd("train"), datasets.shd("val")
    assert train.speakers.tolist() == [0, 3, 11, 0]
    assert val.speakers.tolist() == list(VAL_SPEAKERS)
    assert val.targets.tolist() == [19, 7]
    assert val[1][0].counts.tolist() == [datasets.shd("train+val").counts[3]]
    assert "without speakers 6 and 7" in train.source
    assert train.source.startswith("SHD, 6 of the 8156 published training words")
    assert datasets.shd("test").source == "SHD, rebuilt from the recordings, test part"
    with pytest.raises(ValueError, match="split='valid' is not one of train, val"):
        datasets.shd("valid")


def test_subsets_share_the_events(places):
    write_shd(places[0] / "SHD/shd_train.h5")
    whole = datasets.shd("train+val").on_grid(1.0, 1400)
    part = whole.by_speaker([3, 11]).subset(1)
    assert part.words is whole.words
    assert (part.targets.tolist(), part.grid) == ([0], whole.grid)
    assert "1 words, 700 channels, 1400 steps of 1 ms" in repr(part)


def test_a_packed_file_is_unpacked_into_the_cache_once(places):
    data, cache = places
    write_shd(data / "plain.h5")
    packed = data / "SHD/shd_train.h5.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress((data / "plain.h5").read_bytes()))
    first = datasets.shd("train+val")
    (unpacked,) = (path for path in cache.rglob("*") if path.is_file())
    assert sorted(path.name for path in packed.parent.iterdir()) == ["shd_train.h5.gz"]
    before = unpacked.stat().st_mtime_ns
    assert torch.equal(datasets.shd("train+val").events.times, first.events.times)
    assert unpacked.stat().st_mtime_ns == before
    # another set takes its place: what was unpacked from the former one is not used for it
    write_shd(data / "other.h5", rebuilt=True)
    packed.write_bytes(gzip.compress((data / "other.h5").read_bytes()))
    assert "rebuilt" in datasets.shd("train+val").source


def test_an_unpacked_file_comes_before_a_packed_one(places):
    write_shd(places[0] / "SHD/shd_test.h5")
    (places[0] / "SHD/shd_test.h5.gz").write_bytes(b"not looked at")
    assert len(datasets.shd("test")) == 6


def test_missing_is_one_line_that_says_what_to_do(places, monkeypatch):
    with pytest.raises(MissingDataError) as error:
        datasets.shd("test", download=False)
    text = str(error.value)
    assert "\n" not in text
    assert str(places[0] / "SHD/shd_test.h5") in text
    assert "shd_like" in text
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(MissingDataError, match="pip install"):
        datasets.shd("test")


def test_it_is_fetched_by_tonic_whole_or_not_at_all(places, monkeypatch):
    from pathlib import Path

    def fetch(save_to, train):
        path = Path(save_to) / "SHD" / f"shd_{'train' if train else 'test'}.h5"
        write_shd(path)
        if broken:
            raise OSError("the line was cut")

    tonic = SimpleNamespace(datasets=SimpleNamespace(SHD=fetch))
    monkeypatch.setitem(sys.modules, "tonic", tonic)
    broken = True
    with pytest.raises(MissingDataError, match="the line was cut"):
        datasets.shd("test")
    assert not [path for path in places[1].rglob("*") if path.is_file()]
    broken = False
    assert len(datasets.shd("test")) == 6
    assert (places[1] / "SHD/shd_test.h5").is_file()


DAMAGE = {
    "has no labels": {"drop": ["labels"]},
    "has no spikes/units": {"drop": ["spikes/units"]},
    "has no extra/speaker": {"drop": ["extra/speaker"]},
    "3 keys, not 20": {"extra/keys": np.array(KEYS[:3])},
    "labels from 0 to 20": {"labels": np.array([0, 1, 2, 3, 4, 20])},
    "6 words, but 5 labels": {"labels": LABELS[:5]},
    "6 words, but 4 speaker": {"extra/speaker": SPEAKERS[:4]},
    "different numbers of times and units": {"times": [np.zeros(2, np.float16)] * 6},
    "channel 700 is not below 700": {"units": [u | 700 for u in spike_lists()[1]]},
    "a spike at -": {"times": [-t for t in spike_lists()[0]]},
    "a spike at nan": {"times": [t * np.float16(np.nan) for t in spike_lists()[0]]},
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named_with_its_file(places, what):
    if what.startswith("channel"):
        units = [np.full_like(u, 700) for u in spike_lists()[1]]
        write_shd(places[0] / "SHD/shd_train.h5", units=units)
    else:
        write_shd(places[0] / "SHD/shd_train.h5", **DAMAGE[what])
    with pytest.raises(CorruptDataError, match=what) as error:
        datasets.shd("train")
    assert "shd_train.h5" in str(error.value)
    assert "download it again" in str(error.value)


def test_times_that_are_no_lists_are_not_the_schema(places):
    path = places[0] / "SHD/shd_train.h5"
    write_shd(path, drop=["spikes/times"])
    with h5py.File(path, "a") as file:
        file["spikes/times"] = np.zeros((6, 4), np.float16)
    with pytest.raises(CorruptDataError, match="spikes/times is float16"):
        datasets.shd("train")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("keep", [0, 30, 2000])
def test_a_truncated_file_is_named(places, packed, keep):
    path = places[0] / "SHD/shd_train.h5"
    write_shd(path)
    if packed:
        content = gzip.compress(path.read_bytes())
        path.unlink()
        path = path.with_name("shd_train.h5.gz")
    else:
        content = path.read_bytes()
    path.write_bytes(content[: min(keep, len(content) - 10)])
    with pytest.raises(CorruptDataError, match="truncated or damaged") as error:
        datasets.shd("train")
    assert path.name in str(error.value)
    assert not [path for path in places[1].rglob("*") if path.is_file()]


def test_without_a_check_events_are_taken_as_they_are(places):
    times, _ = spike_lists()
    write_shd(places[0] / "SHD/shd_test.h5", times=[t[::-1] for t in times])
    assert datasets.shd("test", check=False).words.times[0] == times[0][-1]
    events, _ = datasets.shd("test")[2]
    np.testing.assert_allclose(events.times, times[2].astype(np.float32) * 1000)


def test_lengths_that_do_not_fit_are_an_error():
    words = Words(np.zeros(0, np.float16), np.zeros(0, np.uint16), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="2 words, but 1 targets and 2 speakers"):
        SpokenDigits(words, torch.zeros(1), torch.zeros(2), ["a"], "none")


# -- files that are damaged, or in other types and units -------------------------------------------


def in_type(kind, scale: float = 1.0) -> list:
    return [(t.astype(np.float64) * scale).astype(kind) for t in spike_lists()[0]]


def write_lists(path, name: str, lists: list, kind) -> None:
    """Replace the times or units of a file by lists of another type."""
    with h5py.File(path, "a") as file:
        del file[f"spikes/{name}"]
        part = file.create_dataset(
            f"spikes/{name}", (len(lists),), dtype=h5py.vlen_dtype(np.dtype(kind))
        )
        for k, values in enumerate(lists):
            part[k] = values


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_times_keep_their_digits(places, kind):
    path = places[0] / "SHD/shd_train.h5"
    write_shd(path)
    exact = [np.sort(np.random.default_rng(k).uniform(0, 1.3, len(t))).astype(kind)
             for k, t in enumerate(spike_lists()[0])]  # fmt: skip
    write_lists(path, "times", exact, kind)
    words = datasets.shd("train+val")
    wanted = np.concatenate(exact).astype(np.float32) * np.float32(1000)
    np.testing.assert_array_equal(words.events.times, wanted)
    for dt, n_steps in ((0.5, 2800), (1.0, 700)):
        events, _ = words.on_grid(dt, n_steps)[:]
        expected = words.events.on_grid(dt, n_steps)
        assert torch.equal(events.times, expected.times)
        assert torch.equal(events.offsets, expected.offsets)


@pytest.mark.parametrize(
    ("kind", "scale"), [(np.float16, 1000), (np.float32, 1000), (np.int64, 1e6)]
)
def test_times_in_another_unit_are_not_seconds(places, kind, scale):
    path = places[0] / "SHD/shd_train.h5"
    write_shd(path)
    write_lists(path, "times", in_type(kind, scale), kind)
    with pytest.raises(CorruptDataError, match=r"times are in s, but these seem to be in ms"):
        datasets.shd("train")


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [(np.int64, 65_536 + 3, "65539"), (np.int32, -1, "-1"), (np.float32, np.nan, "nan"),
     (np.float32, 0.5, "0.5"), (np.uint32, 700, "700")],
)  # fmt: skip
def test_channels_are_checked_before_they_are_cast(places, kind, value, found):
    path = places[0] / "SHD/shd_train.h5"
    write_shd(path)
    units = [u.astype(kind) for u in spike_lists()[1]]
    write_lists(path, "units", units, kind)
    assert datasets.shd("train+val").events.units.tolist() == np.concatenate(units).tolist()
    units[2][1] = value
    write_lists(path, "units", units, kind)
    with pytest.raises(CorruptDataError, match=f"channel {found} is not below 700"):
        datasets.shd("train", check=False)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("labels", np.int64(3), r"labels is of shape \(\), not a list"),
        ("labels", np.zeros((6, 2), int), r"labels is of shape \(6, 2\), not a list"),
        ("labels", np.array([b"a"] * 6), r"labels is \|S1, not integers"),
        ("labels", np.zeros(6), "labels is float64, not integers"),
        ("labels", np.zeros(6, np.dtype([("a", "i4")])), "labels is .*, not integers"),
        ("labels", np.array([0, 1, 2, 3, 4, 2**62]), "labels from 0 to 4611686018427387904"),
        ("labels", None, "labels is a group"),
        ("extra/speaker", np.full(6, np.nan), "extra/speaker is float64, not integers"),
        ("extra/speaker", np.array([0, 1, 2, 3, 4, -1]), "speakers from -1 to 4"),
        ("extra/keys", np.arange(20), "extra/keys is int64, not text"),
        ("spikes/times", np.array([b"a"] * 6), r"spikes/times is \|S1, not lists"),
        ("spikes/units", None, "spikes/units is a group"),
    ],
)
def test_parts_of_other_types_are_named(places, name, value, message):
    path = places[0] / "SHD/shd_train.h5"
    write_shd(path)
    with h5py.File(path, "a") as file:
        del file[name]
        if value is None:
            file.create_group(name)
        else:
            file[name] = value
    with pytest.raises(CorruptDataError, match=message) as error:
        datasets.shd("train")
    assert "\n" not in str(error.value)
    assert "shd_train.h5" in str(error.value)


@pytest.mark.parametrize("name", ["labels", "spikes/times", "extra/speaker"])
def test_sizes_that_no_memory_holds_are_named(places, name):
    path = places[0] / "SHD/shd_train.h5"
    write_shd(path)
    with h5py.File(path, "a") as file:
        kind = file[name].dtype
        del file[name]
        file.create_dataset(name, (2**40,), dtype=kind, chunks=(1024,))
    with pytest.raises(CorruptDataError, match=rf"{name} has the shape \(1099511627776,\)"):
        datasets.shd("train")


@pytest.mark.parametrize("size", [None, 1 << 24])
def test_what_unpacks_to_more_than_it_says_is_refused(places, size, monkeypatch):
    """Two members in a row: the length at the end is that of the last one."""
    monkeypatch.setattr("jarvis.datasets.shd_files.LARGEST", 1 << 22)
    write_shd(places[0] / "plain.h5")
    packed = places[0] / "SHD/shd_train.h5.gz"
    packed.parent.mkdir()
    last = (places[0] / "plain.h5").read_bytes()
    bomb = gzip.compress(bytes(1 << 24))
    packed.write_bytes(bomb + gzip.compress(last) if size is None else bomb)
    with pytest.raises(CorruptDataError, match="bytes that are plausible"):
        datasets.shd("train")
    assert not [path for path in places[1].rglob("*") if path.is_file()]


def test_words_are_collated():
    words = datasets.shd_like("train", n=20).on_grid(1.0, 500)
    loader = torch.utils.data.DataLoader(words, batch_size=5, collate_fn=words.collate)
    events, labels = next(iter(loader))
    expected, targets = words[:5]
    assert torch.equal(events.times, expected.times)
    assert torch.equal(events.offsets, expected.offsets)
    assert torch.equal(labels, targets)


# ---------------------------------------------------------------- random changes


def some(n: int = 40, seed: int = 0) -> Events:
    words = datasets.shd_like("train+val", n=n)
    return words.events


def test_shifts_move_a_word_as_a_whole(generator):
    events = some()
    n = len(events)
    moved = Augmentation(channels=40, delay=30.0)(events, generator)
    by = []
    for k in range(n):
        before, after = events[k], moved[k]
        shift = set()
        # the events that are left are the word's own, moved by one number
        for offset in range(-40, 41):
            units = before.units + offset
            inside = (units >= 0) & (units < CHANNELS)
            if torch.equal(units[inside], after.units):
                later = after.times - before.times[inside]
                shift.add(offset)
                assert (later - later[0]).abs().max() < 1e-3
                assert 0 <= later[0] <= 30
        assert len(shift) == 1
        by += shift
    assert min(by) < -20
    assert max(by) > 20
    assert len(moved.times) < len(events.times)


def test_stretch_and_drop_stay_within_their_ranges(generator):
    events = some()
    slow = Augmentation(stretch=0.2)(events, generator)
    last = torch.stack([slow[k].times[-1] / events[k].times[-1] for k in range(len(events))])
    assert 0.8 <= last.min() < 0.87
    assert 1.13 < last.max() <= 1.2
    fewer = Augmentation(drop=0.3)(events, generator).counts / events.counts
    assert 0.6 < fewer.min() < 0.8
    assert fewer.max() > 0.95


def test_jitter_moves_each_event_for_itself_and_keeps_their_order(generator):
    events = some()
    by = Augmentation(channel_jitter=3.0)(events, generator).units[:2000].double()
    assert by.sub(events.units[:2000]).std().item() == pytest.approx(3.0, rel=0.2)
    late = Augmentation(time_jitter=5.0)(events, generator)
    assert torch.equal(late.counts, events.counts)
    assert late.times.min() >= 0
    for k in range(len(events)):
        assert (late[k].times.diff() >= 0).all()
        # the same units, each at another time
        assert torch.equal(late[k].units.sort()[0], events[k].units.sort()[0])
    # a channel's first event, where it has but one, says by how much it moved
    moved = []
    for k in range(len(events)):
        units, n = events[k].units.unique(return_counts=True)
        for unit in units[n == 1]:
            pair = (batch[k].times[batch[k].units == unit] for batch in (late, events))
            moved.append(float(next(pair) - next(pair)))
    assert len(moved) > 100
    assert np.std(moved) == pytest.approx(5.0, rel=0.2)


def test_a_warp_spreads_the_channels_of_a_word_about_the_middle(generator):
    events = Events(
        torch.arange(3.0).repeat(40), torch.tensor([350, 450, 200]).int().repeat(40),
        torch.arange(0, 121, 3), (700,),
    )  # fmt: skip
    warped = Augmentation(warp=0.3)(events, generator).units.view(40, 3).double() - 350
    factor = warped[:, 1] / 100
    assert 0.7 <= factor.min() < 0.8
    assert 1.2 < factor.max() <= 1.3
    assert (warped[:, 0] == 0).all()
    assert (warped[:, 2] + 150 * factor).abs().max() <= 1.5
    edge = Events(torch.zeros(50), torch.full((50,), 699).int(), torch.arange(51), (700,))
    assert 0 < len(Augmentation(warp=0.3)(edge, generator).units) < 50  # some leave the range


def test_masks_silence_one_band_and_one_span(generator):
    events = some()
    for option, values, longest in (("channel_mask", "units", 100.0), ("time_mask", "times", 80.0)):
        masked = Augmentation(**{option: longest})(events, generator)
        spans = []
        for k in range(len(events)):
            before, after = getattr(events[k], values).double(), getattr(masked[k], values).double()
            lost = before[~torch.isin(before, after)]
            if len(lost):
                spans.append(float(lost.max() - lost.min()))
                assert not ((after > lost.min()) & (after < lost.max())).any()
        assert len(spans) > len(events) // 2
        assert max(spans) <= longest


def test_changes_are_drawn_from_the_generator():
    events, change = some(), Augmentation(5, 10.0, 0.1, 0.1)
    a, b, c = (change(events, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(a.times, b.times)
    assert torch.equal(a.units, b.units)
    assert not torch.equal(a.counts, c.counts)
    assert not Augmentation()
    assert change


def test_a_blend_takes_half_of_either_and_keeps_the_centre(generator):
    events, others = some(400)[:200], some(400)[200:]
    chosen = torch.arange(200) % 2 == 0
    mixed = blended(events, others, chosen, generator)
    for k in range(1, 200, 2):
        assert torch.equal(mixed[k].times, events[k].times)
    half = (events.counts + others.counts) / 2
    assert (mixed.counts / half)[chosen].mean().item() == pytest.approx(1.0, abs=0.02)

    def centre(batch, values, k):
        return values[batch.offsets[k] : batch.offsets[k + 1]].double().mean().item()

    for values in ("times", "units"):
        off = [
            centre(mixed, getattr(mixed, values), k) - centre(events, getattr(events, values), k)
            for k in range(0, 200, 2)
        ]
        assert abs(np.mean(off)) < 2.0  # ms, channels


def test_a_training_batch_is_blended_within_its_class(generator):
    words = datasets.shd_like("train", n=200).on_grid(1.0, 600)
    index = torch.tensor([0, 5, 9])
    plain, labels = words.batch(index)
    assert torch.equal(plain.times, words[index][0].times)
    seen = []
    words._partners = lambda index, g: seen.append(own(index, g)) or seen[-1]  # type: ignore[method-assign]
    own = SpokenDigits._partners.__get__(words)
    events, same = words.batch(index, Augmentation(blend=1.0), generator)
    assert torch.equal(labels, same)
    assert torch.equal(words.targets[seen[0]], labels)
    assert events.n_steps == 600
    assert not torch.equal(events.counts, plain.counts)


def test_bad_changes_are_named():
    for name, value in (
        ("channels", -1), ("channels", 1.5), ("delay", -1.0), ("delay", float("inf")),
        ("stretch", 1.0), ("drop", -0.1), ("blend", 1.1), ("channel_jitter", -1.0),
        ("time_jitter", float("nan")), ("channel_mask", -2.0), ("time_mask", -0.5),
        ("warp", 1.0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name}={value}"):
            Augmentation(**{name: value})
    with pytest.raises(ValueError, match="in ms"):
        Augmentation(channels=1)(some(3).on_grid(1.0))


# ---------------------------------------------------------------- generated words


def test_generated_words_are_of_shds_form():
    splits = {
        name: datasets.shd_like(name, n=300) for name in ("train", "val", "train+val", "test")
    }
    assert len(splits["train"]) + len(splits["val"]) == len(splits["train+val"]) == 300
    assert set(splits["val"].speakers.tolist()) == set(VAL_SPEAKERS)
    assert set(splits["test"].speakers.tolist()) == {4, 5}
    assert not {4, 5} & set(splits["train+val"].speakers.tolist())
    assert set(splits["train+val"].targets.tolist()) == set(range(20))
    for words in splits.values():
        assert words.source.startswith("generated")
        assert words.words.find_fault() is None
        assert words.words.sorted() is words.words
    assert generate_words("train", 2, 100).counts.float().mean() == pytest.approx(100, rel=0.3)
    assert torch.equal(
        splits["train+val"].events.times, datasets.shd_like("train+val", n=300).events.times
    )
    with pytest.raises(ValueError, match="n=0"):
        generate_words("train", 0)


def test_only_time_tells_the_classes_apart():
    from sklearn.linear_model import RidgeClassifier

    def features(words: SpokenDigits, bins: int) -> np.ndarray:
        out = np.zeros((len(words), 35, bins))
        for k in range(len(words)):
            events, _ = words[k]
            when = np.minimum(events.times.numpy() / events.times.max().item() * bins, bins - 1)
            np.add.at(out[k], (events.units.numpy() // 20, when.astype(int)), 1)
        return np.sqrt(out.reshape(len(words), -1))

    train, test = datasets.shd_like("train+val", n=800), datasets.shd_like("test", n=300)
    scores = {}
    for bins in (1, 8):
        model = RidgeClassifier(10.0).fit(features(train, bins), train.targets)
        scores[bins] = model.score(features(test, bins), test.targets)
    assert scores[1] < 0.12  # chance is 0.05
    assert scores[8] > 0.6


# ---------------------------------------------------------------- the real ones


@pytest.mark.data("SHD")
def test_the_test_part_at_hand():
    words = datasets.shd("test", download=False)
    assert words.names[:2] == ("zero", "one")
    assert words.names[10] == "null"
    assert set(words.targets.tolist()) == set(range(20))
    assert words.speakers.unique().numel() == 12
    new = ((words.speakers == 4) | (words.speakers == 5)).float().mean()
    assert new > 0.6  # speakers whom no other split has
    assert 5000 < words.counts.double().mean() < 10_000
    assert 600 < words[:50][0].times.max() < 1400
    assert words.source in (
        "SHD, rebuilt from the recordings, test part", "SHD, as published, test part",
    )  # fmt: skip
    steps, _ = words.on_grid(0.5, 2800)[[0, 7]]
    same = words[[0, 7]][0].on_grid(0.5, 2800)
    assert torch.equal(steps.times, same.times)
