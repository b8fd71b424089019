# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupted tasks with appliances on Hyper-V: the next one ends as an undisturbed one, with the right disks."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from platforms.hyperv.appliance_tasks import A, B, backup, bytes_in, host_with_switch, ova, task
from platforms.hyperv.stored_images import images_of
from platforms.hyperv.tasks import done, run
from platforms.windows.failures import Failed, interruptions
from suite import appliance_files as made
from suite.belts import share

#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 4
_ERROR = Failed("Test,Test", "NotSpecified", "Es ging schief.")


@pytest.fixture(name="asked")
def _asked(world, tmp_path):
    return task(ova(tmp_path))


def _left(world):
    """What no task may leave: unfinished files on the controller."""
    return [one.name for one in world.store.iterdir() if one.name.startswith(".")] if world.store.exists() else []


def _calls(asked):
    host = host_with_switch()
    first = host.windows.faults.calls
    done(host, **asked)
    return host.windows.faults.calls - first


@pytest.mark.parametrize("written", [ova, backup])
@pytest.mark.parametrize("then", ["completed", "deleted"])
def test_killed_creation_is_completed_or_deleted(request, world, tmp_path, written, then):
    asked = task(written(tmp_path))
    calls = _calls(asked)
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = host_with_switch()
        for one in range(place, place + 999):
            host.windows.faults.plan(call=one, kind="kill", before=one > place)
        assert run(host, **asked)["failed"], place
        host.windows.faults.planned.clear()
        if then == "deleted":
            done(host, name=["web"], state="absent", stop_mode="force")
            assert host.vms == [], place
            assert [one for one in host.files.contents if one.startswith("c:\\hyper-v")] == [], place
            continue
        done(host, **asked)
        assert [vm.name for vm in host.vms] == ["web"], place
        assert bytes_in(host) == {"IDE 0:0": B, "IDE 0:1": A}, place
        assert len(images_of(host)) == 4, (place, images_of(host))
        assert not done(host, **asked)["changed"], place


@pytest.mark.parametrize("label", interruptions(_ERROR))
def test_interruption_is_survived_by_the_task_or_its_next_run(request, asked, label):
    calls = _calls(asked)
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = host_with_switch()
        host.windows.faults.plan(call=place, **interruptions(_ERROR)[label])
        first = run(host, **asked)
        assert "exception" not in first, place
        done(host, **asked)
        assert bytes_in(host) == {"IDE 0:0": B, "IDE 0:1": A}, place
        assert [vm.name for vm in host.vms] == ["web"], place


def test_task_with_another_boot_disk_does_not_get_the_disks_of_a_killed_one(request, asked):
    calls = _calls(asked)
    other = {**asked, "appliance": {**asked["appliance"], "boot_disk": "a.vmdk"}}
    for place in share(request.config, range(1, calls), _PLACES):
        host = host_with_switch()
        for one in range(place, place + 999):
            host.windows.faults.plan(call=one, kind="kill", before=one > place)
        run(host, **asked)
        host.windows.faults.planned.clear()
        if done(host, **other)["changed"]:
            assert bytes_in(host) == {"IDE 0:0": A, "IDE 0:1": B}, place


def test_killed_conversion_leaves_nothing_after_the_next_run(asked, world, monkeypatch):
    host = host_with_switch()
    whole = QemuImg.convert

    def cut(self, source, image_format, path, *more):
        whole(self, source, image_format, path, *more)
        os.truncate(path, 1000)
        raise KeyboardInterrupt

    monkeypatch.setattr(QemuImg, "convert", cut)
    monkeypatch.setattr(files, "remove", lambda _path: None)
    with pytest.raises(KeyboardInterrupt):
        run(host, **asked)
    monkeypatch.undo()
    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(world.store))
    assert _left(world) != []
    done(host, **asked)
    assert (_left(world), bytes_in(host)) == ([], {"IDE 0:0": B, "IDE 0:1": A})


def test_appliance_that_is_replaced_while_it_is_read_is_rejected(asked, tmp_path, monkeypatch):
    host = host_with_switch()
    whole = QemuImg.convert

    def replacing(self, *words):
        whole(self, *words)
        os.unlink(asked["appliance"]["source"])
        ova(tmp_path, made.item(35, 50))

    monkeypatch.setattr(QemuImg, "convert", replacing)
    result = run(host, **asked)
    assert f"{asked['appliance']['source']} was changed while this task read it. Run the task again." in result["msg"]
    assert (host.vms, images_of(host), result["changed"]) == ([], [], False)
