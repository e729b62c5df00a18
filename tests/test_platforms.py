"""What is written for Windows and macOS, by simulation: none is at hand."""

import ast
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from common.errors import FolderError
from common.runs.folder import RunFolder
from common.storage import platforms, whole
from common.storage.whole import PREFIX, scratch_folder, write_whole

import pytest
from conftest import HOME, SCRIPTS, record_of
from formats import write_pictures
from windows import NO_MODULES, NO_NAMES, refusing

RATES = ("1e-3", "1e-3", "0.5")
UNIX = NO_MODULES.union(*NO_NAMES.values())  # what only platforms.py may touch


def on_windows(*lines):
    """The exit codes of these lines, one after the other, and what was said."""
    text = json.dumps([[str(word) for word in line] for line in lines])
    done = subprocess.run(
        [sys.executable, HOME / "tests" / "windows.py", text], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done


def test_every_script_trains_goes_on_and_is_sampled_scored_and_compared_on_windows(tmp_path):
    small = {"pix2pix": ("--width", 4, "--batch-size", 64)}
    lines = [
        (script, *RATES, tmp_path / "out" / script, "--dataset", "digits", "--epochs", epochs, *small.get(script, ()))
        for script in SCRIPTS
        for epochs in (1, 2)
    ]
    lines += [(script, "--help") for script in (*SCRIPTS, "sample", "evaluate", "compare")]
    lines += [("sample", tmp_path / "out" / "gan", 8, tmp_path / name) for name in ("grid.png", "a.npz", "folder")]
    lines += [("evaluate", tmp_path / "out" / "ebgan", tmp_path / "out" / "pix2pix"), ("compare", tmp_path / "out")]
    codes, done = on_windows(*lines)
    assert not any(codes), done.stderr
    assert all(record_of(tmp_path / "out" / script)["epochs_done"] == 2 for script in SCRIPTS)
    assert done.stderr.count("goes on after epoch 1") == len(SCRIPTS)
    assert (tmp_path / "folder" / "00007.png").exists() and (tmp_path / "out" / "comparison.html").exists()
    assert not list(tmp_path.rglob(f"{PREFIX}*"))


def test_a_folder_of_images_is_decoded_and_a_run_begun_anew_on_windows(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "set", 80, classes=("a", "b"))
    line = ("lsgan", *RATES, tmp_path / "run", "--dataset", tmp_path / "set", "--image-size", 16, "--batch-size", 8)
    codes, done = on_windows((*line, "--epochs", 1), (*line, "--epochs", 1, "--fresh"), (*line, "--epochs", 2))
    assert codes == [0, 0, 0], done.stderr
    assert list((tmp_path / "cache" / "decoded").iterdir()) and list((tmp_path / ".old").iterdir())
    assert not list(tmp_path.rglob(f"{PREFIX}*"))


def test_the_simulation_would_find_a_file_that_is_open(tmp_path):
    code = f"""
import os, sys
sys.path.insert(0, {str(HOME / "tests")!r})
from windows import refusing
os.chdir({str(tmp_path)!r})
for change, names in ((os.unlink, ["file"]), (os.replace, ["file", "file2"])):
    with open("file", "w"):
        try:
            refusing(change)(*names)
        except PermissionError:
            print("refused")
refusing(os.replace)("file", "file2")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["refused", "refused"] and done.returncode == 0, done.stderr
    assert (tmp_path / "file2").exists()


OURS = [*sorted((HOME / "common").rglob("*.py")), *sorted(HOME.glob("*.py"))]


@pytest.mark.parametrize("file", [file for file in OURS if file.name != "platforms.py"], ids=lambda file: file.name)
def test_no_other_module_knows_what_only_unix_has(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
    assert not names & UNIX


@pytest.mark.parametrize("may_move", [True, False])
def test_what_a_file_was_is_kept_wherever_open_files_may_not_move(tmp_path, monkeypatch, may_move):
    monkeypatch.setattr(whole, "OPEN_FILES_MAY_MOVE", may_move)
    write_whole(tmp_path / "file", [b"old"])
    write_whole(tmp_path / "file", [b"n", b"ew"], keep_as=tmp_path / "before")
    assert (tmp_path / "file").read_bytes() == b"new" and (tmp_path / "before").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"file", "before"}


def test_a_picture_that_a_viewer_holds_open_on_windows_stays_as_it_is(tmp_path, monkeypatch):
    folder, latest = RunFolder(tmp_path), tmp_path / "latest.png"
    folder.show("latest.png", b"old")
    monkeypatch.setattr(os, "replace", refusing(os.replace))
    monkeypatch.setattr(whole, "OPEN_FILES_MAY_MOVE", False)
    with latest.open():
        with pytest.raises(FolderError, match="being used"):  # as on any other system
            folder.show("latest.png", b"new")
        monkeypatch.setattr(platforms, "OPEN_FILES_MAY_MOVE", False)
        folder.show("latest.png", b"new")
        assert latest.read_bytes() == b"old" and [*tmp_path.iterdir()] == [latest]
    folder.show("latest.png", b"new")
    assert latest.read_bytes() == b"new"


def test_a_file_taken_for_a_leftover_before_it_is_renamed_is_written_again(tmp_path, monkeypatch):
    """Where open files may not move, another process may remove it just then."""
    monkeypatch.setattr(whole, "OPEN_FILES_MAY_MOVE", False)
    rename, times = whole._rename, []

    def disturbed(temporary, *others):
        times.append(temporary)
        if len(times) == 1:
            temporary.unlink()
        rename(temporary, *others)

    monkeypatch.setattr(whole, "_rename", disturbed)
    write_whole(tmp_path / "file", [b"content"])
    assert len(times) == 2 and (tmp_path / "file").read_bytes() == b"content"


def test_what_is_being_written_is_never_taken_for_a_leftover(tmp_path):
    """By many writers at once, each of which looks for leftovers of the others before it writes."""

    def write(number):
        for i in range(300):
            write_whole(tmp_path / f"{number}-{i % 3}", [b"content"])
            with scratch_folder(tmp_path) as folder:
                (folder / "file").write_bytes(b"content")
        return number

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(4))) == [0, 1, 2, 3]
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_a_scratch_folder_is_locked_while_it_lives_and_gone_after(tmp_path):
    with scratch_folder(tmp_path) as folder:
        (folder / "file").write_text("x")
        whole.remove_leftovers(tmp_path)
        assert (folder / "file").exists()
        kept = folder.rename(tmp_path / "kept")
    assert {path.name for path in tmp_path.iterdir()} == {"kept"} and (kept / "file").exists()


def test_a_user_without_a_home_has_none(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    assert platforms.home() is None
    monkeypatch.setenv("HOME", "/somewhere")
    assert str(platforms.home()) == "/somewhere"
