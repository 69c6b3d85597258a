import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from conftest import REAL_DATA
from jarvis import datasets
from jarvis.datasets.pictures import read_picture, share
from jarvis.support.downloads import CorruptDataError, MissingDataError

RAW = "MNIST/raw"
NAMES = [
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and no real data unless a test says so."""
    monkeypatch.setenv("JARVIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JARVIS_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", refuse)


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_toy_is_the_published_rule():
    parts = {split: datasets.toy(split) for split in datasets.SPLITS}
    assert [len(parts[s]) for s in ("train", "test", "val")] == [3276, 820, 512]
    rule = torch.linspace(-1, 1, 32)
    for part in parts.values():
        x, y = part[:]
        assert x.shape[1:] == (32,)
        assert 0 <= x.min() < 0.01
        assert 0.99 < x.max() < 1
        assert torch.equal(y, (x @ rule > 0).long())
        assert 0.4 < y.float().mean() < 0.6
    rows = torch.cat([p.inputs for p in parts.values()])
    assert len(rows.unique(dim=0)) == 4096 + 512


def test_splits_do_not_overlap_and_are_the_same_every_time():
    parts = [datasets.digits(s) for s in datasets.SPLITS]
    assert [len(p) for p in parts] == [1257, 180, 360]
    assert torch.equal(parts[0].inputs, datasets.digits("train").inputs)
    for part in parts:
        assert part.inputs.max() == 1
        assert set(part.targets.tolist()) == set(range(10))
    from sklearn.datasets import load_digits

    every = torch.cat([p.inputs for p in parts]).sum().item() * 16
    assert every == pytest.approx(load_digits().images.sum(), rel=1e-6)


def test_datasets_are_indexable_and_feed_a_dataloader():
    data = datasets.digits("test")
    x, y = data[3]
    assert x.shape == (1, 8, 8)
    assert y.dtype == torch.int64
    batch, labels = next(iter(DataLoader(data, batch_size=7)))
    assert batch.shape == (7, 1, 8, 8)
    assert torch.equal(labels, data.targets[:7])
    assert len(data.subset(5)) == 5


def test_uint8_pictures_are_scaled():
    data = datasets.ArrayDataset(torch.tensor([[0, 255]], dtype=torch.uint8), torch.zeros(1), 2, "")
    assert data[0][0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("load", [datasets.toy, datasets.digits, datasets.mnist])
def test_unknown_split(load):
    with pytest.raises(ValueError, match="validation"):
        load("validation")


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 inputs, but 2"):
        datasets.ArrayDataset(torch.zeros(3, 1), torch.zeros(2), 2, "")


def test_missing_data_is_one_line_that_says_what_to_do(cache, offline):
    for download in (True, False):
        with pytest.raises(MissingDataError) as error:
            datasets.mnist(download=download)
        text = str(error.value)
        assert "\n" not in text
        assert "MNIST/raw/train-images-idx3-ubyte.gz" in text
        assert "jarvis.datasets.pictures.digits()" in text
    assert files(cache) == []


def test_a_broken_download_leaves_nothing(cache, monkeypatch):
    def half(url, root, filename, md5):
        (Path(root) / filename).write_bytes(b"half a file")
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", half)
    with pytest.raises(MissingDataError, match="corrupted"):
        datasets.mnist()
    assert files(cache) == []


@pytest.fixture
def real(cache, monkeypatch) -> Path:
    """The real data folder, as $JARVIS_DATA for this test, beside an empty cache."""
    assert REAL_DATA is not None
    monkeypatch.setenv("JARVIS_DATA", REAL_DATA)
    return Path(REAL_DATA)


@pytest.mark.data("MNIST/raw")
def test_mnist(real, cache):
    parts = {s: datasets.mnist(s, download=False) for s in datasets.SPLITS}
    assert [len(parts[s]) for s in datasets.SPLITS] == [55000, 5000, 10000]
    x, y = parts["train"][:4]
    assert x.shape == (4, 1, 28, 28)
    assert x.max() == 1
    assert y.tolist() == [5, 0, 4, 1]  # the first labels of the published file
    assert torch.bincount(parts["test"].targets).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert files(cache) == sorted(NAMES)


@pytest.mark.data("MNIST/raw")
def test_a_users_own_download_is_read(real, cache, monkeypatch):
    folder = cache / RAW
    folder.mkdir(parents=True)
    for name in NAMES[2:]:
        shutil.copy(real / RAW / f"{name}.gz", folder)
    monkeypatch.delenv("JARVIS_DATA")
    assert len(datasets.mnist("test", download=False)) == 10000


@pytest.mark.data("MNIST/raw")
def test_truncated_files_are_named(real, cache, monkeypatch, offline):
    own = cache.parent / "data"
    (own / RAW).mkdir(parents=True)
    monkeypatch.setenv("JARVIS_DATA", str(own))
    for name in NAMES:
        whole = (real / RAW / f"{name}.gz").read_bytes()
        (own / RAW / f"{name}.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptDataError, match=r"train-images-idx3-ubyte\.gz is truncated"):
        datasets.mnist()
    assert files(cache) == []
    for name in NAMES:  # unpacked, as torchvision leaves them
        raw = gzip.decompress((real / RAW / f"{name}.gz").read_bytes())
        (own / RAW / f"{name}.gz").unlink()
        (own / RAW / name).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(CorruptDataError, match="train-images-idx3-ubyte is truncated"):
        datasets.mnist()


@pytest.mark.data("MNIST/raw")
def test_a_full_disk_while_unpacking_leaves_nothing(real, cache, monkeypatch):
    def full(src, dst):
        dst.write(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match=r"could not write .*No space left"):
        datasets.mnist(download=False)
    assert files(cache) == []


def picture(path: Path, value: int | tuple = 0, size: tuple[int, int] = (30, 20), mode="L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
    return path


@pytest.fixture
def classes(tmp_path) -> Path:
    for k, name in enumerate(("b", "a")):
        for i in range(30):
            picture(tmp_path / name / f"{i:03d}.png", 100 * k + i)
    return tmp_path


def test_a_folder_of_classes(classes):
    parts = {s: datasets.folder(classes, s, size=(8, 12)) for s in datasets.SPLITS}
    assert sum(len(p) for p in parts.values()) == 60
    assert len(parts["train"]) > len(parts["test"]) > 0
    assert parts["train"].shape == (1, 8, 12)
    assert parts["train"].n_classes == 2
    seen = torch.cat([p.inputs[:, 0, 4, 6] for p in parts.values()])
    labels = torch.cat([p.targets for p in parts.values()])
    # a is class 0 and has the values from 100 on: every picture is there once, with its label.
    assert sorted(zip(labels.tolist(), seen.tolist(), strict=True)) == [
        *[(0, 100 + i) for i in range(30)],
        *[(1, i) for i in range(30)],
    ]
    assert parts["val"][0][0].max() <= 1


def test_further_pictures_move_none(classes):
    before = datasets.folder(classes, "test", size=4).inputs[:, 0, 0, 0].tolist()
    for i in range(10):
        picture(classes / "a" / f"new{i}.png", 200 + i)
    after = datasets.folder(classes, "test", size=4).inputs[:, 0, 0, 0].tolist()
    assert [v for v in after if v < 200] == before


def test_shares_of_a_folder():
    split = [share(f"class/{i:05d}.jpg") for i in range(5000)]
    for name, fraction in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert abs(split.count(name) / 5000 - fraction) < 0.02


def test_a_flat_folder_has_no_labels(tmp_path):
    for i in range(30):
        picture(tmp_path / f"{i}.jpg", i)
    picture(tmp_path / "._hidden.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    data = datasets.folder(tmp_path, "train", size=16)
    assert data.shape == (1, 16, 16)
    assert set(data.targets.tolist()) == {-1}
    assert data.n_classes == 0
    assert sum(len(datasets.folder(tmp_path, s, size=4)) for s in datasets.SPLITS) == 30


def test_pictures_are_cut_in_the_middle_and_not_squeezed(tmp_path):
    wide = np.zeros((20, 60), dtype=np.uint8)
    wide[:, 20:40] = 255
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", 20, 20) == 255).all()
    whole = read_picture(tmp_path / "a.png", 20, 60)
    assert torch.equal(whole, torch.from_numpy(wide))


def test_colours_and_depths_become_the_same_grey(tmp_path):
    red = read_picture(picture(tmp_path / "a.png", (255, 0, 0), mode="RGB"), 4, 4)
    assert red.unique().tolist() == [76]  # 0.299 of 255
    deep = np.repeat(np.array([[0x0101], [0x8080], [0xFFFF]], dtype=np.uint16), 30, axis=1)
    Image.fromarray(deep).save(tmp_path / "b.png")
    assert read_picture(tmp_path / "b.png", 3, 30)[:, 9].tolist() == [1, 128, 255]
    Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32)).save(tmp_path / "c.tif")
    with pytest.raises(CorruptDataError, match=r"c\.tif.*floating-point"):
        read_picture(tmp_path / "c.tif", 4, 4)


@pytest.mark.parametrize("keep", [0, 20, 200])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_damaged_picture_is_named(tmp_path, kind, keep):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    for i in range(20):
        Image.fromarray(noise).save(tmp_path / f"{i}.{kind}")
    victim = next(i for i in range(20) if share(f"{i}.{kind}") == "train")
    path = tmp_path / f"{victim}.{kind}"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CorruptDataError, match=rf"/{victim}\.{kind} is truncated or damaged"):
        datasets.folder(tmp_path, size=8)


def test_a_folder_without_pictures_says_so(tmp_path):
    with pytest.raises(MissingDataError, match=r"nowhere is not a folder"):
        datasets.folder(tmp_path / "nowhere")
    with pytest.raises(MissingDataError, match="holds no pictures"):
        datasets.folder(tmp_path)
    with pytest.raises(TypeError, match="folder: path must be a path, not int"):
        datasets.folder(3)
    with pytest.raises(ValueError, match="folder: path is empty"):
        datasets.folder("")
    picture(tmp_path / "a" / "0.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(MissingDataError, match="/b holds no pictures"):
        datasets.folder(tmp_path)
    picture(tmp_path / "b" / "0.png")
    lone = [s for s in datasets.SPLITS if s not in (share("a/0.png"), share("b/0.png"))]
    with pytest.raises(MissingDataError, match=f"none of its 2 pictures fell into the {lone[0]}"):
        datasets.folder(tmp_path, lone[0])
    picture(tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"c\.png.* beside folders of pictures"):
        datasets.folder(tmp_path)
    with pytest.raises(ValueError, match="size=0"):
        datasets.folder(tmp_path, size=0)
    with pytest.raises(ValueError, match="validation"):
        datasets.folder(tmp_path, "validation")


# -- labels, transparency, and files that are not what they say ------------------------------------


def test_numbers_that_are_no_labels_are_refused():
    inputs = torch.rand(4, 2)
    with pytest.raises(ValueError, match=r"targets must be integers; got 0\.2: .*regression"):
        datasets.ArrayDataset(inputs, torch.tensor([0.2, 0.7, 1.9, -0.5]), 2, "")
    for bad in ([0, 1, 2, 0], [0, -2, 1, 0], [0, 1, float("nan"), 0]):
        with pytest.raises(ValueError, match="targets must"):
            datasets.ArrayDataset(inputs, torch.tensor(bad), 2, "")
    whole = datasets.ArrayDataset(inputs, torch.tensor([0.0, 1.0, 1.0, -1.0]), 2, "")
    assert whole.targets.tolist() == [0, 1, 1, -1]  # -1: no label
    assert whole.targets.dtype == torch.int64
    for given in (
        [0, 1, 1, 0],
        np.array([0, 1, 1, 0], np.uint8),
        torch.tensor([0, 1, 1, 0]).bool(),
    ):
        assert datasets.ArrayDataset(inputs, given, 2, "").targets.tolist() == [0, 1, 1, 0]
    with pytest.raises(TypeError, match="inputs must be a tensor"):
        datasets.ArrayDataset([[1.0]], torch.tensor([0]), 2, "")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, mode):
    """A black shape in the left half, on nothing."""
    pixels = np.zeros((8, 8, 2), dtype=np.uint8)
    pixels[:, :4, 1] = 255
    shape = Image.fromarray(pixels, "LA").convert("RGBA")
    path = tmp_path / "a.png"
    if mode == "P":
        palette = Image.fromarray(np.where(pixels[..., 1] > 0, 0, 1).astype(np.uint8), "P")
        palette.putpalette([0, 0, 0, 0, 0, 0])
        palette.save(path, transparency=1)
    else:
        shape.convert(mode).save(path)
    seen = read_picture(path, 8, 8)
    assert (seen[:, :4] == 0).all()
    assert (seen[:, 4:] == 255).all()


def test_half_transparent_is_half_white(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 51)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", 4, 4).unique().tolist() == [204]


def test_twelve_bits_in_sixteen_are_said_to_be_dark(tmp_path):
    deep = np.full((4, 4), 4095, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "camera.png")
    with pytest.warns(UserWarning, match=r"camera\.png.* no value above 4095 of 65535"):
        assert read_picture(tmp_path / "camera.png", 4, 4).unique().tolist() == [16]
    Image.fromarray(deep * 16).save(tmp_path / "scaled.png")
    assert read_picture(tmp_path / "scaled.png", 4, 4).unique().tolist() == [255]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(CorruptDataError, match=r"a\.png .*not a file"):
        read_picture(tmp_path / "a.png", 4, 4)


def idx(values: np.ndarray) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def put_mnist(folder: Path, images: bytes, labels: bytes) -> None:
    (folder / RAW).mkdir(parents=True, exist_ok=True)
    (folder / RAW / NAMES[2]).write_bytes(images)
    (folder / RAW / NAMES[3]).write_bytes(labels)


def test_a_part_of_mnist_is_not_called_complete(cache):
    pictures = np.arange(3 * 784).reshape(3, 28, 28)
    put_mnist(cache, idx(pictures), idx(np.array([7, 2, 9])))
    part = datasets.mnist("test", download=False)
    assert part.source == "MNIST, 3 pictures where 10000 are published"
    assert part.targets.tolist() == [7, 2, 9]
    assert torch.equal(part.inputs[:, 0], torch.from_numpy(pictures.astype(np.uint8)))
    with pytest.raises(MissingDataError, match="train-images"):
        datasets.mnist("train", download=False)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (dict(labels=idx(np.array([7, 255, 9]))), "a label of 255"),
        (dict(labels=idx(np.array([7, 2, 9]))[:-1]), "10 bytes, not the 11 of 3 entries"),
        (dict(labels=b""), "begins with"),
        (dict(labels=b"\0\0\x08\x01\xff\xff\xff\xff123"), "not the 4294967303 of 4294967295"),
        (dict(images=idx(np.zeros((3, 27, 28)))), r"the shape \(27, 28\)"),
        (dict(images=idx(np.zeros((3, 28, 28))) + b"0"), "2369 bytes, not the 2368"),
        (dict(images=b"\0\0\x0d\x03" + bytes(100)), "begins with 00000d03"),
    ],
)
def test_damaged_mnist_is_named(cache, damage, message):
    good = dict(images=idx(np.zeros((3, 28, 28))), labels=idx(np.array([7, 2, 9])))
    put_mnist(cache, **(good | damage))
    with pytest.raises(CorruptDataError, match=rf"ubyte is truncated or damaged \(.*{message}"):
        datasets.mnist("test", download=False)


@pytest.mark.data("MNIST/raw")
def test_one_changed_bit_of_the_published_files_is_found(real, cache, monkeypatch):
    own = cache.parent / "data"
    content = [gzip.decompress((real / RAW / f"{name}.gz").read_bytes()) for name in NAMES[2:]]
    monkeypatch.setenv("JARVIS_DATA", str(own))
    put_mnist(own, *content)
    assert datasets.mnist("test", download=False).source == "MNIST, complete, as published"
    for k in range(2):
        changed = [bytearray(part) for part in content]
        changed[k][5000] ^= 1
        put_mnist(own, *changed)
        with pytest.raises(CorruptDataError, match="MD5 sum is not"):
            datasets.mnist("test", download=False)
