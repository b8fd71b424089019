# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with several VMs that share something, with the Proxmox VE driver on the simulated cluster."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy
from types import SimpleNamespace
from unittest import mock

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import observe
from ansible_collections.polyvirt.core.plugins.module_utils._engine import together
from ansible_collections.polyvirt.core.plugins.module_utils._tools import proxmox_values as values
from ansible_collections.polyvirt.core.plugins.modules.proxmox_vm import MODULE

from simulators.proxmox import invariants, worlds
from simulators.proxmox.storage import GIB, Volume
from suite import lists
from suite.pairs import number_of_pairs
from unit.module_utils._drivers.proxmox.simulated import Api, SimulatedClock

#: Volumes of deleted VMs, and of VMs that the task or the cluster has.
FREE, USED = ("vm-300-disk-0", "vm-301-disk-0"), ("vm-100-disk-0", "vm-102-disk-0")
#: ids of VMs that tasks create, and others; one has another spelling.
IDS = ("103", "0104", "200", "0200", "201", "202")
CONNECTION = {"api_host": "pve1", "api_user": "root@pam", "api_token_id": "test", "api_token_secret": "x"}


class OnProxmox(lists.Platform):
    """A cluster with a template, a running VM, and two free volumes on each node."""

    words = lists.Vocabulary(
        image=("local:import/x.qcow2",),
        files=tuple((f"local-lvm:{name}",) for name in (*FREE * 3, *USED)),
        slots=("scsi0", "scsi1", "scsi2"),
        sizes=("8G", "40G"),
        nic=("bridged", "vmbr1"),
        macs=tuple(f"BC:24:11:00:00:0{number}" for number in range(4)),
        ports=(),
        given=("tmpl", "web1"),
        ids=IDS,
        links=("clone",),
        templates=("tmpl",),
        delete_disks=("owned", "all"),
        more=lists.sometimes(("node", ("pve1", "pve1", "pve2")), ("template", (None, True))),
    )

    def __init__(self):
        self._world = worlds.with_cases()
        self._world.guest.boots_after = 0  # The behaviour of guests is not tested here.
        volumes = self._world.storages.get("local-lvm").volumes
        volumes.update({(node, name): Volume(GIB) for node in self._world.cluster.nodes for name in FREE})
        self._world.statistics.renew()

    def run(self, entries, check=False):
        world, clock = self._world, SimulatedClock(self._world)
        world.journal.clear()
        given = {**CONNECTION, "stop_mode": "force", "machines": deepcopy(entries)}
        params = ArgumentSpecValidator(MODULE.argument_spec).validate(given)
        assert params.error_messages == []
        with (
            mock.patch.multiple(observe, ProxmoxApi=lambda _account: Api(world), Clock=lambda: clock),
            mock.patch.object(together, "Clock", lambda: clock),
        ):
            result = MODULE.result(params.validated_parameters, SimpleNamespace(check_mode=check))
        assert "exception" not in result, result["exception"]
        assert result.get("changed") or result.get("failed") or world.journal.writes() == []
        world.engine.advance(60)  # The last task of the cluster may still be running.
        assert (invariants.orphans(world), world.tasks.crashes) == ([], [])
        return SimpleNamespace(**{"failed": False, "changed": False, "msg": "", "vms": [], "diff": [], **result})

    def label(self, entry):
        return entry.get("name") or entry["id"].lstrip("0")

    def compared(self, entries):
        """Those whose settings the task reads: the power state alone needs no call for each VM."""
        read = [one for one in entries if one["state"] in ("present", "absent") or len(one) > 2]
        return {one.get("name") or self._name_of(one["id"]) for one in read}

    def _machines(self):
        return self._world.cluster.machines

    def _name_of(self, vmid):
        return self._machines()[int(vmid)].config.current["name"] if int(vmid) in self._machines() else vmid

    def id_of(self, name):
        found = [vmid for vmid, one in self._machines().items() if one.config.current.get("name") == name]
        return f"{found[0]:05}" if found else None

    def state(self):
        machines = {vmid: (one.node, one.running, one.qmp, one.text) for vmid, one in self._machines().items()}
        return machines, {key: (one.size, one.base) for key, one in self._volumes()}

    def _volumes(self):
        """Yield ((node, volume), Volume)."""
        for storage in self._world.storages.by_id.values():
            yield from (((node, f"{storage.id}:{name}"), one) for (node, name), one in storage.volumes.items())

    def _needed_by(self, node, volume, one):
        """The base of a volume; on LVM-thin it may be deleted."""
        storage = volume.partition(":")[0]
        return (node, f"{storage}:{one.base}") if one.base and self._world.storages.by_id[storage].needs_bases else None

    def found(self):
        files = {(node, volume): self._needed_by(node, volume, one) for (node, volume), one in self._volumes()}
        return lists.Found({self._name_of(vmid): self._seen(one) for vmid, one in self._machines().items()}, files)

    def _seen(self, machine):
        options = machine.config.current
        drives = [values.parse(key, text) for key, text in options.items() if values.bus_of(key)]
        disks = [drive["file"] for drive in drives if not values.is_cdrom(drive)]
        nics = [values.parse(key, text) for key, text in options.items() if values.stem(key) == "net"]
        macs = [(nic["bridge"], nic["macaddr"]) for nic in nics]
        return lists.Seen(
            "running" if machine.running else "stopped", tuple((machine.node, one) for one in disks), tuple(macs)
        )


def test_generated_lists():
    lists.assert_all_true(number_of_pairs(80), lambda _place: nullcontext(OnProxmox()))
