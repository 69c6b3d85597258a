import json

import pytest

from jarvis.support.files import atomic_path, write_json


def test_replaces_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    with atomic_path(target) as part:
        part.write_text("first")

    def stopped_halfway():
        with atomic_path(target) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stopped_halfway()
    assert target.read_text() == "first"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_full_disk_is_told_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with (
        pytest.raises(OSError, match=r"could not write .*file\.txt: No space"),
        atomic_path(target),
    ):
        raise OSError(28, "No space left on device")
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="could not write"), atomic_path(tmp_path / "a" / "b"):
        pass


def test_json_without_nan(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1.5})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1.5}
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1.5}
