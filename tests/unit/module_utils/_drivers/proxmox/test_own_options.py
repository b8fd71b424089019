# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that only Proxmox VE has, or handles in its own way, on the simulated cluster."""

from __future__ import annotations

import contextlib
import threading

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings.iso import check_checksum

from simulators.proxmox import behind, invariants, worlds
from unit.module_utils._drivers.proxmox.simulated import Api, applied, do, do_snapshot, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.tasks import account, done

DISKS = {"disks": [{"size": "8G"}]}
URL = "https://example.com/iso/small%20one.iso?mirror=1"


@pytest.fixture(name="world", params=[(7, 4), (8, 4), (9, 1)], ids=["7.4", "8.4", "9.1"])
def _world(request):
    """The cluster in each major version."""
    world = worlds.with_cases(version=request.param)
    yield world
    assert world.tasks.crashes == []
    assert invariants.violations(world) == []


def test_life_of_a_vm(world):
    """A VM is created, changed, started, paused, suspended, migrated and deleted, in each version."""
    requested = {"name": "web3", "node": "pve1", "cpus": 2, "memory": "1G", **DISKS, "tags": ["a"], "pool": "prod"}
    applied(world, **requested)
    for state in ("started", "paused", "started", "suspended", "started"):
        applied(world, **requested, state=state)
    applied(world, name="web3", disks=[{"size": "9G"}, {"size": "1G"}], networks=[{}, {"model": "e1000"}])
    applied(world, name="web3", pool="", node="pve2")
    assert machine_of(world, "web3").node == "pve2"
    assert world.cluster.pools["prod"].vms == set()
    assert not do(world, name="web3", state="absent", stop_mode="force").failed
    assert invariants.orphans(world) == []


def test_new_vm_gets_the_requested_id(world):
    applied(world, name="web3", id="4711", **DISKS)
    assert machine_of(world, "web3").vmid == 4711
    rejected(world, "web4", "4711 is named 'web3'", name="web4", id="4711", **DISKS)
    rejected(world, "web3", "no VM with ID 4712", "Correct the ID", name="web3", id="4712")
    for wrong in ("web", "99", "0150", "1000000000"):
        rejected(world, "web4", f"ID '{wrong}'", "number from 100", name="web4", id=wrong, **DISKS)
    world.cluster.containers[160] = "pve1"
    rejected(world, "web4", "id 160", "next free", name="web4", id="160", **DISKS)


def test_trunk_of_a_nic(world):
    world.cluster.vlan_aware.add("vmbr0")
    nics = [{"trunk": ["30-40", "12", "41"], "vlan": 9}, {"source": "vmbr1"}]
    assert (
        ",trunks=12;30-41" in applied(world, name="web3", node="pve1", networks=nics, state="started", **DISKS)["net0"]
    )
    stored = applied(world, name="web3", networks=[{"trunk": ["5"]}])["net0"]
    assert (",tag=9" in stored, ",trunks=5" in stored) == (True, True)
    outcome = do(world, name="web3", networks=[{}, {"trunk": ["5"]}])
    assert "vmbr1' of node 'pve1' is not VLAN aware" in outcome.msg
    rejected(world, "web3", "trunks of 'net0'", "option networks", name="web3", native={"net0": "trunks=7"})
    assert "trunks" not in applied(world, name="web3", networks=[{"trunk": []}])["net0"]


def test_serial_number_of_disks(world):
    """Of new disks, of a disk from an image, of a clone, and of a disk that exists, which has to be off."""
    disks = [{"size": "8G", "serial": "system"}, {"size": "1G", "serial": "data 1+2"}]
    stored = applied(world, name="web3", node="pve1", disks=disks)
    assert [stored[slot].partition("serial=")[2].partition(",")[0] for slot in ("scsi0", "scsi1")] == [
        "system", "data%201%2B2"
    ]  # fmt: skip
    rejected(world, "web3", "disks", "21 characters", "at most 20", name="web3", disks=[{"serial": "a" * 21}])
    with pytest.raises(InvalidInput, match="not a serial number"):
        do(world, name="web3", disks=[{"serial": "a,b"}])
    applied(world, name="web3", disks=[{"serial": "new"}])
    assert (
        "serial=new"
        in applied(world, name="web4", node="pve1", clone={"source": "web3"}, disks=[{}, {"serial": "c"}])["scsi0"]
    )
    assert "serial=c" in machine_of(world, "web4").config.current["scsi1"]
    applied(world, name="web3", state="started")
    rejected(world, "web3", "allow_restart", name="web3", disks=[{"serial": "later"}])
    done(world, name="web3", disks=[{"serial": "later"}, {}], allow_restart=True, stop_mode="force")
    assert "serial=later" in machine_of(world, "web3").config.current["scsi0"]
    rejected(world, "web3", "serial of 'scsi0'", "option disks", name="web3", native={"scsi0": "serial=x"})


def test_limits_of_disks(world):
    """Of new disks, of a disk of a clone, and of a disk of a running VM, where they change immediately."""
    disks = [{"size": "8G", "iops_limit": 300}, {"size": "1G", "bandwidth_limit": "1536K"}]
    stored = applied(world, name="web3", node="pve1", disks=disks)
    assert ("iops=300" in stored["scsi0"], "mbps=1.5" in stored["scsi1"]) == (True, True)
    applied(world, name="web4", node="pve1", clone={"source": "web3"}, disks=[{"iops_limit": 5}, {}])
    assert "iops=5" in machine_of(world, "web4").config.current["scsi0"]
    applied(world, name="web3", state="started")
    applied(world, name="web3", disks=[{"iops_limit": 0, "bandwidth_limit": "1B"}, {"bandwidth_limit": 10}])
    running = machine_of(world, "web3").config.current
    assert "mbps=10," in f"{running['scsi1']},"
    assert "iops=" not in running["scsi0"]
    assert "mbps=0.00000095367431640625" in running["scsi0"]
    unchanged(world, name="web3", disks=[{"iops_limit": 0}, {"iops_limit": 0, "bandwidth_limit": "10M"}])
    added = applied(world, name="web3", disks=[{}, {}, {"size": "1G", "iops_limit": 7}])
    assert "iops=7" in added["scsi2"]
    rejected(world, "iops of 'scsi0'", "option disks", name="web3", native={"scsi0": "iops=5"})
    rejected(world, "at most 1000000000000000", name="web3", disks=[{"iops_limit": 10**15 + 1}])


@pytest.mark.parametrize(
    ("found", "limit", "reason"),
    [
        ("iops_rd=5", {"iops_limit": 10}, "with both"),
        ("iops=20,iops_max=30", {"iops_limit": 31}, "below the limit"),
        ("iops=20,iops_max=30", {"iops_limit": 0}, "that alone"),
        ("mbps_wr=5.5", {"bandwidth_limit": "1M"}, "mbps_wr 5.5"),
        ("bps=5", {"bandwidth_limit": "1M"}, "bps 5"),
    ],
)
def test_limit_that_qemu_does_not_start_is_rejected_with_its_remedy(world, found, limit, reason):
    applied(world, name="web3", node="pve1", **DISKS)
    volume = machine_of(world, "web3").config.current["scsi0"]
    behind.edit(world, machine_of(world, "web3").vmid, scsi0=f"{volume},{found}")
    name = found.rpartition(",")[2].partition("=")[0]
    rejected(world, f"disks.scsi0.{next(iter(limit))}", reason, f"scsi0: '{name}='", name="web3", disks=[limit])
    applied(world, name="web3", disks=[limit], native={"scsi0": f"{name}="})
    rejected(world, "disks.scsi0", "starts no VM", name="web3", native={"scsi0": f"{name}=1"})


def test_nodes_are_used_in_turn_if_their_memory_is_not_visible(world):
    api = account(world, ("/", {*world.access.roles["PVEVMAdmin"], "Datastore.AllocateSpace", "SDN.Use"}))
    names = [f"new-{number}" for number in range(3)]
    done(world, api=api, name=names, node="auto", memory="8G", **DISKS)
    assert {machine_of(world, name).node for name in names} == {"pve1", "pve2", "pve3"}


def _only_on(world, node, name):
    """Delete a volume of the storage local from all nodes except one."""
    local = world.storages.get("local")
    for other in set(world.cluster.nodes) - {node}:
        del local.volumes[local.key(other, name)]


@pytest.mark.parametrize("names", [["new-1"], ["new-1", "new-2", "new-3"]], ids=["one", "three"])
@pytest.mark.parametrize("node", ["pve1", "pve2", "pve3"])
@pytest.mark.parametrize("what", ["image", "iso", "bridge"])
def test_node_has_what_a_new_vm_needs(world, names, node, what):
    if what == "image" and world.schema.version < (8, 3):
        return
    image, iso = {"source": "local:import/x.qcow2"}, "local:iso/debian.iso"
    if what == "bridge":
        world.cluster.bridges[node] = ("vmbr0", "vmbr7")
        requested = {"networks": [{"type": "bridged", "source": "vmbr7"}], **DISKS}
    else:
        requested = {"image": {"image": image}, "iso": {"iso": iso, **DISKS}}[what]
        _only_on(world, node, {"image": "import/x.qcow2", "iso": "iso/debian.iso"}[what])
    for check in (True, False):
        outcome = do(world, check=check, name=names, memory="8G", **requested)
        assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert {machine_of(world, name).node for name in names} == {node}


def test_node_has_the_requested_storage(world):
    applied(world, name="web3", node="auto", storage="n2", **DISKS)
    assert machine_of(world, "web3").node == "pve2"
    rejected(world, "nosuch", name="web4", storage="nosuch", **DISKS)


def test_default_bridge_is_an_option(world):
    assert "bridge=vmbr1" in applied(world, name="web3", bridge="vmbr1", **DISKS)["net0"]
    rejected(world, "web4", "no-br", "vmbr0, vmbr1", name="web4", bridge="no-br", **DISKS)


def test_stopped_vm_becomes_a_template_and_stays_one(world):
    rejected(world, "web1", "template", "Set state: stopped", name="web1", template=True)
    assert applied(world, name="web2", template=True)["template"] == "1"
    rejected(world, "web2", "clone it", name="web2", template=False)
    rejected(world, "web2", "template", "not started", name="web2", state="started")
    done(world, name="web3", clone={"source": "web2", "linked": True})
    assert "template" not in machine_of(world, "web3").config.current


def test_vm_with_snapshots_cannot_become_a_template(world):
    assert do_snapshot(world, name="web2", snapshot="s1").changed
    rejected(world, "web2", "snapshots", name="web2", template=True, memory="4G")


def test_snapshot_of_a_template_is_rejected(world):
    words = "tmpl: it is a template, which has no snapshots. Clone it, and take a snapshot of the clone."
    rejected(world, words, run=do_snapshot, name="tmpl", snapshot="s1")


def test_protected_vm_keeps_its_disks(world):
    applied(world, name="web2", protection=True, disks=[{}, {"size": "1G"}])
    rejected(world, "disks.scsi1", "protection: false", name="web2", disks=[{"slot": "scsi1", "state": "absent"}])
    options = applied(world, name="web2", protection=False, disks=[{"slot": "scsi1", "state": "absent"}])
    assert "scsi1" not in options
    assert options["unused0"]
    applied(world, name="web2", disks=[{"slot": "scsi2", "source": options["unused0"]}])


def test_disk_of_another_vm_is_not_taken_over(world):
    """A volume with the VMID in its name is deleted with the VM, attached or not."""
    applied(world, name="web2", disks=[{}, {"size": "1G"}])
    attached = machine_of(world, "web2").config.current["scsi1"].partition(",")[0]
    requested = {"name": "web3", "node": "pve2", "disks": [{"source": attached}]}
    rejected(world, "web3", attached, "belongs to 'web2'", "Reassign Owner", **requested)
    options = applied(world, name="web2", disks=[{"slot": "scsi1", "state": "absent"}])
    assert options["unused0"] == attached
    rejected(world, "web3", attached, "belongs to 'web2'", "Reassign Owner", **requested)
    rejected(world, "web1", attached, **{**requested, "name": "web1", "disks": [{"slot": "scsi1", "source": attached}]})


def test_vm_is_created_from_an_image(world):
    content_import = world.schema.version >= (8, 3)
    image = "local:import/x.qcow2" if content_import else "local-lvm:base-9000-disk-0"
    requested = {"name": "web3", "node": "pve1", "image": {"source": image}}
    assert "size=9G" in applied(world, **requested, disks=[{"size": "9G"}])["scsi0"]
    rejected(world, "1G", "2G" if content_import else "8G", **{**requested, "name": "web4"}, disks=[{"size": "1G"}])


@pytest.mark.parametrize("node", ["pve1", "auto"])
def test_image_is_rejected_before_version_7_2(node):
    world = worlds.with_cases(version=(7, 1))
    image = "local-lvm:base-9000-disk-0"
    rejected(world, "web3", image, "7.1", "7.2", name="web3", node=node, image={"source": image})


def test_cloud_init_options_reach_a_running_vm(world):
    key = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} a+b/c=d"
    requested = {
        "user": "me",
        "ssh_authorized_keys": [f" {key} "],
        "ip_config": ["", "ip=dhcp", ""],
        "nameservers": ["192.0.2.1"],
    }
    options = applied(world, name="web3", state="started", cloud_init=requested, **DISKS)
    assert (options["ciuser"], options["ipconfig1"], options["nameserver"]) == ("me", "ip=dhcp", "192.0.2.1")
    assert "ipconfig0" not in options
    assert "cloudinit" in options["ide0"]
    world.journal.clear()
    applied(world, name="web3", cloud_init={"user": "you", "ip_config": []})
    assert [entry.path.rpartition("/")[2] for entry in world.journal.writes()] == ["config", "cloudinit"]
    assert "ipconfig1" not in machine_of(world, "web3").config.current
    world.journal.clear()
    applied(world, name="web3", cloud_init={"nameservers": []})
    assert [entry.path.rpartition("/")[2] for entry in world.journal.writes()] == ["config", "cloudinit"]


@pytest.mark.parametrize(
    "options",
    [
        {"cloud_init": {"nameservers": ["192.0.2.1"]}},
        {"cloud_init": {"search_domains": ["example.com"]}},
        {"native": {"cicustom": "user=local:snippets/x.yml"}},
    ],
    ids=["nameservers", "search_domains", "cicustom"],
)
def test_cloud_init_options_create_the_cloud_init_drive(world, options):
    assert "cloudinit" in applied(world, name="web3", **options, **DISKS)["ide0"]
    for name in ("web1", "web2"):
        assert not do(world, name=name, **options).failed
        machine = machine_of(world, name).config
        assert "cloudinit" in {**machine.current, **machine.pending}["ide0"]


def test_password_is_set_once_and_never_shown(world):
    outcome = done(world, name="web3", cloud_init={"user": "me", "password": "s3cret"}, **DISKS)
    assert machine_of(world, "web3").config.current["cipassword"] == "s3cret"
    again = do(world, name="web3", cloud_init={"user": "me", "password": "0ther"})
    assert (again.changed, again.vms[0]["not_compared"]) == (False, ["cloud_init.password"])
    for one in (outcome, again):
        assert "s3cret" not in repr(one)
        assert "0ther" not in repr(one)


def test_memory_below_the_balloon_minimum_is_rejected(world):
    assert applied(world, name="web2", native={"balloon": 1024})["balloon"] == "1024"
    world.journal.clear()
    for requested in (
        {"name": "web2", "memory": "512"},
        {"name": "web2", "memory": "512", "native": {"balloon": None}},
        {"name": "web2", "native": {"balloon": 4096}},
        {"name": "web5", "clone": {"source": "web2"}, "memory": "512"},
    ):
        rejected(world, "native: {balloon: MIB}", **requested)
    for balloon in ("abc", "64.5", -1):
        rejected(world, f"balloon: '{balloon}' is not valid", name="web2", memory="512", native={"balloon": balloon})
    options = applied(world, name="web2", memory="512", native={"balloon": 256})
    assert (options["memory"], options["balloon"]) == ("512", "256")


def test_disk_grows_while_another_change_waits_for_the_next_start(world):
    options = applied(world, name="web1", disks=[{"size": "40G"}], native={"scsi0": "ssd=1"})
    assert "size=40G" in options["scsi0"]
    assert "ssd=1" not in options["scsi0"]


def test_sub_key_of_a_device_that_the_task_removes_is_rejected(world):
    rejected(
        world, "scsi0", "removed by the same task", name="web2", native={"scsi0": "ssd=1"}, disks=[], purge=["disks"]
    )
    rejected(world, "net0", name="web2", native={"net0": "rate=5"}, networks=[], purge=["networks"])


def test_iso_image_is_downloaded_once(world):
    requested = {"name": "web3", "node": "pve1", "iso": URL, **DISKS}
    assert applied(world, **requested)["ide2"].startswith("local:iso/small_20one.iso,media=cdrom")
    assert not do(world, **{**requested, "name": "web4"}).failed
    assert world.journal.count("POST", "/download-url") == 1
    rejected(world, ".iso or .img", **{**requested, "name": "web5", "iso": "https://example.com/x"})


class TogetherAtTheStorage(Api):
    """Each task that has read a storage's content waits until all have read it, or until a timeout."""

    def __init__(self, world, count):
        super().__init__(world)
        self._all = threading.Barrier(count)

    def call(self, method, path, parameters=None):
        answer = super().call(method, path, parameters)
        if path.endswith("/storage/local/content"):
            with contextlib.suppress(threading.BrokenBarrierError):
                self._all.wait(0.3)
        return answer


def test_iso_image_of_several_vms_is_downloaded_once(world):
    names = ["new-1", "new-2", "new-3"]
    done(world, api=TogetherAtTheStorage(world, len(names)), name=names, node="pve1", iso=URL, **DISKS)
    assert world.journal.count("POST", "/download-url") == 1


@pytest.mark.parametrize("text", ["abc", "crc32:1", "sha256:", ":1"])
def test_invalid_checksums_are_rejected(text):
    with pytest.raises(InvalidInput, match="iso_checksum"):
        check_checksum(text)
    check_checksum(None)
    check_checksum("sha256:00")


def test_new_vms_are_on_the_nodes_with_the_most_free_memory(world):
    world.cluster.nodes["pve2"].online = False
    names = [f"new-{number}" for number in range(4)]
    done(world, name=names, node="auto", memory="8G", **DISKS)
    assert {machine_of(world, name).node for name in names} == {"pve1", "pve3"}


def test_no_node_has_what_a_new_vm_needs(world):
    rejected(world, "web3", "local:iso/nosuch.iso", name="web3", iso="local:iso/nosuch.iso", **DISKS)
