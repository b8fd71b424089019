# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of processes: one for a hundred VMs as requested, five for each VM created, three for each one deleted."""

from __future__ import annotations

import uuid
from collections import Counter

import pytest

from platforms.libvirt import testdriver as libvirt_test
from suite.carry import carry_one

MACHINES = 100
_MACHINE = """\
<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <description>one of many</description><os><type arch='i686'>hvm</type></os></domain>
"""


def _machine(name):
    # With a fixed id, because each process of the test driver would choose another one.
    return _MACHINE.format(name=name, uuid=uuid.uuid5(uuid.NAMESPACE_DNS, name))


def test_unchanged_task_takes_one_process(shim, tmp_path):
    names = [f"many-{number:03}" for number in range(MACHINES)]
    node = tmp_path / "node.xml"
    node.write_text(f"<node>{''.join(_machine(name) for name in names)}</node>", encoding="utf-8")
    options = {"uri": f"test://{node}", "cpus": 1, "memory": "128M", "description": "one of many"}
    # VMs that are defined with the node run.
    run = carry_one(libvirt_test.Platform(), shim, tmp_path, {**options, "name": names, "state": "started"})
    assert run.rc == 0, run.result
    assert run.result["changed"] is False
    assert [vm["name"] for vm in run.result["vms"]] == names
    assert len(run.calls) == 1, [call.argv[:6] for call in run.calls]


def test_one_changed_vm_among_many_is_found(shim, tmp_path):
    names = ["many-1", "many-2"]
    node = tmp_path / "node.xml"
    machines = [_machine(names[0]), _machine(names[1]).replace("one of many", "drifted")]
    node.write_text(f"<node>{''.join(machines)}</node>", encoding="utf-8")
    options = {"uri": f"test://{node}", "name": names, "description": "one of many", "_ansible_check_mode": True}
    run = carry_one(libvirt_test.Platform(), shim, tmp_path, options)
    assert run.rc == 0, run.result
    assert [vm["changed"] for vm in run.result["vms"]] == [False, True]


CREATED, MOST = 20, 110


def _asked(run):
    """How often a command was started; the first one of a batch stands for all."""
    return Counter(
        (call.argv[0], call.argv[4 if call.argv[0] == "virsh" else 1].partition(";")[0]) for call in run.calls
    )


def test_creation_of_many_linked_vms_asks_about_the_host_once(qemu, shim, tmp_path, record_property):
    """Two definitions, an image and its chain for each VM; all else is asked once, and the end is observed once."""
    qemu.clean()
    qemu.start_network()
    names = [f"{qemu.prefix}many-{number:02}" for number in range(CREATED)]
    creation = {
        "image": {"source": qemu.base_image(), "linked": True},
        "networks": [{"type": "network", "source": qemu.guests_network}],
    }
    options = {**qemu.creation, **creation, "name": names, "disks": [{"size": "24M"}]}
    check = carry_one(qemu, shim, tmp_path, options, check=True)
    run = carry_one(qemu, shim, tmp_path, options)
    again = carry_one(qemu, shim, tmp_path, options)
    assert (check.rc, run.rc, again.rc) == (0, 0, 0), (check.result, run.result, again.result)
    assert (run.result["diff"], again.changed) == (check.result["diff"], False)
    record_property("processes", len(run.calls))
    assert len(run.calls) <= MOST, _asked(run)
    asked = _asked(run)
    expected = {("virsh", "define"): 2 * CREATED, ("qemu-img", "create"): CREATED, ("qemu-img", "info"): CREATED + 1}
    assert {words: asked[words] for words in expected} == expected
    once = {("qemu-img", "check"): 1, ("virsh", "net-list --all --name"): 1, ("virsh", "version"): 2}
    assert {words: asked[words] for words in once} == once
    # All questions before the first change, one of them for what the VM of somebody else holds; a task without changes
    # asks only once.
    assert (len(check.calls), len(again.calls)) == (9, 1), (_asked(check), _asked(again))
    assert all(qemu.backing_files(machine) == {qemu.base_image()} for machine in qemu.truth(names).values())


def _pruned(qemu, shim, folder, number):
    """How often each command was started to delete ``number`` VMs of a fleet, of which one VM remains."""
    fleet = {"fleet": f"{qemu.prefix}fleet", "disks": [{"size": "1M"}]}
    names = [f"{qemu.prefix}many-{place:02}" for place in range(number + 1)]
    made = carry_one(qemu, shim, folder, {**qemu.creation, **fleet, "name": names})
    assert made.rc == 0, made.result
    wanted = {"name": names[:1], "fleet": fleet["fleet"], "prune": True, "prune_max": number}
    check = carry_one(qemu, shim, folder, wanted, check=True)
    run = carry_one(qemu, shim, folder, wanted)
    assert (check.rc, run.rc) == (0, 0), run.result
    assert sorted(vm["name"] for vm in run.result["vms"] if vm["changed"]) == names[1:]
    assert len(check.calls) <= 8, _asked(check)
    return Counter(words[1].split()[0] for words in _asked(run).elements())


@pytest.mark.full
def test_deletions_of_a_fleet_are_linear(qemu, shim, tmp_path, record_property):
    """One definition and one undefine for each VM; all others are asked once, and once more directly before."""
    qemu.clean()
    few, many = _pruned(qemu, shim, tmp_path, 10), _pruned(qemu, shim, tmp_path, 50)
    record_property("processes", f"{few.total()} for 10 VMs, {many.total()} for 50")
    grown = {word: many[word] - few[word] for word in many if many[word] != few[word]}
    assert grown.pop("domstate", 0) <= 40, (few, many)  # The ends of those that were stopped together.
    assert grown == {"dumpxml": 40, "undefine": 40}, (few, many)
