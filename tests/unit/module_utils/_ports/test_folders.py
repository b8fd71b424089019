# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that begin with given bytes: which directories are searched, and what is reported of the others."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._ports import folders

IMAGE = b"QFI\xfb"


def _image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(IMAGE + bytes(100))
    return str(path)


def _search(whole=(), others=(), **more):
    return folders.files_with_beginnings([IMAGE, b"KDMV"], list(map(str, whole)), list(map(str, others)), **more)


def test_directories_are_searched_three_levels_deep(tmp_path):
    found = [_image(tmp_path / "1" / "2" / "3" / "image"), _image(tmp_path / "top")]
    (tmp_path / "raw").write_bytes(b"data")
    (tmp_path / "empty").touch()
    assert _search(others=[tmp_path, tmp_path / "missing"]) == (found, {})
    _image(tmp_path / "1" / "2" / "3" / "4" / "beyond")
    assert _search(others=[tmp_path]) == (found, {str(tmp_path / "1" / "2" / "3"): "it has too many entries or levels"})
    # What is a directory of disks itself is searched from there.
    assert len(_search(others=[tmp_path, tmp_path / "1" / "2"])[0]) == 3


def test_root_may_be_a_link_and_hidden_and_what_is_below_may_not(tmp_path):
    found, hidden = _image(tmp_path / ".hidden" / "images" / "one"), tmp_path / "link"
    hidden.symlink_to(tmp_path / ".hidden" / "images")
    elsewhere = _image(tmp_path / "elsewhere" / "image")
    (tmp_path / ".hidden" / "images" / "link").symlink_to(tmp_path / "elsewhere")
    _image(tmp_path / ".hidden" / "images" / ".git" / "image")
    assert _search(others=[hidden]) == ([found], {})
    # The link itself is an image there.
    (tmp_path / ".hidden" / "images" / "disk").symlink_to(elsewhere)
    assert len(_search(others=[hidden])[0]) == 2


def test_entries_are_limited_except_in_directories_that_are_searched_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_ENTRIES", 3)
    found = [_image(tmp_path / f"{number}") for number in range(5)]
    assert _search(whole=[tmp_path]) == (found, {})
    few, missed = _search(others=[tmp_path])
    assert (len(few), list(missed)) == (3, [str(tmp_path)])
    monkeypatch.setattr(folders, "_ALL_ENTRIES", 4)
    _image(tmp_path / "6" / "1"), _image(tmp_path / "7" / "1")
    assert len(_search(whole=[tmp_path], others=[tmp_path / "6", tmp_path / "7"])[0]) == 7
    assert {*_search(others=[tmp_path, tmp_path / "6", tmp_path / "7"])[1]} >= {str(tmp_path), str(tmp_path / "7")}


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    """To open a FIFO waits for its writer."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    assert _search(others=[tmp_path]) == ([], {})


def test_directory_that_does_not_answer_delays_for_its_time_only(tmp_path, monkeypatch):
    """A child of this process waits there without end, as for a dead network mount; the others are searched."""
    dead, lists = tmp_path / "dead", os.scandir
    dead.mkdir()
    found = _image(tmp_path / "images" / "image")
    monkeypatch.setattr(os, "scandir", lambda path: signal.pause() if path == str(dead) else lists(path))
    began = time.monotonic()
    assert _search([dead], [tmp_path / "images"], seconds=0.5) == (
        [found],
        {str(dead): "it does not answer within 0.5 seconds"},
    )
    assert time.monotonic() - began < 10


def test_directory_that_cannot_be_listed_is_reported(tmp_path):
    name = str(tmp_path / ("long" * 100))
    assert _search([name], [tmp_path]) == ([], {name: "File name too long"})


def test_other_file_systems_below_are_not_entered():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        found = _image(Path(folder) / "image")
        assert found not in _search(others=["/dev"])[0]
        assert found in _search(others=["/dev/shm"])[0]
