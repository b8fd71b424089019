# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of processes for one observation: two for up to a hundred VMs."""

from __future__ import annotations

import uuid

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


def test_unchanged_task_takes_two_processes(shim, tmp_path):
    names = [f"many-{number:03}" for number in range(MACHINES)]
    node = tmp_path / "node.xml"
    node.write_text(f"<node>{''.join(_machine(name) for name in names)}</node>", encoding="utf-8")
    options = {"uri": f"test://{node}", "cpus": 1, "memory": "128M", "description": "one of many"}
    # VMs that are defined with the node run.
    run = carry_one(libvirt_test.Platform(), shim, tmp_path, {**options, "name": names, "state": "started"})
    assert run.rc == 0, run.result
    assert run.result["changed"] is False
    assert [vm["name"] for vm in run.result["vms"]] == names
    assert 1 <= len(run.calls) <= 2, [call.argv[:6] for call in run.calls]


def test_one_changed_vm_among_many_is_found(shim, tmp_path):
    names = ["many-1", "many-2"]
    node = tmp_path / "node.xml"
    machines = [_machine(names[0]), _machine(names[1]).replace("one of many", "drifted")]
    node.write_text(f"<node>{''.join(machines)}</node>", encoding="utf-8")
    options = {"uri": f"test://{node}", "name": names, "description": "one of many", "_ansible_check_mode": True}
    run = carry_one(libvirt_test.Platform(), shim, tmp_path, options)
    assert run.rc == 0, run.result
    assert [vm["changed"] for vm in run.result["vms"]] == [False, True]
