# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two tasks store something of one VM at the same time: no record is overwritten, on Hyper-V and on WSL."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.mark import notes_of, split_notes

from platforms.hyperv.counts import host_with
from platforms.hyperv.tasks import done, run
from platforms.wsl import tasks as wsl

NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}], "networks": []}
WEB = {"name": ["web"]}


@pytest.mark.parametrize("options", [{"tags": ["a"]}, {"disks": [{}, {"size": "4G"}]}], ids=str)
def test_notes_that_another_task_has_changed_are_not_overwritten(options):
    host = host_with()
    done(host, **NEW)
    vm = host.vm("web")

    def other():
        description, mark = split_notes(vm.shown["Notes"])
        vm.shown["Notes"] = notes_of(description, {**mark, "fleet": "db"})

    # The first call is that of the observation, the second one that of the change.
    host.before("Get-VM", other, call=2)
    result = done(host, **WEB, **options)
    assert result["changed"]
    _description, mark = split_notes(vm.shown["Notes"])
    assert (mark["fleet"], mark["tags"]) == ("db", options.get("tags", []))
    assert len(mark["disks"]) == len(vm.hardware.disks())
    assert not done(host, **WEB, **options)["changed"]


@pytest.mark.parametrize(
    "given",
    [
        {"snapshot": "new", "description": "before the update"},
        {"snapshot": "old", "expires": "2099-01-01T00:00:00Z"},
        {"snapshot": "old", "state": "absent"},
        {"snapshot": "old", "state": "restored"},
    ],
    ids=["taken", "expiry", "deleted", "restored"],
)
def test_notes_that_another_task_has_changed_are_not_overwritten_by_a_checkpoint(given):
    """The disk that it has recorded would be foreign, and the text of a user would be gone."""
    host = host_with()
    done(host, **NEW)
    done(host, "snapshot", **WEB, snapshot="old", description="first")
    vm = host.vm("web")

    def other():
        _description, mark = split_notes(vm.shown["Notes"])
        vm.shown["Notes"] = notes_of("by a user", {**mark, "fleet": "db"})

    host.before("Get-VM", other, call=2)
    failed = run(host, "snapshot", **WEB, **given)
    assert (failed["failed"], "its notes were changed meanwhile" in failed["msg"]) == (True, True), failed["msg"]
    assert [one.name for one in vm.snapshots] == ["old"]
    assert done(host, "snapshot", **WEB, **given)["changed"]
    description, mark = split_notes(vm.shown["Notes"])
    assert (mark["fleet"], description) == ("db", "" if given.get("state") == "restored" else "by a user")


def test_record_of_a_distribution_that_another_task_has_changed_is_not_overwritten():
    host = wsl.host_with_image()
    wsl.run_ok(host, **wsl.NEW)
    distro = host.find("web")

    def other():
        distro.values["polyvirt"] = json.dumps({**json.loads(distro.values["polyvirt"]), "fleet": "db"})

    # Those before are of the observation (two), and of the step, which reads the registry before the change.
    host.after("Get-ItemProperty", other, call=4)
    result = wsl.run_ok(host, **wsl.NEW, tags=["a"])
    assert result["changed"]
    mark = json.loads(distro.values["polyvirt"])
    assert (mark["fleet"], mark["tags"]) == ("db", ["a"])
