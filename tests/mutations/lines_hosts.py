# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of libvirt's networks and pools, and of tasks that change one VM at the same time."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/virsh"
_POOLS = [
    "tests/unit/module_utils/_hosts/libvirt/test_pool_plan.py",
    "tests/unit/module_utils/_hosts/libvirt/test_pool_users.py",
]
_NETWORKS = ["tests/unit/module_utils/_hosts/libvirt/test_network_users.py"]
_OF_BRIDGE = "_hosts/libvirt/network_host.py"
_TASKS = [f"{_UNIT}/test_two_tasks.py"]
_ALONE = ["tests/unit/module_utils/_engine/test_alone.py"]
_LOCKS = ["tests/unit/module_utils/_ports/test_exclusive.py", "tests/unit/module_utils/_tools/test_definition_lock.py"]

MUTATIONS = (
    Mutation(
        "pool-of-any-type-is-built",
        "_hosts/libvirt/pool_plan.py",
        'self._after["type"] in options.BUILT',
        'self._after["type"] != "logical"',
        _POOLS,
    ),
    Mutation(
        "disk-is-built-like-a-directory",
        "_hosts/libvirt/pool_options.py",
        "(DIR, FS, NETFS)",
        '(DIR, FS, NETFS, "disk")',
        _POOLS,
    ),
    Mutation(
        "pools-of-devices-own-their-path",
        "_hosts/libvirt/pool_plan.py::_check",
        "if kind in options.TYPES:\n    ...",
        "self._check_path(path)",
        _POOLS,
    ),
    Mutation(
        "path-of-devices-is-taken",
        "_hosts/libvirt/pool_host.py",
        'one is not None and other != name and one.get("type") in TYPES',
        "one is not None and other != name",
        _POOLS,
    ),
    Mutation(
        "source-of-any-pool-is-changed",
        "_hosts/libvirt/pool_options.py::not_changed_here",
        "[name for name in _VALUES if _]",
        "[]",
        _POOLS,
    ),
    Mutation(
        "volumes-of-a-pool-of-devices-are-not-in-use",
        "_hosts/libvirt/pool_host.py",
        "(devices and self._identity(path) in devices)",
        "False",
        _POOLS,
    ),
    Mutation(
        "device-is-compared-by-its-name",
        "_hosts/libvirt/pool_host.py::_identity",
        "files.identity(path) if is_local(self.virsh.uri) else path",
        "path",
        _POOLS,
    ),
    Mutation(
        "every-device-below-the-path-uses-the-pool",
        "_hosts/libvirt/pool_host.py",
        'is_own and found["type"] != DIR',
        'found["type"] != DIR',
        _POOLS,
    ),
    Mutation(
        "running-vm-that-names-the-bridge-is-no-user",
        f"{_OF_BRIDGE}::guests",
        "self._owners_of_ports(name, reading) | by_name | self._on_bridge(root, bridge, reading)",
        "self._owners_of_ports(name, reading) | self._on_bridge(root, bridge, reading)",
        _NETWORKS,
    ),
    Mutation(
        "ports-of-the-bridge-are-no-users",
        f"{_OF_BRIDGE}::guests",
        "self._owners_of_ports(name, reading) | by_name | self._on_bridge(root, bridge, reading)",
        "self._owners_of_ports(name, reading) | by_name",
        _NETWORKS,
    ),
    Mutation(
        "ports-of-nobody-are-no-users",
        f"{_OF_BRIDGE}::_on_bridge",
        "{owners.get(port, port) for port in ports}",
        "{owners[port] for port in ports if port in owners}",
        _NETWORKS,
    ),
    Mutation(
        "uplink-of-the-network-is-a-user",
        f"{_OF_BRIDGE}::_on_bridge",
        '{*files.entries(_1)} - {f"{bridge}{_OWN_PORT}"} - uplinks',
        '{*files.entries(_1)} - {f"{bridge}{_OWN_PORT}"}',
        _NETWORKS,
    ),
    Mutation(
        "bridge-of-the-host-keeps-its-network",
        f"{_OF_BRIDGE}::_on_bridge",
        'values.read(root)["mode"] == BRIDGE',
        "False",
        _NETWORKS,
    ),
    Mutation(
        "kernel-of-this-host-is-asked-for-another-one",
        f"{_OF_BRIDGE}::_on_bridge",
        "not self._is_of_this_kernel",
        "False",
        _NETWORKS,
    ),
    Mutation(
        "stored-vms-instead-of-running-ones",
        f"{_OF_BRIDGE}::read",
        '[("dumpxml", uuid) for uuid in active]',
        '[("dumpxml", uuid, "--inactive") for uuid in active]',
        _NETWORKS,
    ),
    Mutation(
        "two-tasks-change-one-vm",
        "_drivers/virsh/driver.py::alone",
        "not is_free",
        "False",
        _TASKS,
    ),
    Mutation(
        "one-lock-for-all-vms",
        "_drivers/virsh/driver.py::alone",
        'f"libvirt {vm.id}"',
        '"libvirt"',
        _TASKS,
    ),
    Mutation(
        "any-power-step-makes-the-lock-needless",
        "_drivers/virsh/driver.py::alone",
        "all(step.verb in _WITHOUT_LOCK for step in steps)",
        "any(step.verb in _WITHOUT_LOCK for step in steps)",
        _TASKS,
    ),
    Mutation(
        "snapshots-take-no-lock",
        "_drivers/virsh/driver.py",
        'POWER_VERBS | {"fetch"}',
        'POWER_VERBS | {"fetch", "restore"}',
        _TASKS,
    ),
    Mutation(
        "definition-is-not-compared-with-the-plan",
        "_drivers/virsh/configure.py::configure",
        "driver.check_as_planned(vm, definition)",
        "None",
        _TASKS,
    ),
    Mutation(
        "definition-is-not-compared-before-it-is-stored",
        "_drivers/virsh/configure.py::_store",
        "driver.check_still(vm, before)",
        "None",
        _TASKS,
    ),
    Mutation(
        "copies-take-no-time",
        "_drivers/virsh/configure.py::_takes_time",
        "change.kind in _OF_FILES or (_1)",
        "_1",
        _TASKS,
    ),
    Mutation(
        "own-first-change-is-taken-for-another-clients",
        "_drivers/virsh/driver.py::check_as_planned",
        "vm.revision is not None and vm.id not in self._stored",
        "vm.revision is not None",
        _TASKS,
    ),
    Mutation(
        "lock-is-released-before-the-second-plan",
        "_engine/execute.py::_apply",
        "[self._with_new_plan(work, sent) for work, sent in zip(works, self._applied(works))]",
        "self._applied(works)",
        _ALONE,
    ),
    Mutation(
        "held-vm-is-changed-without-the-lock",
        "_engine/execute.py::_apply",
        "[_failed(error)] * len(works)",
        "self._applied(works)",
        _ALONE,
    ),
    Mutation(
        "file-of-a-lock-was-deleted",
        "_ports/exclusive.py",
        "os.fstat(handle).st_nlink > 0",
        "True",
        _LOCKS,
    ),
    Mutation(
        "locks-in-a-directory-of-others",
        "_ports/exclusive.py",
        "folder if is_own else None",
        "folder",
        _LOCKS,
    ),
    Mutation(
        "task-goes-on-without-the-lock",
        "_ports/exclusive.py::waiting_for",
        "raise Refused(message, _)",
        "yield",
        _LOCKS,
    ),
    Mutation(
        "description-of-a-project-is-overwritten",
        "_drivers/vagrant/project.py::_describe",
        "before is not None and known.get(name) != before",
        "False",
        ["tests/unit/module_utils/_drivers/vagrant/test_project.py"],
    ),
)
