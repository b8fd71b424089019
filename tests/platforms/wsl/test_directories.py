# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and sources that several distributions of one task use, one after the other."""

from __future__ import annotations

import pytest

from platforms.windows.failures import Failed
from platforms.wsl.tasks import TAR, host_with_image, run, run_ok, run_rejected

X, Y = "D:\\vms\\x", "D:\\vms\\y"


def _host():
    """A host with the distribution ``one`` in X."""
    host = host_with_image(idle_seconds=1e9)
    run_ok(host, name=["one"], image=TAR, install_location=X)
    return host


@pytest.mark.parametrize(
    "leaving", [{"state": "absent"}, {"install_location": Y}, {"install_location": Y, "state": "started"}], ids=str
)
@pytest.mark.parametrize("needing", [{"name": "new", "image": TAR}, {"name": "other"}], ids=["new", "moved"])
def test_directory_that_one_distribution_leaves_is_that_of_the_next_one(leaving, needing):
    host = _host()
    run_ok(host, name=["other"], image=TAR)
    entries = [{"name": "one", **leaving}, {**needing, "install_location": "d:/VMS/X/"}]
    assert not run(host, check=True, machines=entries)["failed"]
    run_ok(host, machines=entries)
    assert host.find(needing["name"]).base == "d:\\VMS\\X"
    assert not run_ok(host, machines=entries)["changed"]


def test_directory_of_another_distribution_can_be_used_in_the_other_order():
    host = _host()
    entries = [{"name": "new", "image": TAR, "install_location": X}, {"name": "one", "state": "absent"}]
    run_rejected(host, f"new: install_location: {X} is used by one. List one before new.", machines=entries)
    run_ok(host, machines=entries[::-1])


def test_distribution_is_not_moved_to_a_directory_with_a_virtual_disk():
    host = _host()
    host.files.put(f"{Y}\\ext4.vhdx", b"precious")
    run_rejected(host, "one: install_location", "never overwritten", name=["one"], install_location=Y)
    assert run(host, check=True, name=["one"], install_location=Y)["failed"]


@pytest.mark.parametrize("task", ["new", "clone", "moved"])
@pytest.mark.parametrize("taken", ["temp\\notes.txt", "rootfs\\a\\b", "shortcut.ico"])
def test_what_wsl_deletes_with_a_distribution_must_not_be_in_its_directory(task, taken):
    """It takes these names, whoever created them."""
    host, options = _host(), {"new": NEW, "clone": COPY, "moved": MOVED}[task]
    host.files.put(f"{Y}\\{taken}", b"precious")
    named = f"{Y}\\{taken.split(chr(92))[0]} already exists, and existing files are never overwritten"
    run_rejected(host, named, **options, install_location=Y)
    assert run(host, check=True, **options, install_location=Y)["failed"]
    for path in reversed(host.files.below(Y)):
        host.files.delete(path)
    host.files.put(f"{Y}\\tempo\\mine.txt", b"precious")
    run_ok(host, **options, install_location=Y)
    run_ok(host, name=options["name"], state="absent")
    assert host.files.read(f"{Y}\\tempo\\mine.txt", 9)["exists"]


NEW, COPY, MOVED = {"name": ["new"], "image": TAR}, {"name": ["new"], "clone": "one"}, {"name": ["one"]}
_TASKS = pytest.mark.parametrize("task", [NEW, COPY, MOVED], ids=["new", "clone", "moved"])


@_TASKS
@pytest.mark.parametrize("in_way", ["D:\\a", "D:\\a\\b", "d:\\A\\b\\c"])
def test_file_in_the_way_of_a_directory_is_found_in_check_mode(task, in_way):
    host = _host()
    host.files.put(in_way, b"precious")
    writes = list(host.writes())
    where = {"install_location": "D:\\a\\b\\c"}
    message = run_rejected(host, "D:\\a\\b\\c cannot be a directory: D:\\a", **task, **where)["msg"]
    assert run(host, check=True, **task, **where)["msg"] == message
    assert host.writes() == writes


@_TASKS
def test_failed_reading_is_no_file_in_the_way(task):
    host, where = _host(), {"install_location": "D:\\vms\\new"}
    before = host.windows.faults.calls
    assert not run(host, check=True, **task, **where)["failed"]
    messages = []
    for place in range(1, host.windows.faults.calls - before + 1):
        host.windows.faults.plan("fail", place, error=Failed("Test,Test", message="Es ging schief."))
        messages.append(run(host, check=True, **task, **where).get("msg", ""))
    assert [message for message in messages if "is a file" in message] == []
    assert f"{task['name'][0]}: Es ging schief." in messages


@_TASKS
def test_directory_that_windows_does_not_create_is_an_error_before_wsl_is_run(task):
    """PowerShell reports no error then."""
    host = _host()
    where = {"install_location": f"D:\\{'n' * 256}\\web"}
    message = run_rejected(host, "install_location: Windows cannot create the directory", **task, **where)["msg"]
    assert message.startswith(f"{task['name'][0]}: ")
    assert [words for words in host.writes() if words[0] == "wsl" and words[1] in ("--export", "--manage")] == []


@pytest.mark.parametrize("states", [("present",), ("present", "started"), ("started", "started")], ids=str)
def test_source_is_started_after_its_clones(states):
    """A clone stops its source."""
    host = _host()
    clones = [{"name": f"copy{number}", "clone": "one", "state": state} for number, state in enumerate(states)]
    run_ok(host, machines=[*clones, {"name": "one", "state": "started"}])
    calls = [words[1] for words in host.writes() if words[0] == "wsl" and "one" in words]
    assert calls == ["--import", *["--export"] * len(states), "-d"]
    assert host.find("one").running
