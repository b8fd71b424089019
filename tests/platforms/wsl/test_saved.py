# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution that is deleted with ``export`` is saved first: no failure and no kill loses it without a copy."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from platforms.windows.failures import interruptions
from platforms.wsl.double.distro import FILES, packed, unpacked
from platforms.wsl.tasks import NEW, controller_ends, host_with_image, run, run_ok, run_rejected, state_of

FILE = "C:\\images\\web.tar"
GONE = {"name": ["web"], "state": "absent", "export": FILE}


def _host(**more):
    host = host_with_image()
    run_ok(host, **NEW, **more)
    host.find("web").files["/root/data"] = b"precious"
    return host


def _is_saved(host, file=FILE):
    content = host.files.file(file)
    return content is not None and unpacked(content).get("/root/data") == b"precious"


@pytest.mark.parametrize("state", ["stopped", "started"])
@pytest.mark.parametrize("extension", [".tar", ".tar.gz", ".tar.xz", ".vhdx"])
def test_distribution_is_exported_before_it_is_deleted(state, extension):
    host, file = _host(state=state), f"C:\\images\\web{extension}"
    gone, before = {**GONE, "export": file}, state_of(host)
    foreseen = run_ok(host, check=True, **gone)
    assert state_of(host) == before
    result = run_ok(host, **gone)
    steps = [step["verb"] for step in result["vms"][0]["steps"]]
    assert steps[-2:] == ["configure", "delete"]
    assert (foreseen["diff"], foreseen["vms"][0]["steps"]) == (result["diff"], result["vms"][0]["steps"])
    saved = host.files.file(file)
    assert (saved.tree if extension == ".vhdx" else unpacked(saved))["/root/data"] == b"precious"
    assert (host.find("web"), [one for one in host.files.contents if ".polyvirt" in one]) == (None, [])
    # Without a distribution, there is nothing to save, and the file stays as it is.
    assert not run_ok(host, **gone)["changed"]
    assert host.files.file(file) is saved


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("is_recorded", [True, False])
def test_existing_file_is_no_copy_of_a_distribution(check, is_recorded):
    host = _host()
    if is_recorded:
        run_ok(host, name=["web"], export=FILE)
        host.find("web").files["/root/data"] = b"newer"
    else:
        host.files.put(FILE, packed(FILES))
    result = run_rejected(host, f"web: export: {FILE} already exists", "Set another name", check=check, **GONE)
    assert "remove" not in result["msg"].lower()
    assert "delete" not in result["msg"].lower()


def _cut(host, size):
    written = next(path for path in host.files.contents if ".polyvirt-" in path)
    host.files.put(written, host.files.file(written)[:size])


@pytest.mark.parametrize(
    ("extension", "size"),
    [(".tar", 0), (".tar", 700), (".tar", packed(FILES).rstrip(b"\0").__len__() // 512 * 512 + 512), (".tar.gz", 200)],
)
def test_export_that_is_not_complete_deletes_nothing(extension, size):
    host = _host()
    before = state_of(host)
    host.after("--export", lambda: _cut(host, size))
    run_rejected(host, "web: export: the file", "was not deleted", **{**GONE, "export": f"C:\\images\\web{extension}"})
    assert state_of(host) == before


@pytest.mark.parametrize("word", ["--export", "Move-Item"])
def test_failure_before_the_copy_is_in_place_deletes_nothing(word):
    host = _host(state="started")
    if word == "Move-Item":
        host.after("--export", lambda: host.files.put(FILE, b"theirs"))
    else:
        host.before("--export", lambda: host.files.capacity.update(C=0))
    result = run(host, **GONE)
    assert (result["failed"], host.find("web").running) == (True, True), result["msg"]
    assert host.files.file(FILE) in (None, b"theirs")


@pytest.mark.parametrize("state", ["present", "absent"])
def test_file_that_somebody_creates_before_the_export_is_not_taken_for_it(state):
    host = _host()
    host.after("Test-Path", lambda: host.files.put(FILE, b"theirs"), call=2)
    result = run(host, **{**GONE, "state": state})
    assert (result["failed"], FILE in result["msg"], host.files.file(FILE)) == (True, True, b"theirs"), result["msg"]
    assert host.find("web") is not None


def _interrupted(place, fault):
    """The host after a deletion that is interrupted at a call; its controller ends too, unless it repeats the call."""
    host = _host(state="started")
    host.windows.faults.plan(call=place, **interruptions(None)[fault])
    with controller_ends(host) if fault != "lose" else nullcontext():
        run(host, **GONE)
    return host


@pytest.mark.parametrize("fault", ["lose", "kill before", "kill after"])
def test_interruption_at_any_call_loses_nothing_and_the_next_task_completes_the_deletion(fault):
    host = _host(state="started")
    first = host.windows.faults.calls
    run_ok(host, **GONE)
    ends = set()
    for place in range(1, host.windows.faults.calls - first + 1):
        host = _interrupted(place, fault)
        ends.add((host.find("web") is not None, _is_saved(host)))
        saved = host.files.file(FILE)
        run_ok(host, **GONE)
        assert (host.find("web"), _is_saved(host)) == (None, True), place
        assert saved in (None, host.files.file(FILE)), place
    assert ends <= {(True, False), (True, True), (False, True)}
    assert fault == "lose" or len(ends) == 3


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("since", ["file", "disk", "running"])
def test_copy_of_an_interrupted_task_counts_only_while_it_is_current(since, check):
    hosts = (_interrupted(place, "kill after") for place in range(1, 99))
    host = next(host for host in hosts if _is_saved(host))
    assert host.find("web"), "the copy is complete, and the distribution is still there"
    if since == "running":
        run_ok(host, name=["web"], state="started")
    else:
        path = FILE if since == "file" else host.find("web").disk
        host.files.put(path, host.files.file(path))
    run_rejected(host, "already exists", "Set another name", check=check, **GONE)
