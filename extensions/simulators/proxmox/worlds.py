# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters for tests."""

from __future__ import annotations

from .access import ADMINISTRATOR, Account, Token
from .cluster import Guest, Machine, Node, Pool
from .config import Config
from .storage import GIB, MIB, Storage, Volume
from .world import World

ROOT_PASSWORD = "simulated"
#: The secret of the token root@pam!test, which may do everything that is not reserved for root@pam itself.
TOKEN_SECRET = "00000000-1111-4222-8333-444444444444"

_ALL = frozenset({"images", "iso", "import", "snippets"})
#: The version that introduced the content type import.
_IMPORT_SINCE = (8, 3)


def cluster(clock=None, version=(9, 2), **settings):
    """Three nodes with local and shared storages, an ISO image, and root with a token; no VMs."""
    world = World(clock, version, **settings)
    for number in (1, 2, 3):
        name = f"pve{number}"
        world.cluster.nodes[name] = Node(name, f"192.0.2.{number}")
        world.cluster.bridges[name] = ("vmbr0", "vmbr1")
        for kind, mapping, device in (("pci", "gpu1", "0000:01:00.0"), ("usb", "key", "1-4")):
            world.cluster.mappings[kind].setdefault(mapping, {})[name] = [device]
    imports = world.schema.version >= _IMPORT_SINCE
    contents = _ALL if imports else _ALL - {"import"}
    storages = (
        Storage("local", "dir", contents),
        Storage("local-lvm", "lvmthin", frozenset({"images"})),
        Storage("zfs", "zfspool", frozenset({"images"})),
        Storage("nfs", "nfs", frozenset({"images", "iso"}), shared=True),
        Storage("isos", "dir", frozenset({"iso"})),
        Storage("off", "dir", contents, disabled=True),
        Storage("n2", "dir", contents, nodes=frozenset({"pve2"})),
        Storage("backups", "nfs", frozenset({"backup"}), shared=True),
        Storage("pbs", "pbs", frozenset({"backup"}), shared=True),
    )
    for storage in storages:
        world.storages.add(storage)
    for node in world.cluster.nodes:
        local = world.storages.get("local")
        local.volumes[local.key(node, "iso/debian.iso")] = Volume(600 * MIB, "raw", "iso")
        if imports:
            local.volumes[local.key(node, "import/x.qcow2")] = Volume(2 * GIB, "qcow2", "import")
    world.access.accounts["root@pam"] = Account(ROOT_PASSWORD, tokens={"test": Token(TOKEN_SECRET, separated=False)})
    return world


def recorded(clock=None):
    """The cluster of the recorded calls, with the values that were replaced in the recordings."""
    world = cluster(clock)
    add_machine(world, 300, "pve2", {})
    world.cluster.containers[301] = "pve3"
    world.storages.get("local-lvm").naive = True
    # The network was a stub, too: each bridge exists.
    world.cluster.bridges = dict.fromkeys(world.cluster.nodes, ("vmbr0", "vmbr1", "vmbr9"))
    world.start_renews_cloudinit = False
    # The emulator of the recordings was a stub that never ended.
    world.guest.quits = False
    world.access.accounts["ansible@pve"] = Account(tokens={"ci": Token("secret")})
    for who in ("ansible@pve", "ansible@pve!ci"):
        world.access.allow("/", who, ADMINISTRATOR)
    return world


def with_cases(clock=None, version=(9, 2), **settings):
    """The VMs web1 (running, on pve1), web2 (stopped, on pve2) and tmpl (template, on pve1)."""
    world = cluster(clock, version, **settings)
    web = {"ostype": "l26", "memory": "2048", "agent": "1", "boot": "order=scsi0", "scsihw": "virtio-scsi-single"}
    add_machine(world, 100, "pve1", {**web, "name": "web1"}, running=True)
    add_machine(world, 101, "pve2", {**web, "name": "web2"})
    template = {**web, "name": "tmpl", "template": "1", "ide2": "local-lvm:vm-9000-cloudinit,media=cdrom"}
    add_machine(world, 9000, "pve1", template, size=8)
    _keep(world, "local-lvm:vm-9000-cloudinit", "pve1", Volume(4 * MIB, vmid=9000))
    for node in world.cluster.nodes:
        _keep(world, "local:snippets/x.yml", node, Volume(512, "snippet", "snippets"))
    world.cluster.pools["prod"] = Pool("what customers see")
    world.statistics.renew()
    return world


def with_many(count, clock=None, version=(9, 2), **settings):
    """``count`` VMs vm-001, vm-002 … distributed over all nodes; every second one runs."""
    world = cluster(clock, version, **settings)
    nodes = list(world.cluster.nodes)
    for number in range(count):
        options = {
            "name": f"vm-{number + 1:03}",
            "memory": "2048",
            "cores": "2",
            "ostype": "l26",
            "boot": "order=scsi0",
        }
        add_machine(world, 100 + number, nodes[number % len(nodes)], options, running=number % 2 == 0)
    world.statistics.renew()
    return world


def add_machine(world, vmid, node, options, running=False, size=32, guest=None):
    """Add an existing VM. If ``options`` are given, a disk and a NIC are added, unless the options contain them."""
    options = dict(options)
    if options:
        kind = "base" if options.get("template") == "1" else "vm"
        volid = f"local-lvm:{kind}-{vmid}-disk-0"
        if options.setdefault("scsi0", f"{volid},size={size}G").startswith(volid):
            _keep(world, volid, node, Volume(size * GIB, vmid=vmid))
        options.setdefault("net0", f"virtio={world.new_mac()},bridge=vmbr0")
        options.setdefault("smbios1", f"uuid={world.new_uuid()}")
        options.setdefault("vmgenid", world.new_uuid())
    machine = Machine(vmid, node, guest=guest or Guest(), running=running)
    machine.write(Config(current=options))
    if running:
        # The VM booted long ago: its guest reacts to the power button, and its agent answers.
        machine.started_at, machine.pid = world.now - 3600, 10_000 + vmid
    world.cluster.machines[vmid] = machine
    return machine


def _keep(world, volid, node, volume):
    storage_id, _colon, name = volid.partition(":")
    storage = world.storages.get(storage_id)
    storage.volumes[storage.key(node, name)] = volume
