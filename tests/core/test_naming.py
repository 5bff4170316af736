"""Names of layers in files, and files that appear whole under a name that is free."""

import threading
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mild_core.compose import exclusive
from mild_core.compose.exclusive import save_new
from mild_core.compose.naming import file_name, readable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("person 2", "person 2"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..\\..\\windows", "_.._windows"),
        ("a/b\\c:d*e?f", "a_b_c_d_e_f"),
        ("  .hidden. ", "hidden"),
        ("...", "layer"),
        ("", "layer"),
        ("\x00\n\t", "layer"),
        ("Анна и 人 🧍", "Анна и 人 🧍"),
        ("a\u202egnp.exe", "agnp.exe"),  # an invisible mark that would turn it into aexe.png
        ("two  words", "two words"),
        ("\ud800half", "half"),
        ("x" * 300, "x" * 100),
        ("人" * 100, "人" * 33),
    ],
)
def test_file_names(name, expected):
    assert file_name(name, "layer") == expected


@given(st.text(max_size=300))
@example("a" * 99 + " b")
@example("é" * 60 + ".")
def test_any_text_is_a_safe_file_name(name):
    made = file_name(name, "layer")
    assert made
    assert len(made.encode()) <= 100
    assert not set(made) & set('<>:"/\\|?*')
    assert made == made.strip(" .")
    assert not any(unicodedata.category(letter)[0] == "C" for letter in made)


@given(st.text(st.characters(), max_size=400))
@example("\ud83d")
@example("a\x00b\x1fc\ufffe\U0001ffff")
def test_readable_names_go_into_any_document(name):
    made = readable(name)
    assert len(made) <= 255
    made.encode("utf-8")
    assert not any(ord(letter) < 32 or ord(letter) & 0xFFFE == 0xFFFE for letter in made)


def test_readable_names_stay():
    for name in ("person 1", "</layer>&\"'", "אבא 👨‍👩‍👧", "C:\\a/b"):
        assert readable(name) == name


def numbered(number):
    return f"a_{number}"


def write_file(path):
    path.write_text("new")


def write_folder(path):
    path.mkdir()
    (path / "file").write_text("new")


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("there", ["file", "folder", "empty folder", "link"])
def test_what_is_there_is_never_touched(tmp_path, write, there):
    old = tmp_path / "a_3"
    if there == "file":
        old.write_text("old")
    elif there == "link":
        old.symlink_to(tmp_path / "nowhere")
    else:
        old.mkdir()
        if there == "folder":
            (old / "file").write_text("old")
    before = old.lstat()
    assert save_new(tmp_path, numbered, 3, write) == tmp_path / "a_4"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a_3", "a_4"]
    assert (old.lstat().st_ino, old.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_what_comes_meanwhile_is_not_touched_either(tmp_path, write, monkeypatch):
    """Something that appears after the look for a free name."""
    look = exclusive.os.path.lexists
    theirs = tmp_path / "a_1"
    kept = theirs / "file" if write is write_folder else theirs

    def too_early(path):
        if path == theirs and not look(path):
            write(path)
            kept.write_text("theirs")
            return False
        return look(path)

    monkeypatch.setattr(exclusive.os.path, "lexists", too_early)
    made = save_new(tmp_path, numbered, 1, write)
    assert made.name == "a_2"
    assert kept.read_text() == "theirs"


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_many_at_once_get_a_name_each(tmp_path, write):
    made = []
    threads = [threading.Thread(target=lambda: made.append(save_new(tmp_path, numbered, 1, write))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in made) == [f"a_{n}" for n in range(1, 9)]
    assert len(list(tmp_path.iterdir())) == 8


class InterruptProcessingError(BaseException):
    """As the core's: no Exception."""


@pytest.mark.parametrize("error", [OSError("disk full"), InterruptProcessingError()])
@pytest.mark.parametrize("begin", [write_file, write_folder])
def test_a_write_that_stops_leaves_nothing(tmp_path, error, begin):
    def write(path):
        begin(path)
        raise error

    with pytest.raises(type(error)):
        save_new(tmp_path, numbered, 1, write)
    assert list(tmp_path.iterdir()) == []


def test_a_move_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(path, _):
        raise PermissionError(path)

    monkeypatch.setattr(exclusive.Path, "replace", fail)
    with pytest.raises(PermissionError):
        save_new(tmp_path, numbered, 1, write_file)
    assert list(tmp_path.iterdir()) == []
