"""What is to be done, told from folders, lists and tars."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from object_storage import object_storage

from mild_core.batch import inputs
from mild_core.batch.inputs import Item, Source, read_items
from mild_core.batch.manifest_rows import plain
from mild_core.batch.names import check_name
from mild_core.batch.places import Found, Place, StoredPlace, file_of, place_of
from mild_core.batch.webdataset import expanded


@pytest.fixture(scope="module")
def storage():
    with object_storage() as storage:
        yield storage


@pytest.fixture(params=["local", "stored"])
def root(request, tmp_path) -> Place:
    if request.param == "local":
        return place_of(str(tmp_path))
    storage = request.getfixturevalue("storage")
    return place_of(storage.uri(f"photos/{tmp_path.name}"))


def text_of(place: Place, name: str = "") -> str:
    """What a user would write for it."""
    inner = place.sub(name) if name else place
    return inner.uri if isinstance(inner, StoredPlace) else inner.title


def put(place: Place, *names: str) -> None:
    """Files that hold their own names."""
    for name in names:
        place.write(name, name.encode())


def told(items) -> dict[str, dict[str, str]]:
    """By id what the files hold, and the problem."""
    found: dict[str, dict[str, str]] = {}
    for item in items:
        assert item.id not in found
        check_name(item.id)
        found[item.id] = {slot: source.read().decode() for slot, source in item.files.items()}
        if item.problem:
            found[item.id]["problem"] = item.problem
    return found


# folders of pictures

PHOTOS = ["b.JPG", "trip/a.webp", "trip/c.png", "a.tif"]
FOLDERS = [
    (PHOTOS, {}, {"a.tif": {}, "b.JPG": {}, "trip/a.webp": {}, "trip/c.png": {}}),
    (
        ["a.jpg", "a.people.png", "a.effects.webp", "b.jpg"],
        {},
        {"a.jpg": {"people": "a.people.png", "effects": "a.effects.webp"}, "b.jpg": {}},
    ),
    (["a.jpg", "a.people.webp", "a.people.png"], {}, {"a.jpg": {"people": "a.people.png"}}),
    (["x.people.png", "y.jpg"], {}, {"x.people.png": {}, "y.jpg": {}}),
    (
        ["photos/t/a.jpg", "photos/b.png", "people/t/a.png", "people/b.jpg", "effects/b.png", "effects/t/a.png"],
        {},
        {
            "b.png": {"photo": "photos/b.png", "people": "people/b.jpg", "effects": "effects/b.png"},
            "t/a.jpg": {"photo": "photos/t/a.jpg", "people": "people/t/a.png", "effects": "effects/t/a.png"},
        },
    ),
    (
        ["photos/a.jpg", "people/a.png", "marked/a.bmp", "marked/a.png"],
        {"source": "photos", "people": "marked"},
        {"a.jpg": {"photo": "photos/a.jpg", "people": "marked/a.png"}},
    ),
    (
        ["in/a.jpg", "in/a.png", "who/a.png"],
        {"source": "in", "people": "who"},
        {"a.jpg": {"people": "who/a.png"}, "a.png": {"people": "who/a.png"}},
    ),
    (
        ["a.jpg", "t/b.jpg", "who/a.png", "who/t/b.png"],
        {"people": "who"},
        {"a.jpg": {"people": "who/a.png"}, "t/b.jpg": {"people": "who/t/b.png"}},
    ),
    (
        ["a.jpg", "a.png", "b.jpg", "b.tif", "b.png"],
        {"people": ""},
        {"a.jpg": {"people": "a.png"}, "b.jpg": {"people": "b.png"}, "b.tif": {"people": "b.png"}},
    ),
]


@pytest.mark.parametrize(("names", "arguments", "expected"), FOLDERS)
def test_folders(root, names, arguments, expected):
    put(root, *names, "notes.txt", ".hidden.jpg", ".trash/c.jpg", "__MACOSX/._a.jpg")
    source = arguments.get("source", "")
    given = {kind: text_of(root, name) for kind, name in arguments.items() if kind != "source"}
    found = told(read_items(text_of(root, source), **given))
    prefix = f"{source}/" if source else ""
    assert found == {id: {"photo": f"{prefix}{id}", **files} for id, files in expected.items()}
    assert list(found) == sorted(found)


def test_a_photo_without_its_mask_is_a_problem(root):
    put(root, "in/a.jpg", "in/t/b.jpg", "who/a.png", "shade/t/b.png")
    items = list(read_items(text_of(root, "in"), people=text_of(root, "who"), effects=text_of(root, "shade")))
    assert [item.id for item in items] == ["a.jpg", "t/b.jpg"]
    assert items[0].problem == f"there is no effects mask a.png in {root.sub('shade').title}"
    assert items[1].problem == f"there is no people mask t/b.png in {root.sub('who').title}"
    assert items[1].files["photo"].read() == b"in/t/b.jpg"


def test_masks_in_the_photos_own_folder_are_said_to_be_missing(root):
    put(root, "a.jpg", "a.png", "b.jpg", "c.png")
    items = {item.id: item for item in read_items(text_of(root), people=text_of(root))}
    assert set(items) == {"a.jpg", "b.jpg", "c.png"}
    assert "there is no people mask b.png" in items["b.jpg"].problem
    assert "there is no people mask c.png" in items["c.png"].problem


def test_layouts_that_are_doubtful_or_empty(root):
    put(root, "photos/a.jpg", "people/a.png", "x.jpg")
    with pytest.raises(ValueError, match=r"has folders photos and people, but also x\.jpg: move it away"):
        read_items(text_of(root))
    put(root, "empty/notes.txt", "lists/all.csv")
    with pytest.raises(ValueError, match=r"empty.* holds neither pictures \(\.png, "):
        read_items(text_of(root, "empty"))
    with pytest.raises(ValueError, match=r"; did you mean .*lists/all\.csv"):
        read_items(text_of(root, "lists"))
    with pytest.raises(ValueError, match=r"people masks .*nowhere.* are not there"):
        read_items(text_of(root, "photos"), people=text_of(root, "nowhere"))
    with pytest.raises(ValueError, match=r"nowhere.* is not there, or is no folder: it must be a folder, a manifest"):
        read_items(text_of(root, "nowhere"))
    with pytest.raises(ValueError, match="columns was given, but the source is a folder of pictures"):
        read_items(text_of(root, "photos"), columns={"photo": "x"})
    put(root, "all/who/a.png")
    with pytest.raises(ValueError, match=r"all.* holds masks but no photo"):
        read_items(text_of(root, "all"), people=text_of(root, "all/who"))


def test_stamps_change_with_the_file(root):
    put(root, "a.jpg", "a.people.png")
    (before,) = read_items(text_of(root))
    root.write("a.jpg", b"longer than before")
    (after,) = read_items(text_of(root))
    assert before.files["photo"].stamp != after.files["photo"].stamp
    assert before.files["people"].stamp == after.files["people"].stamp != ""


def test_a_name_that_is_no_text_is_a_problem(tmp_path):
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    (item,) = read_items(str(tmp_path))
    assert item.id.encode() == b"caf\\udce9.jpg"
    assert "is not UTF-8" in item.problem


@given(st.sets(st.from_regex(r"[ab](/[ab]){0,2}\.(jpg|png|JPEG|people\.png)", fullmatch=True), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_every_picture_is_a_photo_or_the_mask_of_one(tmp_path_factory, names):
    place = place_of(str(tmp_path_factory.mktemp("pictures")))
    put(place, *names)
    found = told(read_items(place.title))
    used = {name for files in found.values() for name in files.values()}
    assert used == names
    for id, files in found.items():
        assert files["photo"] == id
        assert files.get("people", f"{id.rpartition('.')[0]}.people.png") == f"{id.rpartition('.')[0]}.people.png"


def test_memory_of_many_photos(tmp_path, monkeypatch):
    """What the module says of each picture."""
    count = 20_000
    place = place_of(str(tmp_path))

    def listed(place: Place):
        found = [Found(f"2024/trip/IMG_{n:08d}.jpg", 4_000_000 + n, f"1795329443{n:09d}-{4_000_000 + n}") for n in range(count)]
        return found, [], []

    monkeypatch.setattr(inputs, "_sorted_out", listed)
    tracemalloc.start()
    items = read_items(place.title)
    assert next(items).id == "2024/trip/IMG_00000000.jpg"
    held = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    assert held < 400
    assert sum(1 for _ in items) == count - 1


# manifests

ROWS = [
    {"photo": "in/a.jpg", "people": "who/a.png", "erase": "1,3", "strength": 0.5, "seed": 7, "keep": True},
    {"photo": "in/t/b.jpg", "effects": "shade/b.png", "prompt": "a wall, plain", "id": "second"},
]
FILES = ("in/a.jpg", "in/t/b.jpg", "who/a.png", "shade/b.png")


def put_csv(place: Place, name: str, rows, columns=None) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    place.write(name, text.getvalue().encode())
    return text_of(place, name)


def put_jsonl(place: Place, name: str, rows, columns=None) -> str:
    place.write(name, "".join(json.dumps(row) + "\n" for row in rows).encode())
    return text_of(place, name)


def put_parquet(place: Place, name: str, rows, columns=None) -> str:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    names = list(dict.fromkeys(key for row in rows for key in row))
    file = io.BytesIO()
    pq.write_table(pa.table({key: [row.get(key) for row in rows] for key in names}), file, row_group_size=2)
    place.write(name, file.getvalue())
    return text_of(place, name)


WRITERS = {".csv": put_csv, ".jsonl": put_jsonl, ".parquet": put_parquet}


@pytest.mark.parametrize("kind", WRITERS)
def test_manifests(root, kind):
    put(root, *FILES)
    first, second = read_items(WRITERS[kind](root, f"list{kind}", ROWS))
    assert (first.id, second.id) == ("in/a.jpg", "second")
    assert {slot: source.read().decode() for slot, source in first.files.items()} == {"photo": "in/a.jpg", "people": "who/a.png"}
    assert {slot: source.read().decode() for slot, source in second.files.items()} == {"photo": "in/t/b.jpg", "effects": "shade/b.png"}
    assert second.values == {"prompt": "a wall, plain"}
    typed = {"erase": "1,3", "strength": 0.5, "seed": 7, "keep": True}
    assert first.values == ({key: str(value) for key, value in typed.items()} if kind == ".csv" else typed)
    assert not first.problem
    assert not second.problem


@pytest.mark.parametrize("kind", WRITERS)
def test_columns_of_other_names(root, kind):
    put(root, *FILES)
    rows = [{"image_path": "in/a.jpg", "photo": "Ann Other", "key": 12, "text": "x"}]
    (item,) = read_items(WRITERS[kind](root, f"list{kind}", rows), columns={"photo": "image_path", "id": "key", "prompt": "text"})
    assert item.id == "12"
    assert item.files["photo"].read() == b"in/a.jpg"
    assert item.values == {"prompt": "x"}
    with pytest.raises(ValueError, match="has no column 'picture' for photo; its columns are image_path, photo, key, text"):
        read_items(text_of(root, f"list{kind}"), columns={"photo": "picture"})


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_wrong_with_rows(root, kind):
    put(root, *FILES)
    rows = [
        {"photo": "in/a.jpg", "id": "one", "erase": ""},
        {"photo": "in/t/b.jpg", "id": "one"},
        {"photo": "", "erase": None},
        {"photo": None, "erase": "1"},
        {"photo": "in/a.jpg", "id": "../two"},
        {"photo": "in/t/b.jpg", "people": "ftp://host/a.png"},
        {"photo": "in/t/b.jpg"},
    ]
    items = list(read_items(WRITERS[kind](root, f"list{kind}", rows)))
    first = 1 if kind != ".csv" else 2  # of a CSV the header is the first line
    word = "row" if kind == ".parquet" else "line"
    where = [f"{word} {number}" for number in range(first, first + len(rows))]
    assert [item.id for item in items] == ["one", *(f"list{kind}/{where[n]}" for n in range(1, 6)), "in/t/b.jpg"]
    assert [bool(item.problem) for item in items] == [False, True, True, True, True, True, False]
    begins = f"{root.shown(f'list{kind}')}, "
    assert items[1].problem == f"{begins}{where[1]}: its id one is that of {where[0]} already"
    assert items[2].problem == f"{begins}{where[2]}: it is empty"
    assert items[3].problem == f"{begins}{where[3]}: it names no photo"
    assert items[4].problem.startswith(f"{begins}{where[4]}: its id cannot name files: the name is '../two'")
    assert "is of the kind ftp://" in items[5].problem


@pytest.mark.parametrize("kind", WRITERS)
def test_manifests_that_cannot_be_read(root, kind):
    with pytest.raises(ValueError, match=f"manifest .*list{kind}.* is not there"):
        read_items(text_of(root, f"list{kind}"))
    with pytest.raises(ValueError, match="has no column 'photo', nor was one named for it; its columns are picture"):
        read_items(WRITERS[kind](root, f"list{kind}", [{"picture": "a"}]))
    root.write(f"list{kind}", b"")
    with pytest.raises(ValueError, match=f"list{kind}.* (has no header|cannot be read as)"):
        read_items(text_of(root, f"list{kind}"))
    with pytest.raises(ValueError, match="people was given, but the source is a manifest, which names them in its own columns"):
        read_items(text_of(root, f"list{kind}"), people=text_of(root))


def test_paths_of_manifests(tmp_path, monkeypatch):
    place = place_of(str(tmp_path))
    put(place, "x/a.jpg", "lists/b.jpg")
    monkeypatch.chdir("/")
    paths = ["../x/a.jpg", "b.jpg", str(tmp_path / "x/a.jpg"), (tmp_path / "x/a.jpg").as_uri(), "./b.jpg", "gone.jpg", "../x"]
    items = list(read_items(put_csv(place, "lists/list.csv", [{"photo": path} for path in paths])))
    whole = str(tmp_path).lstrip("/") + "/x/a.jpg"
    assert [item.id for item in items] == ["x/a.jpg", "b.jpg", whole, *(f"list.csv/line {n}" for n in range(5, 9))]
    assert [item.files["photo"].read().decode() for item in items[:3]] == ["x/a.jpg", "lists/b.jpg", "x/a.jpg"]
    assert f"its id {whole} is that of line 4 already" in items[3].problem
    assert f"photo {tmp_path}/lists/gone.jpg is not there" in items[5].problem
    assert "is not there" in items[6].problem
    assert all(item.files["photo"].stamp for item in items[:3])


def test_paths_of_manifests_in_storage(storage, tmp_path):
    place = place_of(storage.uri(f"photos/{tmp_path.name}"))
    other = place_of(storage.uri("results/other"))
    put(place, "x/a b.jpg", "lists/b.jpg")
    put(other, "100%.jpg")
    (tmp_path / "here.jpg").write_bytes(b"here")
    paths = [
        "../x/a b.jpg",
        "b.jpg",
        "s3://results/other/100%.jpg",
        text_of(other, "100%.jpg"),
        str(tmp_path / "here.jpg"),
        "../../../up.jpg",
    ]
    source = put_jsonl(place, "lists/list.jsonl", [{"photo": path, "id": f"{n}"} for n, path in enumerate(paths)])
    storage.requests.clear()
    items = list(read_items(source))
    assert not [path for _, path in storage.requests if ".jpg" in path]  # objects are not looked for, one by one
    assert [item.files["photo"].read().decode() for item in items[:5]] == ["x/a b.jpg", "lists/b.jpg", "100%.jpg", "100%.jpg", "here"]
    assert "leads out of s3://photos" in items[5].problem
    ids = [item.id for item in read_items(put_jsonl(place, "lists/plain.jsonl", [{"photo": path} for path in paths[:3]]))]
    assert ids == ["x/a b.jpg", "b.jpg", "results/other/100%.jpg"]


def test_ragged_and_blank_lines_of_csv(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(b"1")
    lines = [",photo,erase", "0,a.jpg,1", "1,b.jpg", "", "2,b.jpg,1,3", '3,b.jpg,"all', 'but 1"', ",,"]
    (tmp_path / "list.csv").write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    items = list(read_items(str(tmp_path / "list.csv")))
    assert [item.id for item in items] == ["a.jpg", "list.csv/line 3", "list.csv/line 5", "b.jpg", "list.csv/line 8"]
    assert items[0].values == {"erase": "1"}
    assert items[1].problem.endswith("line 3: it has 2 cells, but the header has 3")
    assert items[2].problem.endswith("line 5: it has 4 cells, but the header has 3")
    assert items[3].values == {"erase": "all\r\nbut 1"}
    assert items[4].problem.endswith("line 8: it is empty")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"photo,photo\n", "has two columns 'photo'"),
        (b"\xff\xfe\n", "cannot be read as CSV in UTF-8"),
        (b"photo\na.jpg\n\xff.jpg\n", "list.csv cannot be read as CSV in UTF-8, after line"),
    ],
)
def test_broken_csv(tmp_path, text, message):
    (tmp_path / "list.csv").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        list(read_items(str(tmp_path / "list.csv")))


def test_broken_lines_of_jsonl(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"1")
    lines = ['{"photo": "a.jpg", "erase": [1, 3], "box": {"x": 1}}', '{"photo": "a.jpg"', "", "[1]", '{"photo": 3}']
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    items = list(read_items(str(tmp_path / "list.jsonl")))
    assert [item.id for item in items] == ["a.jpg", *(f"list.jsonl/line {n}" for n in (2, 4, 5))]
    assert items[0].values == {"erase": "1,3"}
    assert "line 2: is no JSON" in items[1].problem
    assert "line 4: is list, but must be an object with photo" in items[2].problem
    (tmp_path / "list.jsonl").write_text("[]\n")
    with pytest.raises(ValueError, match=r"list.jsonl cannot be read as JSONL: line 1 is list"):
        read_items(str(tmp_path / "list.jsonl"))


def test_types_of_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import datetime
    import decimal

    import pyarrow.parquet as pq

    (tmp_path / "a.jpg").write_bytes(b"1")
    columns = {
        "photo": pa.array(["a.jpg"]).dictionary_encode(),
        "erase": pa.array([[1, 3]]),
        "when": pa.array([datetime.date(2026, 1, 2)]),
        "cost": pa.array([decimal.Decimal("1.50")]),
        "score": pa.array([float("nan")]),
        "thumbnail": pa.array([b"\xff\xd8"]),
        "box": pa.array([{"x": 1}]),
        "boxes": pa.array([[[1]]]),
    }
    pq.write_table(pa.table(columns), tmp_path / "list.parquet")
    (item,) = read_items(str(tmp_path / "list.parquet"))
    assert item.values == {"erase": "1,3", "when": "2026-01-02", "cost": "1.50"}
    pq.write_table(pa.table({"photo": pa.array([{"bytes": b"1", "path": "a.jpg"}])}), tmp_path / "list.parquet")
    with pytest.raises(ValueError, match=r"has struct<.*> in its column photo, but it must hold paths"):
        read_items(str(tmp_path / "list.parquet"))


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())),
        max_size=5,
    )
)
def test_plain_values_are_those_that_slots_take(row):
    for name, value in plain(row).items():
        assert type(value) in (str, int, float, bool)
        assert value == (",".join(map(str, row[name])) if isinstance(row[name], list) else row[name])
        assert type(value) is type(row[name]) or isinstance(row[name], list)


@pytest.mark.parametrize("kind", [".jsonl", ".csv"])
def test_a_long_list_is_not_read_at_once(tmp_path, kind):
    """Of each row only its id stays in memory."""
    (tmp_path / "a.jpg").write_bytes(b"1")
    rows = [{"photo": "a.jpg", "id": f"{n:06d}", "prompt": "x" * 1000} for n in range(3000)]
    source = WRITERS[kind](place_of(str(tmp_path)), f"list{kind}", rows)
    del rows
    tracemalloc.start()
    assert sum(1 for item in read_items(source) if not item.problem) == 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_500_000


# tars


def tar_bytes(members, format=tarfile.PAX_FORMAT) -> bytes:
    """A tar of (name, bytes)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file.getvalue()


def named(*names: str) -> list[tuple[str, bytes]]:
    return [(name, name.encode()) for name in names]


LONG = "folder-" + "x" * 90 + "/" + "漢" * 60


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_tars(root, format):
    first = [
        *named("./0001.jpg", "./0001.mask.png"),
        ("./0001.json", b'{"erase": "1", "seed": 3, "box": {"x": 1}}'),
        *named("0002.txt", "0002.photo.png", "0002.png", "0002.effects.png", "0003.cls"),
    ]
    root.write("set/a-00.tar", tar_bytes(first, format))
    root.write("set/a-01.tar", tar_bytes(named("0001.JPG", "0001.people.png", "0001.seg.png", f"{LONG}.webp", f"{LONG}.seg.png"), format))
    root.write("set/.git/b.tar", b"")
    root.write("set/README.md", b"")
    expected = {
        "a-00/0001": {"photo": "./0001.jpg", "people": "./0001.mask.png"},
        "a-00/0002": {"photo": "0002.photo.png", "effects": "0002.effects.png"},
        "a-01/0001": {"photo": "0001.JPG", "people": "0001.people.png"},
        f"a-01/{LONG}": {"photo": f"{LONG}.webp", "people": f"{LONG}.seg.png"},
    }
    items = list(read_items(text_of(root, "set")))
    assert told(items) == expected
    assert items[0].values == {"erase": "1", "seed": 3}
    assert items[0].files["photo"].stamp
    pattern = "set/a-{00..01}.tar"
    source = text_of(root).replace("?", f"/{pattern}?") if isinstance(root, StoredPlace) else f"{root.title}/{pattern}"
    assert told(read_items(source)) == expected
    assert told(read_items(text_of(root, "set/a-01.tar"))) == {id: files for id, files in expected.items() if id.startswith("a-01")}


def test_tars_of_several_folders_keep_their_names_apart(tmp_path):
    place = place_of(str(tmp_path))
    for name in ("train/0.tar", "test/0.tar"):
        place.write(name, tar_bytes(named("a.jpg")))
    assert list(told(read_items(f"{tmp_path}/{{train,test}}/{{0..1}}.tar"))) == ["train/0/a", "train/1.tar", "test/0/a", "test/1.tar"]
    assert list(told(read_items(str(tmp_path)))) == ["test/0/a", "train/0/a"]


def test_what_is_wrong_within_tars(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in [
            ("a.jpg", b"1"),
            ("b.people.png", b"1"),
            ("c.jpg", b"1"),
            ("c.json", b"{"),
            ("a.png", b"2"),
            ("d.jpg", b"1"),
            ("d.JPG", b"1"),
            ("/e/../f.jpg", b"1"),
            ("g.json", b"{}"),
        ]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("h.jpg")
        link.type, link.linkname = tarfile.LNKTYPE, "a.jpg"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("i.jpg"))
    (tmp_path / "x.tar").write_bytes(file.getvalue())
    items = {item.id: item for item in read_items(str(tmp_path / "x.tar"))}
    assert list(items) == ["x/a", "x/b", "x/c", "x/sample 4", "x/d", "x/sample 6", "x/h", "x/i"]
    assert [id for id, item in items.items() if not item.problem] == ["x/a", "x/i"]
    assert "it has no photo" in items["x/b"].problem
    assert "its .json cannot be read" in items["x/c"].problem
    assert "the key x/a was in the tar before" in items["x/sample 4"].problem
    assert "two files of one ending" in items["x/d"].problem
    assert "its key cannot name files" in items["x/sample 6"].problem
    assert "h.jpg is a link to a.jpg" in items["x/h"].problem


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_tar_that_is_cut_off_gives_no_sample_that_lacks_files(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("tars")
    whole = tar_bytes([(name, os.urandom(700)) for n in range(4) for name in (f"{n}.jpg", f"{n}.people.png")])
    (folder / "a.tar").write_bytes(whole[: data.draw(st.integers(0, 4 * 2 * 1536))])
    (folder / "b.tar").write_bytes(tar_bytes(named("a.jpg", "a.people.png")))
    items = list(read_items(str(folder)))
    assert items[-1].id == "b/a"
    assert not items[-1].problem
    assert items[-2].id == "a.tar"
    assert "a.tar is broken or cut off" in items[-2].problem
    for item in items:
        if not item.problem:
            assert set(item.files) == {"photo", "people"}
            assert item.files["photo"].read()
            assert item.files["people"].read()


def test_a_broken_header_is_told(tmp_path):
    data = bytearray(tar_bytes([(f"{n}.jpg", b"1") for n in range(3)]))
    data[1024 + 10] ^= 0xFF  # the second header
    (tmp_path / "a.tar").write_bytes(data)
    items = list(read_items(str(tmp_path)))
    assert [item.id for item in items] == ["a/0", "a.tar"]
    assert "broken or cut off at byte 1024" in items[1].problem
    (tmp_path / "a.tar").write_bytes(b"no tar at all" * 100)
    (item,) = read_items(str(tmp_path))
    assert "broken or cut off" in item.problem


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "A.TAR.ZST"])
def test_compressed_tars_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="is compressed, and cannot be read by offset"):
        read_items(str(tmp_path / name))
    (tmp_path / name).write_bytes(b"1")
    with pytest.raises(ValueError, match=f"holds neither pictures .* nor tars; did you mean .*{name}"):
        read_items(str(tmp_path))


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_compressed_tars_are_known_by_what_they_hold(tmp_path, mode):
    with tarfile.open(tmp_path / "a.tar", f"w:{mode}") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(ValueError, match=r"a\.tar is compressed by (gzip|bzip2|xz), and cannot be read by offset"):
        list(read_items(str(tmp_path / "a.tar")))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("{08..11}.tar", ["08.tar", "09.tar", "10.tar", "11.tar"]),
        ("{8..10}.tar", ["8.tar", "9.tar", "10.tar"]),
        ("{a,b}/{0..1}.tar", ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"]),
    ],
)
def test_patterns(pattern, names):
    assert expanded(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("{2..1}", "counts from 2 to 1"), ("{a}", "braces must hold a range"), ("{1..2", "without its other one"), ("1}", "without")],
)
def test_patterns_that_are_none(pattern, message):
    with pytest.raises(ValueError, match=message):
        expanded(pattern)


def test_tars_that_are_not_there(root):
    for name in ("a.tar", "{0..3}.tar"):
        source = text_of(root).replace("?", f"/{name}?") if isinstance(root, StoredPlace) else f"{root.title}/{name}"
        with pytest.raises(ValueError, match=r"tar .* is not there"):
            read_items(source)
    root.write("1.tar", tar_bytes(named("a.jpg")))
    items = list(read_items(source))
    assert [item.id for item in items] == ["0.tar", "1/a", "2.tar", "3.tar"]
    assert [bool(item.problem) for item in items] == [True, False, True, True]


def test_headers_of_a_stored_tar_are_all_that_is_read(storage):
    place = place_of(storage.uri("photos/large"))
    place.write("a.tar", tar_bytes([(f"{n}.jpg", bytes(400_000)) for n in range(5)]))
    storage.requests.clear()
    items = list(read_items(text_of(place, "a.tar")))
    gets = [path for method, path in storage.requests if method == "GET"]
    assert len(items) == 5
    assert len(gets) <= 8
    assert items[3].files["photo"].read() == bytes(400_000)


def test_a_source_whose_file_was_cut_off(tmp_path):
    place, name = file_of(str(tmp_path / "a"))
    place.write(name, b"12345")
    assert Source(place, name, 1, 3).read() == b"234"
    assert Source(place, name).read() == b"12345"
    with pytest.raises(ValueError, match="ends after 2 bytes, but must have 4: the file was cut off"):
        Source(place, name, 3, 4).read()
    with pytest.raises(FileNotFoundError):
        Source(place, "b").read()


def test_items_travel(root):
    import pickle

    put(root, "a.jpg", "a.people.png")
    (item,) = read_items(text_of(root))
    again = pickle.loads(pickle.dumps(item))
    assert again == item
    assert again.files["people"].read() == b"a.people.png"
    assert Item("x").problem == ""
