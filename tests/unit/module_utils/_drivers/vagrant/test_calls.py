# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task costs that has nothing to do: no Vagrant at all with libvirt, and at most one elsewhere."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import driver
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.vagrant.played import World

NAMES = [f"many-{number:02}" for number in range(20)]
#: (options of the new VM, variables of the task, the connection that virsh is started for).
_CONNECTIONS = [
    ({}, {}, "qemu:///system"),
    ({}, {"LIBVIRT_DEFAULT_URI": "test:///default"}, "test:///default"),
    ({"qemu_use_session": True}, {}, "qemu:///session"),
    ({"qemu_use_session": True}, {"LIBVIRT_DEFAULT_URI": "test:///default"}, "test:///default"),
    ({"uri": "qemu:///embed", "qemu_use_session": True}, {"LIBVIRT_DEFAULT_URI": "test:///default"}, "qemu:///embed"),
]


class Virsh:
    """Every VM of every connection runs; ``started`` are the connections of all processes."""

    started: list

    def __init__(self, _commands, _executable, uri):
        self._uri = uri

    def batch(self, requests, timeout=None):
        self.started.append(self._uri)
        answers = {"domstate": "running (booted)\n", "domifaddr": " vnet0  52:54:00:80:72:a6  ipv4  192.0.2.5/24\n"}
        return [Answer(answers.get(words[0], ""), None) for words in requests]


@pytest.fixture
def in_libvirt(tmp_path, monkeypatch):
    world = World(tmp_path, "libvirt")
    world.port.programs["virsh"] = None
    monkeypatch.setattr(Virsh, "started", [], raising=False)
    monkeypatch.setattr(driver, "Virsh", Virsh)
    return world


def _note_as_started(world, names):
    """What Vagrant and the driver leave after a start."""
    for name in names:
        folder = world.project / ".vagrant" / "machines" / name / "libvirt"
        folder.mkdir(parents=True)
        (folder / "id").write_text(f"u-{name}", encoding="ascii")
        note = {"v": 1, "id": f"u-{name}", "ssh": {"user": "vagrant", "key_file": "/key"}}
        (folder / "polyvirt.json").write_text(json.dumps(note), encoding="ascii")


@pytest.mark.parametrize("about", ["vm", "vm_info"])
def test_running_vms_of_libvirt_need_one_virsh(in_libvirt, about):
    in_libvirt.describe(NAMES)
    _note_as_started(in_libvirt, NAMES)
    options = {"state": "started"} if about == "vm" else {}
    answer = in_libvirt.run(NAMES if about == "vm" else None, about, **options)
    assert [vm["state"] for vm in answer.vms] == ["running"] * len(NAMES)
    assert (answer.changed, answer.calls, Virsh.started) == (False, [], ["qemu:///system"])


@pytest.mark.parametrize(("native", "variables", "uri"), _CONNECTIONS)
def test_virsh_is_asked_at_the_connection_of_the_vm(in_libvirt, native, variables, uri):
    in_libvirt.variables.update(variables)
    assert in_libvirt.create(native=native).vm
    _note_as_started(in_libvirt, ["web"])
    assert in_libvirt.run(state="started").vm["state"] == "running"
    assert Virsh.started == [uri]


@pytest.mark.parametrize("key", ["connect_via_ssh", "host", "socket"])
def test_vm_of_another_host_is_asked_of_vagrant(in_libvirt, key):
    in_libvirt.create(native={key: "kvm2"}, state="started")
    assert [call[1] for call in in_libvirt.run(state="started").calls] == ["status"]
    assert Virsh.started == []


def test_elsewhere_one_vagrant_reports_all(world):
    world.describe(NAMES)
    assert world.vagrant.call("up").returncode == 0
    answer = world.run(NAMES, state="started")
    assert (answer.failed, answer.changed, [call[1] for call in answer.calls]) == (False, False, ["status"])


def test_vm_that_was_never_started_needs_no_program(world):
    world.describe(NAMES)
    answer = world.run(NAMES, state="stopped")
    assert (answer.failed, answer.changed, answer.calls) == (False, False, [])


@pytest.mark.parametrize(("given", "passed"), [(None, "{}"), ("other", "other,{}")])
def test_experimental_features_are_added_to_those_of_the_user(world, given, passed):
    if given:
        world.variables["VAGRANT_EXPERIMENTAL"] = given
    world.create(state="started")
    noted = (world.vagrant.folder / "known" / "calls").read_text(encoding="utf-8").splitlines()
    found = {json.loads(line)["environment"]["VAGRANT_EXPERIMENTAL"] for line in noted}
    assert found == {passed.format(driver.EXPERIMENTS["VAGRANT_EXPERIMENTAL"])}
