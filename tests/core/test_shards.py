"""Shards: what is in a tar, and whether it is whole."""

import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mild_core.data.shards import SHARD_ERRORS, is_whole, names_in, read_shard, shard_path, sharded, write_shard

FILES = {"000001.photo.png": b"picture", "000001.json": b"{}", "000002.photo.png": b"", "000002.json": b"x" * 5000}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 50), st.integers(0, 40), st.integers(1, 12))
def test_every_seed_is_in_one_shard_in_order(first, count, each):
    units = sharded(range(first, first + count), each)
    assert [seed for unit in units.values() for seed in unit] == list(range(first, first + count))
    assert list(units) == list(range(len(units)))
    assert all(len(unit) == each for unit in list(units.values())[:-1])


def test_what_is_read_is_what_was_written_in_its_order(tmp_path):
    path = shard_path(tmp_path, 3)
    write_shard(path, FILES.items())
    assert path.name == "000003.tar"
    assert names_in(path) == list(FILES)
    assert read_shard(path, FILES) == FILES
    assert is_whole(path)
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_files_give_the_same_bytes_and_long_names_are_taken(tmp_path):
    long = {f"{'ü' * 90}_000001.input.png": b"a"}
    for name in ("a.tar", "b.tar"):
        write_shard(tmp_path / name, {**FILES, **long}.items())
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert read_shard(tmp_path / "a.tar", long) == long


def test_a_shard_of_short_names_is_plain_ustar(tmp_path):
    write_shard(tmp_path / "a.tar", FILES.items())
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert all(entry.pax_headers == {} and entry.offset_data - entry.offset == 512 for entry in tar)


@pytest.mark.parametrize("cut", [0, 700, 5120, 10240 - 512])
def test_a_shard_that_was_cut_off_is_not_whole(tmp_path, cut):
    path = tmp_path / "a.tar"
    write_shard(path, FILES.items())
    path.write_bytes(path.read_bytes()[:cut])
    if is_whole(path):
        with pytest.raises(SHARD_ERRORS):
            names_in(path)


def test_what_is_interrupted_leaves_the_one_before(tmp_path):
    path = tmp_path / "a.tar"
    write_shard(path, FILES.items())

    def files():
        yield "x", b"y"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_shard(path, files())
    assert read_shard(path, FILES) == FILES


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    write_shard(tmp_path / "a.tar", FILES.items())
    with pytest.raises(KeyError):
        read_shard(tmp_path / "a.tar", ["000003.json"])
    assert not is_whole(tmp_path / "b.tar")
