# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a distribution: a lost disk is foreseen, and WSL deletes no disk that this collection did not create."""

from __future__ import annotations

import pytest

from platforms.wsl.tasks import FLAVOURS, NEW, TAR, host_with_image, run, run_ok, run_rejected, state_of

WEB = {"name": ["web"]}
GONE = {**WEB, "state": "absent", "stop_mode": "force"}


def _both_fail(host, *words, **options):
    """Run a task in check mode and without: both must fail with these words, and change nothing."""
    for check in (True, False):
        run_rejected(host, *words, check=check, **options)


# A disk that is gone --------------------------------------------------------------------------------------------------


def _host_without_disk(flavour="2.6.3"):
    host = host_with_image(flavour)
    run_ok(host, **NEW, version=2)
    disk = host.find("web").disk
    host.files.delete(disk)
    return host, disk


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_distribution_without_its_disk_is_not_started(flavour):
    host, disk = _host_without_disk(flavour)
    _both_fail(host, f"web: {disk} does not exist", "state: absent", **WEB, state="started")
    # Also if the disk disappears after the check: WSL itself reports it.
    host.files.put(disk, b"vhd")
    host.after("Test-Path", lambda: host.files.delete(disk), call=2)
    result = run(host, **WEB, state="started")
    assert (result["failed"], result["changed"], disk in result["msg"]) == (True, False, True), result["msg"]


@pytest.mark.parametrize(
    "options",
    [{"export": "C:\\images\\web.tar"}, {"disks": [{"size": "2T"}]}, {"install_location": "C:\\WSL\\other"}],
    ids=["export", "disks", "install_location"],
)
def test_nothing_is_done_with_a_lost_disk(options):
    host, disk = _host_without_disk()
    result = run(host, check=True, **WEB, **options)
    assert (result["failed"], result["changed"]) == (True, False)
    # Its size cannot be read any more.
    assert (disk in result["msg"]) or "cannot be read" in result["msg"], result["msg"]
    run_rejected(host, **WEB, **options)


def test_source_without_its_disk_is_not_cloned():
    host, disk = _host_without_disk()
    _both_fail(host, "copy: clone.source: the disk of web", disk, name=["copy"], clone="web")


def test_lost_disk_is_reported():
    host, disk = _host_without_disk()
    (vm,) = run(host, "distro_info", **WEB)["vms"]
    assert (vm["state"], vm["reason"]) == ("stopped", f"its disk {disk} does not exist")
    host.add("other")
    reasons = {vm["name"]: vm["reason"] for vm in run(host, "distro_info")["vms"]}
    assert reasons == {"web": vm["reason"], "other": ""}


def test_distribution_without_its_disk_is_deleted_and_created_again():
    host, _disk = _host_without_disk()
    assert run_ok(host, check=True, **GONE)["changed"]
    assert run_ok(host, **GONE)["changed"]
    assert not run_ok(host, **GONE)["changed"]
    assert run_ok(host, **NEW, state="started")["vms"][0]["state"] == "running"


def test_settings_that_do_not_need_the_disk_are_changed():
    host, _disk = _host_without_disk()
    assert run_ok(host, **WEB, description="of anna", tags=["a"])["changed"]


def test_start_of_several_distributions_asks_once():
    """One request more for the task, none for a task without changes."""
    counts = []
    for names in (["a"], ["a", "b", "c"]):
        host = host_with_image()
        run_ok(host, name=names, image=TAR)
        first = len(host.windows.requests)
        run_ok(host, name=names, state="started")
        started = len(host.windows.requests)
        assert not run_ok(host, name=names, state="started")["changed"]
        counts.append((started - first, len(host.windows.requests) - started))
    assert counts[0] == counts[1]
    assert counts[0][1] == 1


# What WSL deletes with a distribution ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
def test_distribution_of_others_is_deleted_only_with_all_disks(version):
    host = host_with_image()
    distro = host.add("web", flags=15 if version == 2 else 7)
    path = distro.disk if version == 2 else f"{distro.base}\\rootfs"
    _both_fail(host, f"web: {path} is deleted together with its VM", "delete_disks: all", **GONE)
    run_ok(host, **GONE, delete_disks="all")
    assert host.find("web") is None


@pytest.mark.parametrize("record", [{"tags": ["a"]}, {"owner": "anna"}, {"fleet": "web"}, {"description": "mine"}])
def test_recorded_settings_do_not_make_a_distribution_ours(record):
    host = host_with_image()
    distro = host.add("web")
    run_ok(host, **WEB, **record)
    _both_fail(host, distro.disk, "delete_disks: all", **GONE)


def test_distribution_that_was_created_here_is_deleted_without_a_question():
    host = host_with_image()
    before = state_of(host)
    run_ok(host, **NEW)
    run_ok(host, **WEB, tags=["a"])
    run_ok(host, **GONE)
    assert state_of(host)[1] == before[1]


def test_distribution_registered_again_by_hand_is_a_stranger():
    """It has another id, so the record of the old one, if somebody copies it, is not its own."""
    host = host_with_image()
    run_ok(host, **NEW)
    record = dict(host.find("web").values)
    run_ok(host, **GONE)
    host.add("web", values=record)
    _both_fail(host, "delete_disks: all", **GONE)
    _both_fail(host, "adopt: true", **NEW, description="x")


def test_disk_that_was_moved_after_the_plan_is_not_deleted():
    """Somebody converts or moves the distribution while it is stopped for its deletion: WSL would delete that."""
    host = host_with_image()
    run_ok(host, **NEW, state="started")
    distro = host.find("web")

    def move():
        host.files.put("D:\\theirs\\ext4.vhdx", host.files.file(distro.disk))
        distro.base = "D:\\theirs"

    host.after("--terminate", move)
    result = run(host, **GONE)
    assert result["failed"]
    assert host.find("web") is distro
    assert host.files.file("D:\\theirs\\ext4.vhdx") is not None


def test_disk_that_is_moved_before_the_call_is_not_deleted():
    """WSL deletes what the registry names when it is called, so that is compared in the same request."""
    host = host_with_image()
    run_ok(host, **NEW)
    distro = host.find("web")

    def move():
        host.files.put("D:\\theirs\\ext4.vhdx", host.files.file(distro.disk))
        distro.base = "D:\\theirs"

    host.after("Get-ItemProperty", move, call=4)
    result = run(host, **GONE)
    assert result["failed"], result["msg"]
    assert host.files.file("D:\\theirs\\ext4.vhdx") is not None


def test_hidden_disk_is_not_lost():
    """Get-ChildItem lists no hidden files."""
    host = host_with_image()
    run_ok(host, **NEW, version=2)
    disk = host.find("web").disk
    listed = host.files.below

    host.files.below = lambda folder: [one for one in listed(folder) if one != host.files.key(disk)]
    assert run(host, "distro_info", **WEB)["vms"][0]["reason"] == ""
