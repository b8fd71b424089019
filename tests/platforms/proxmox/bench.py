# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cluster of Proxmox VE in the process of a test, for generated tasks."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy
from types import SimpleNamespace
from typing import ClassVar
from unittest import mock

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import observe
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task, together
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_api import Answer, ConnectionLost
from ansible_collections.polyvirt.core.plugins.module_utils._tools import proxmox_values as values
from ansible_collections.polyvirt.core.plugins.modules import proxmox_snapshot, proxmox_vm, proxmox_vm_info
from hypothesis import strategies as st

from simulators.proxmox import invariants, worlds
from simulators.proxmox.storage import GIB, Volume
from suite import lists
from suite.bench import NOW, Bench
from suite.disturbances import FAILS, LOST
from suite.pairs import Case
from unit.module_utils._drivers.proxmox.cluster_state import cluster_state
from unit.module_utils._drivers.proxmox.pairs import ASKED, machines, options_of, world_with
from unit.module_utils._drivers.proxmox.simulated import Api, SimulatedClock

#: Volumes of deleted VMs, and of VMs that the task or the cluster has.
FREE, USED = ("vm-300-disk-0", "vm-301-disk-0"), ("vm-100-disk-0", "vm-102-disk-0")
#: ids of VMs that tasks create, and others; one has another spelling.
IDS = ("103", "0104", "200", "0200", "201", "202")
CONNECTION = {"api_host": "pve1", "api_user": "root@pam", "api_token_id": "test", "api_token_secret": "x"}
_TWO_DISKS = {"disks": [{"slot": "scsi0", "size": "8G"}, {"slot": "scsi1", "size": "1G"}]}


class OnProxmox(Bench):
    """A cluster with a template, a running VM, and two free volumes on each node."""

    name, module, answers_before_it_acts = "proxmox", proxmox_vm, True
    pair_count, list_count = 200, 80
    cases = st.builds(Case, st.none(), machines(), ASKED)
    creation: ClassVar = {}
    small: ClassVar = {"disks": [{"size": "8G"}], "node": "pve1"}
    clones: ClassVar = {"linked": "template"}
    #: Options as the web interface and qm set write them.
    foreign = (
        {"args": "-device foo"}, {"hookscript": "local:snippets/h.pl"}, {"affinity": "0-3", "cpulimit": "1.5"},
        {"net3": "e1000=BC:24:11:00:00:08,bridge=vmbr1,link_down=1,tag=6"}, {"cpu": "host,flags=+aes"}, {"cores": "3"},
        {"net0": "virtio=bc:24:11:00:00:07,bridge=vmbr0,firewall=1,rate=10,trunks=2;3"}, {"boot": "order=net0"},
        {"description": "ü\n{{ two }}"}, {"tags": "B;a b"}, {"sockets": "2"}, {"balloon": "0"}, {"memory": "512"},
        {"serial0": "socket", "vga": "serial0"}, {"scsihw": "megasas"}, {"numa0": "cpus=0-1,memory=1024"},
        {"acpi": "0"}, {"machine": "pc-q35-8.1", "bios": "ovmf"}, {"startup": "order=2,up=30"}, {"ostype": "win11"},
        {"kvm": "0"}, {"ide0": "none,media=cdrom"},
        {"smbios1": "uuid=5f6b0e5e-3a1c-4c0b-9d6e-0c7a4f2b1a11,serial=YWJj,base64=1"},
        {"ipconfig0": "ip=10.0.0.5/24,gw=10.0.0.1,ip6=auto", "nameserver": "192.0.2.1 192.0.2.2"}, {"hotplug": "0"},
    )  # fmt: skip
    stories: ClassVar = {
        "create": (
            [],
            ("vm", {"node": "pve1", "state": "started", "pool": "prod", "cloud_init": {"user": "me"}, **_TWO_DISKS}),
        ),
        "from an image": ([], ("vm", {"node": "pve1", "image": {"source": "local:import/x.qcow2"}, "tpm": True})),
        "with a number": ([], ("vm", {"node": "pve1", "id": "150", **_TWO_DISKS})),
        "recreate": ([], ("vm", {"name": "web2", "allow_recreate": True, **_TWO_DISKS})),
        "move": ([], ("vm", {"name": "web2", "node": "pve3"})),
        "template": ([], ("vm", {"name": "web2", "template": True})),
        "remove": ([], ("vm", {"name": "web1", "state": "absent", "stop_mode": "force"})),
    }
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

    @classmethod
    def opened(cls, place=0, ground=None):
        return nullcontext(cls())

    def prepare(self, case):
        """With a cluster that has the VM, as another tool may have made it."""
        self._world = world_with(case.found)

    def exists(self, case):
        return case.found is not None

    def change(self, definition):
        (machine,) = [one for one in self._machines().values() if one.config.current.get("name") == "web"]
        machine.config.current.update(definition)
        machine.write(machine.config)

    def asked(self, case):
        return "vm", {option: value for option, value in options_of(deepcopy(case.asked)).items() if value is not None}

    def run(self, entries, check=False):
        return self._run(proxmox_vm, check, machines=deepcopy(entries), controller_time=NOW)

    def described(self):
        return self._run(proxmox_vm_info, True, describe=True).vms

    def run_snapshot(self, options, check):
        return self._run(proxmox_snapshot, check, **{"name": ["web"], **options})

    def _run(self, module, check, **options):
        world, clock = self._world, SimulatedClock(self._world)
        world.journal.clear()
        params = ArgumentSpecValidator(module.MODULE.argument_spec).validate({**CONNECTION, **options})
        assert params.error_messages == []
        with (
            mock.patch.multiple(
                observe, ProxmoxApi=lambda _account: _Api(world, self.disturbance), Clock=lambda: clock
            ),
            mock.patch.object(together, "Clock", lambda: clock),
            mock.patch.object(task, "Clock", lambda: clock),
        ):
            result = module.MODULE.result(params.validated_parameters, SimpleNamespace(check_mode=check))
        assert "exception" not in result, result["exception"]
        assert not check or world.journal.writes() == []
        world.engine.advance(60)  # The last task of the cluster may still be running.
        assert (invariants.orphans(world), world.tasks.crashes) == ([], [])
        return SimpleNamespace(**{"failed": False, "changed": False, "msg": "", "vms": [], "diff": [], **result})

    def label(self, entry):
        return entry.get("name") or entry["id"].lstrip("0")

    def compared(self, entries):
        """Those whose settings the task reads: the power state alone needs no call for each VM."""
        read = [one for one in entries if one["state"] in ("present", "absent") or len({*one} - {*self.common}) > 2]
        return {one.get("name") or self._name_of(one["id"]) for one in read}

    def _machines(self):
        return self._world.cluster.machines

    def _name_of(self, vmid):
        return self._machines()[int(vmid)].config.current["name"] if int(vmid) in self._machines() else vmid

    def id_of(self, name):
        found = [vmid for vmid, one in self._machines().items() if one.config.current.get("name") == name]
        return f"{found[0]:05}" if found else None

    def state(self):
        # Without the list of past tasks, which remains when a VM is deleted after a failed creation.
        return cluster_state(self._world)[1:], [(one.base, key) for key, one in self._volumes() if one.base]

    def end_state(self):
        """VMs without ids and the names of volumes, which are the next free ones."""
        self._world.engine.advance(60)
        return sorted((one.node, one.running, *_stable(one.config)) for one in self._machines().values())

    def assert_sound(self):
        world = self._world
        assert (invariants.violations(world), invariants.orphans(world), world.tasks.crashes) == ([], [], [])

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


class _Api(Api):
    """A request that writes is disturbed."""

    def __init__(self, world, disturbance):
        super().__init__(world)
        self._disturbance = disturbance

    def call(self, method, path, parameters=None):
        call = super().call
        kind = self._disturbance.unless_killed(method != "GET", lambda: call(method, path, parameters))
        if kind == FAILS:
            return Answer(500, "It went wrong", None, None)
        answer = call(method, path, parameters)
        if kind is None:
            return answer
        if answer.status < 400:
            change_counter.take_back(doubtful=True)
        if kind == LOST:
            raise ConnectionLost("The connection broke off.", None)
        return Answer(596, "Connection timed out", None, None)


def _stable(config):
    """(options, pending options, snapshots) without values that are chosen by chance."""
    kept = [
        sorted((key, _without_names(key, value)) for key, value in options.items() if key not in _PASSING)
        for options in (config.current, config.pending)
    ]
    return *kept, sorted(config.snapshots)


_PASSING = ("vmgenid", "smbios1", "meta", "description", "vmstate")


def _without_names(key, value):
    """The value without its first part for drives (volume) and NICs (model and MAC)."""
    is_named = key.startswith("net") or (values.bus_of(key) and "," in value)
    return value.partition(",")[2] if is_named else value
