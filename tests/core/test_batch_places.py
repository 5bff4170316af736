"""Folders here and in object storage: the same names, the same bytes, whole or not at all."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from object_storage import object_storage
from shapes import ROOT

from mild_core.batch import stored_place
from mild_core.batch.local_place import LocalPlace
from mild_core.batch.names import check_name, fitting, unfinished
from mild_core.batch.places import FullError, Place, file_of, path_below, place_of
from mild_core.batch.uris import is_uri, parse_uri

LETTERS = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
PARTS = st.text(LETTERS, min_size=1, max_size=40).filter(lambda part: part not in (".", "..") and len(part.encode()) <= 255)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
AWKWARD = ["a.jpg", "a/b.jpg", "a/c d.jpg", "100%.png", "50%20.png", "é/漢字.webp", "q?x=1#2.png", "+&=;,'\"()[]{}", "a.b/c", "~", "a-b/-"]


@pytest.fixture(scope="module")
def storage():
    with object_storage() as storage:
        yield storage


@pytest.fixture(params=["local", "stored"])
def place(request, tmp_path) -> Place:
    """An empty folder of each kind."""
    if request.param == "local":
        return place_of(str(tmp_path / "some place"))
    storage = request.getfixturevalue("storage")
    storage.requests.clear()
    return place_of(storage.uri(f"photos/{tmp_path.name}/some place"))


def everything(place: Place) -> dict[str, bytes]:
    return {found.name: place.read(found.name) for found in place.files()}


def test_what_is_written_is_there(place):
    for name in AWKWARD:
        place.write(name, name.encode())
    assert everything(place) == {name: name.encode() for name in AWKWARD}
    assert [found.name for found in place.files()] == sorted(AWKWARD)
    assert [found.size for found in place.files()] == [len(name.encode()) for name in sorted(AWKWARD)]
    assert [found.name for found in place.files("a")] == ["a/b.jpg", "a/c d.jpg"]
    assert {found.name for found in place.sub("a").files()} == {"b.jpg", "c d.jpg"}
    for name in AWKWARD:
        assert place.find(name) == next(found for found in place.files() if found.name == name)


def test_a_place_that_is_not_there_is_empty(place):
    assert not place.is_folder()
    assert list(place.files()) == []
    assert list(place.files("under")) == []
    assert not place.exists("a")
    with pytest.raises(FileNotFoundError):
        place.read("a")
    place.remove("a")
    place.remove("a/b")
    assert place.sweep() == 0


def test_a_folder_is_no_file(place):
    place.write("a/b", b"1")
    assert place.is_folder()
    assert place.sub("a").is_folder()
    assert not place.exists("a")
    assert place.exists("a/b")
    place.remove("a/b")
    assert not place.exists("a/b")
    assert list(place.files()) == []


def test_parts_of_a_file(place):
    data = bytes(range(256)) * 1000
    place.write("a", data)
    assert place.read_part("a", 300, 5) == data[300:305]
    assert place.read_part("a", len(data) - 2, 10) == data[-2:]
    with place.open("a") as file:
        assert file.seekable()
        assert file.read(4) == data[:4]
        assert file.seek(200_001) == 200_001
        assert file.read(3) == data[200_001:200_004]
        assert file.seek(1) == 1
        assert file.read() == data[1:]


def test_a_second_write_replaces_and_changes_the_stamp(place):
    place.write("a", b"first")
    first = place.find("a")
    place.write("a", b"")
    assert place.read("a") == b""
    assert place.find("a").stamp != first.stamp
    assert place.find("a").size == 0


def test_two_who_write_one_name_leave_one_whole_file(place):
    datas = [bytes([number]) * 300_000 for number in range(1, 5)]
    ready = threading.Barrier(len(datas))

    def write(data: bytes) -> None:
        mine = pickle.loads(pickle.dumps(place))
        ready.wait()
        for _ in range(3):
            mine.write("deep/a", data)
            assert place.read("deep/a") in datas

    with ThreadPoolExecutor(len(datas)) as threads:
        list(threads.map(write, datas))
    assert [found.name for found in place.files()] == ["deep/a"]
    assert place.sweep() == 0


def test_a_place_travels(place):
    place.write("a", b"1")
    again = pickle.loads(pickle.dumps(place))
    assert again == place
    assert hash(again) == hash(place)
    assert again.read("a") == b"1"


UNFINISHED = pytest.param(unfinished(), id="unfinished")


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "..", "../a", "a/../b", "./a", "a/.", "a\0b", "x" * 256, "é" * 128, UNFINISHED])
def test_names_that_no_place_takes(place, name):
    with pytest.raises(ValueError, match="name"):
        check_name(name)
    for use in (place.read, place.exists, place.remove, lambda name: place.write(name, b"")):
        with pytest.raises(ValueError, match="name"):
            use(name)
    assert list(place.files()) == []


@given(st.dictionaries(NAMES, st.binary(max_size=20), max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_files_come_back(files):
    """A name that lies below another cannot be: a folder is no file."""
    files = {name: data for name, data in files.items() if not any(other.startswith(f"{name}/") for other in files)}
    with tempfile.TemporaryDirectory() as folder:
        place = place_of(folder)
        for name, data in files.items():
            place.write(name, data)
        assert [found.name for found in place.files()] == sorted(files)
        assert everything(place) == files


@given(st.lists(st.text(LETTERS, min_size=1, max_size=400), min_size=1, max_size=2))
@settings(max_examples=60, deadline=None)
def test_shortened_names_fit(parts):
    name = "/".join(part for part in parts if part not in (".", "..")) or "a"
    short = fitting(name)
    check_name(short)
    assert fitting(short) == short
    if all(len(part.encode()) <= 255 for part in name.split("/")):
        assert short == name


def test_long_names_stay_two_and_keep_their_ending():
    one, two = fitting("é" * 300 + "1.jpg"), fitting("é" * 300 + "2.jpg")
    assert one != two
    assert one.endswith(".jpg")
    assert one.startswith("éééé")
    assert 250 < len(one.encode()) <= 255
    assert len(fitting("a." + "x" * 300).encode()) == 255
    assert len(fitting("x" * 200 + ".jpg", 180)) == 180
    assert fitting("x" * 180, 180) == "x" * 180


# local


def test_what_is_unfinished_is_neither_listed_nor_kept(tmp_path):
    place = place_of(str(tmp_path))
    place.write("a/b.png", b"1")
    (tmp_path / "a" / unfinished()).write_bytes(b"half")
    (tmp_path / unfinished()).write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"theirs")
    assert [found.name for found in place.files()] == [".hidden", "a/b.png"]
    assert place.sweep() == 2
    assert sorted(os.listdir(tmp_path)) == [".hidden", "a"]
    assert os.listdir(tmp_path / "a") == ["b.png"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("fails", ["os.fsync", "os.replace", "pathlib.Path.mkdir", "pathlib.Path.open"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, code, fails):
    place = place_of(str(tmp_path))
    place.write("a/b.png", b"before")

    def full(*args, **kwargs):
        raise OSError(code, "full")

    with monkeypatch.context() as broken:
        broken.setattr(fails, full)
        with pytest.raises(FullError, match=r"is full: a/b\.png of 5 bytes could not be written") as raised:
            place.write("a/b.png", b"after")
    assert str(tmp_path) in str(raised.value)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    assert place.read("a/b.png") == b"before"
    assert os.listdir(tmp_path / "a") == ["b.png"]


def test_other_failures_keep_their_kind(tmp_path, monkeypatch):
    place = place_of(str(tmp_path))

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        place.write("a", b"1")
    assert os.listdir(tmp_path) == []
    monkeypatch.undo()
    place.write("a", b"1")
    with pytest.raises(OSError, match="a") as raised:
        place.write("a/b", b"1")  # a is a file
    assert not isinstance(raised.value, FullError)


def test_files_get_the_rights_that_others_get(tmp_path):
    before = os.umask(0o022)
    try:
        place_of(str(tmp_path)).write("a", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_links_are_followed_but_not_in_circles(tmp_path):
    place = place_of(str(tmp_path / "photos"))
    place.write("a.jpg", b"1")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.jpg").write_bytes(b"2")
    (tmp_path / "photos" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = list(place.files())
    assert [f.name for f in found] == ["a.jpg", "lost.jpg", "more/b.jpg"]
    with pytest.raises(FileNotFoundError):
        place.read("lost.jpg")


@pytest.mark.parametrize("text", ["photos", "./photos", "x/../photos"])
def test_paths_are_made_absolute(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    assert place_of(text) == LocalPlace(str(tmp_path / "photos"))
    assert place_of((tmp_path / "my photos").as_uri()) == LocalPlace(str(tmp_path / "my photos"))
    assert file_of("photos/a.jpg") == (LocalPlace(str(tmp_path / "photos")), "a.jpg")
    assert place_of(text).title == str(tmp_path / "photos")


# URIs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("S3://bucket/my photos", "s3://bucket/my%20photos"),
        ("s3://bucket/my%20photos", "s3://bucket/my%20photos"),
        ("s3://key:secret@bucket/a", "s3://bucket/a"),
        ("s3://key@bucket/a", "s3://bucket/a"),
        ("s3://bucket/a?region=eu&access_token=secret", "s3://bucket/a?region=eu"),
        ("s3://bucket/a?endpoint_override=http://host:90&scheme=http", "s3://bucket/a?endpoint_override=http://host:90&scheme=http"),
        ("s3://bucket/a?endpoint_override=http://me:secret@host", "s3://bucket/a"),
        ("abfs://box:secret@account.dfs.core.windows.net/a", "abfs://box@account.dfs.core.windows.net/a"),
        ("gs://anonymous@bucket/a", "gs://anonymous@bucket/a"),
    ],
)
def test_what_is_shown_holds_no_secret(text, shown):
    place = stored_place.StoredPlace(text)
    assert place.title == shown
    for told in (place.title, repr(place), place.shown("x"), place.sub("x").title):
        assert "secret" not in told
        assert "key" not in told
    assert place.sub("a b").title == parse_uri(shown).below("a b").text


@given(PARTS, PARTS)
def test_paths_of_uris_come_back(one, two):
    uri = parse_uri("s3://bucket?region=eu").below(one.strip("/")).below(two)
    assert parse_uri(uri.text) == uri
    assert uri.path == f"{one}/{two}"


def test_a_percent_sign_may_stand_for_itself():
    assert parse_uri("s3://bucket/100%/a").path == "100%/a"
    assert parse_uri("s3://bucket/100%25/a").path == "100%/a"


def test_what_is_a_uri():
    assert is_uri("s3://bucket")
    assert is_uri("file:///a")
    assert not is_uri(r"C:\photos")
    assert not is_uri("a/b://c")
    assert not is_uri("photos")


@pytest.mark.parametrize("text", ["ftp://me:secret@host/a", "https://host/a", "mock://a"])
def test_other_kinds_are_refused_by_name(text):
    kind = text.split(":")[0]
    with pytest.raises(ValueError, match=f"is of the kind {kind}://, but it must be a path, file:// or one of s3://") as raised:
        place_of(text)
    assert "secret" not in str(raised.value)


def test_a_uri_that_cannot_be_opened_does_not_betray_its_keys():
    pytest.importorskip("pyarrow.fs")
    with pytest.raises(ValueError, match=r"s3://bucket\S* is no place that pyarrow can open.*colour") as raised:
        place_of("s3://key:secret@bucket/a?region=eu&colour=blue")
    told = f"{raised.value!r}{raised.value.__cause__!r}"
    assert "secret" not in told
    with pytest.raises(ValueError, match="but file:// must name a file of this one"):
        place_of("file://host/a")
    with pytest.raises(ValueError, match="empty"):
        place_of("")


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.fs", None)
    stored_place._opened.cache_clear()
    with pytest.raises(ImportError, match=r"s3://bucket needs pyarrow.*pip install 'mild-layers\[scale\]'"):
        place_of("s3://key:secret@bucket/a")


def test_local_folders_need_no_pyarrow():
    code = "import sys; from mild_core.batch import inputs, places; list(places.place_of('tests').files()); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "ray", "torch"} & set(loaded)


@pytest.mark.parametrize(
    ("inner", "outer", "below"),
    [
        ("/a/b", "/a", "b"),
        ("/a", "/a", ""),
        ("/ab", "/a", None),
        ("/a", "/a/b", None),
        ("s3://bucket/a/b?region=eu", "s3://bucket", "a/b"),
        ("s3://bucket/a", "s3://other/a", None),
        ("s3://bucket/a", "/a", None),
    ],
)
def test_where_a_place_lies_below_another(inner, outer, below):
    places = [stored_place.StoredPlace(text) if is_uri(text) else place_of(text) for text in (inner, outer)]
    assert path_below(*places) == below


# object storage


def test_a_small_file_is_one_request(storage):
    place = place_of(storage.uri("results/one"))
    place.exists("a")
    storage.requests.clear()
    place.write("a", b"1" * 100_000)
    assert storage.requests == [("PUT", "/results/one/a")]


def test_a_large_file_comes_back(storage):
    place = place_of(storage.uri("results/large"))
    data = os.urandom(1 << 20) * 21
    place.write("a", data)
    assert place.read("a") == data
    assert place.read_part("a", 20_000_000, 7) == data[20_000_000:20_000_007]


@pytest.mark.parametrize("step", ["uploads", "partNumber=1&", "partNumber=2", "uploadId"])
@pytest.mark.parametrize("code", ["XMinioStorageFull", "AccessDenied"])
def test_no_part_of_a_large_file_is_left_when_a_request_fails(storage, step, code):
    place = place_of(storage.uri(f"results/{code}/{step.strip('&=')}"))
    place.write("a", b"before")
    refused = []

    def refuse(method: str, path: str) -> str:
        hit = method in ("PUT", "POST") and step in path and not (step == "uploadId" and "partNumber" in path)
        refused.extend([path] * hit)
        return code if hit else ""

    storage.refuse = refuse
    try:
        with pytest.raises(OSError, match=code):
            place.write("a", os.urandom(1 << 20) * 21)
        with pytest.raises(OSError, match=code):
            place.write("new", os.urandom(1 << 20) * 21)
    finally:
        storage.refuse = lambda method, path: ""
    assert refused
    assert everything(place) == {"a": b"before"}


@pytest.mark.parametrize("code", ["XMinioStorageFull", "QuotaExceeded"])
def test_a_full_storage_is_told_as_one(storage, code):
    place = place_of(storage.uri("results/full"))
    storage.refuse = lambda method, path: code if method == "PUT" else ""
    try:
        with pytest.raises(FullError, match=r"s3://results/full.* is full: a of 1 bytes"):
            place.write("a", b"1")
    finally:
        storage.refuse = lambda method, path: ""
    assert not place.exists("a")


def test_ctrl_c_does_not_cut_off_an_upload(storage, monkeypatch):
    """Python gives it to the main thread, where an opened writer would be closed with nothing in it, as an empty object."""
    place, put, writers = place_of(storage.uri("results/interrupted")), stored_place._put, []

    def interrupted(system, path, data):
        writers.append(threading.current_thread())
        os.kill(os.getpid(), signal.SIGINT)
        put(system, path, data)

    monkeypatch.setattr(stored_place, "_put", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            place.write("a", b"whole")
    finally:
        signal.signal(signal.SIGINT, before)
    assert writers != [threading.main_thread()]
    writers[0].join()  # it was cut off from whoever waited for it
    assert everything(place) == {"a": b"whole"}


def test_a_bucket_that_is_not_there(storage):
    place = place_of(storage.uri("nowhere/a"))
    assert not place.is_folder()
    with pytest.raises(OSError, match="bucket"):
        place.write("a", b"1")


def test_a_storage_that_does_not_answer_is_an_os_error(storage):
    place = place_of(storage.uri("results/away"))
    storage.refuse = lambda method, path: "SlowDown"
    try:
        for use in (lambda: place.read("a"), lambda: list(place.files()), lambda: place.find("a")):
            with pytest.raises(OSError, match=r"AWS Error|SlowDown") as raised:
                use()
            assert not isinstance(raised.value, FileNotFoundError)
    finally:
        storage.refuse = lambda method, path: ""


def test_a_writer_that_is_stopped_leaves_no_object(storage):
    """Its process is killed after it began, before it closed."""
    code = f"""
import os
from mild_core.batch.places import place_of
from mild_core.batch import stored_place
system, path = place_of({storage.uri("results/killed")!r})._at("a")
stream = system.open_output_stream(path)
stream.write(b"1" * 12_000_000)
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 9
    assert not place_of(storage.uri("results/killed")).exists("a")


def test_a_storage_that_shows_what_is_being_written(tmp_path, monkeypatch):
    """HDFS is one; here a folder stands in for it."""
    pytest.importorskip("pyarrow.fs")
    from pyarrow.fs import LocalFileSystem

    monkeypatch.setattr(stored_place, "_opened", lambda uri: (LocalFileSystem(), str(tmp_path)))
    place = stored_place.StoredPlace("hdfs://host/sets")
    place.write("a/b", b"1")
    place.write("a/b", b"22")
    assert everything(place) == {"a/b": b"22"}
    (tmp_path / "sets" / "a" / unfinished()).write_bytes(b"half")
    assert [found.name for found in place.files()] == ["a/b"]
    assert place.sweep() == 1
    assert os.listdir(tmp_path / "sets" / "a") == ["b"]

    def broken(system, path, data):
        Path(path).write_bytes(data[:1])
        raise OSError("gone")

    monkeypatch.setattr(stored_place, "_put", broken)
    with pytest.raises(OSError, match="gone"):
        place.write("a/b", b"333")
    assert everything(place) == {"a/b": b"22"}
    assert os.listdir(tmp_path / "sets" / "a") == ["b"]
