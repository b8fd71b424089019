# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of libvirt's networks and pools, and of tasks that change one VM at the same time."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/virsh"
_POOLS = [f"{_UNIT}/test_pool_plan.py", f"{_UNIT}/test_pool_users.py"]
_NETWORKS = [f"{_UNIT}/test_network_users.py"]
_OF_BRIDGE = "_drivers/virsh/network_host.py"

MUTATIONS = (
    Mutation(
        "pool-of-any-type-is-built",
        "_drivers/virsh/pool_plan.py",
        'self._after["type"] in options.BUILT',
        'self._after["type"] != "logical"',
        _POOLS,
    ),
    Mutation(
        "disk-is-built-like-a-directory",
        "_drivers/virsh/pool_options.py",
        "(DIR, FS, NETFS)",
        '(DIR, FS, NETFS, "disk")',
        _POOLS,
    ),
    Mutation(
        "pools-of-devices-own-their-path",
        "_drivers/virsh/pool_plan.py::_check",
        "if kind in options.TYPES:\n    ...",
        "self._check_path(path)",
        _POOLS,
    ),
    Mutation(
        "path-of-devices-is-taken",
        "_drivers/virsh/pool_host.py",
        'one is not None and other != name and one.get("type") in TYPES',
        "one is not None and other != name",
        _POOLS,
    ),
    Mutation(
        "source-of-any-pool-is-changed",
        "_drivers/virsh/pool_options.py::not_changed_here",
        "[name for name in _VALUES if _]",
        "[]",
        _POOLS,
    ),
    Mutation(
        "volumes-of-a-pool-of-devices-are-not-in-use",
        "_drivers/virsh/pool_host.py",
        "(devices and self._identity(path) in devices)",
        "False",
        _POOLS,
    ),
    Mutation(
        "device-is-compared-by-its-name",
        "_drivers/virsh/pool_host.py::_identity",
        "files.identity(path) if is_local(self.virsh.uri) else path",
        "path",
        _POOLS,
    ),
    Mutation(
        "every-device-below-the-path-uses-the-pool",
        "_drivers/virsh/pool_host.py",
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
        '{f"{bridge}{_OWN_PORT}"} - uplinks',
        '{f"{bridge}{_OWN_PORT}"}',
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
)
