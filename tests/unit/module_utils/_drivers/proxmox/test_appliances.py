# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs from appliances: disks are converted and uploaded by the host of the task, and no upload remains."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput

from simulators.proxmox import worlds
from simulators.proxmox.api_storage import used_on
from simulators.proxmox.storage import MIB
from suite import appliance_files as made
from suite import backup_files as stored
from unit.module_utils._drivers.proxmox.disturbed import Disturbed, Killed, let_tasks_end
from unit.module_utils._drivers.proxmox.simulated import Api, applied, do, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.test_images import TO_CREATE, account_with
from unit.module_utils._drivers.proxmox.test_seed_iso import Reading, seeds_of

pytestmark = pytest.mark.usefixtures("own_images")
NETWORKS = [{"name": "VM Network", "type": "bridged", "source": "vmbr0"}]


def _ova(folder, *more, model="VmxNet3", **about):
    """An appliance with two disks; its system is on the second one, at the first port."""
    files = {"a.vmdk": made.disk(folder / "a.vmdk", byte=1), "b.vmdk": made.disk(folder / "b.vmdk", byte=2)}
    body = made.hardware(made.sata(("d2", 0), ("d1", 1)), made.nic(model=model), *more, cpus=2, memory=128, **about)
    listed = made.envelope(
        body, [("f1", "a.vmdk", ""), ("f2", "b.vmdk", "")], [("d1", "f1", 16 * MIB), ("d2", "f2", 16 * MIB)]
    )
    return made.ova(folder / "x.ova", listed, files)


@pytest.fixture(name="asked")
def _asked(tmp_path):
    return {"name": "web3", "appliance": {"source": _ova(tmp_path), "accept_eula": False, "networks": NETWORKS}}


@pytest.fixture(name="either", params=["archive", "backup"])
def _either(request, tmp_path):
    """A task with an appliance, and one with a backup of libvirt, of which it keeps the MAC."""
    appliance = {"source": _ova(tmp_path), "accept_eula": False, "networks": NETWORKS}
    if request.param == "backup":
        appliance.update(source=str(stored.with_two_disks(tmp_path, 1, 2)), keep_macs=True)
    return {"name": "web3", "appliance": appliance}


def _uploads(world):
    """The names of uploads of appliances on the storages of all nodes."""
    names = {name for storage in world.storages.by_id.values() for _node, name in storage.volumes}
    return sorted(name for name in names if "polyvirt-appliance" in name)


def _has_disks(world):
    options = machine_of(world, "web3").config.current
    assert [key for key in sorted(options) if key.startswith("sata")] == ["sata0", "sata1"]
    assert options["boot"] == "order=sata0"
    assert '"uploads"' not in options["description"] and '"unfinished"' not in options["description"]
    assert _uploads(world) == []
    return options


def test_appliance_becomes_a_vm_and_no_upload_remains(world, asked, own_images):
    check, run = do(world, check=True, **asked), do(world, **asked)
    assert not run.failed, run.msg
    assert (check.diff, check.vms[0]["not_carried"]) == (run.diff, run.vms[0]["not_carried"])
    options = _has_disks(world)
    assert (options["cores"], options["memory"], options["net0"].partition("=")[0]) == ("2", "128", "vmxnet3")
    assert all("size=16M" in options[slot] for slot in ("sata0", "sata1"))
    sent = [one.params["filename"] for one in world.journal.requests if one.path.endswith("/upload")]
    assert [name.split("-")[:4] for name in sent] == [
        ["polyvirt", "appliance", "102", "sata0"],
        ["polyvirt", "appliance", "102", "sata1"],
    ]
    assert os.listdir(own_images) == []
    unchanged(world, **asked)
    assert do(world, name="web3", state="absent").changed
    assert not [name for storage in world.storages.by_id.values() for _node, name in storage.volumes if "-102-" in name]


@pytest.mark.parametrize("system", ["", " firmware='efi'>"], ids=["bios", "uefi"])
def test_backup_of_libvirt_becomes_a_vm(world, tmp_path, own_images, system):
    """With its address, which no other VM of the cluster gets then."""
    place = stored.with_two_disks(tmp_path, 1, 2, system=system)
    asked = {"name": "web3", "appliance": {"source": str(place), "networks": NETWORKS, "keep_macs": True}}
    api = _Contents(world)
    check, run = do(world, check=True, **asked), do(world, api=api, **asked)
    assert not run.failed, run.msg
    assert (check.diff, check.vms[0]["not_carried"]) == (run.diff, run.vms[0]["not_carried"])
    assert api.first_bytes == {"sata0": 2, "sata1": 1}
    options = _has_disks(world)
    assert (options["cores"], options["memory"]) == ("2", "128")
    assert options["net0"].partition(",")[0] == f"e1000={stored.MAC}"
    assert (options.get("bios"), "efidisk0" in options) == (("ovmf", True) if system else ("seabios", False))
    assert os.listdir(own_images) == []
    unchanged(world, **asked)
    rejected(world, f"web4: networks.0.mac: {stored.MAC} is used by web3", "keep_macs", **{**asked, "name": "web4"})


class _Contents(Api):
    """Keeps the first byte of each disk that is uploaded, by its slot."""

    def __init__(self, world, **more):
        super().__init__(world, **more)
        self.first_bytes = {}

    def upload(self, path, parameters, file):
        command = ["qemu-io", "-r", "-f", "qcow2", "-c", "read -v 0 1", file]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        self.first_bytes[file.split("-")[-2]] = int(text.split()[1], 16)
        return super().upload(path, parameters, file)


def test_tampered_backup_is_rejected_before_anything_is_written(world, tmp_path):
    place = stored.with_two_disks(tmp_path, 1, 2)
    (place / "sda.qcow2").write_bytes((place / "sdb.qcow2").read_bytes())
    words = ("web3: appliance", "sda.qcow2 differs from its checksum in the manifest")
    rejected(world, *words, name="web3", appliance={"source": str(place), "networks": NETWORKS})


def test_seventh_sata_disk_is_on_scsi_and_a_disk_larger_than_its_file_grows(world, tmp_path):
    capacities = [16 * MIB] * 8 + [20 * MIB]
    body = made.hardware(made.sata(*((f"d{place}", place) for place in range(9))))
    disks = [(f"d{place}", f"f{place}" if place > 6 else "", size) for place, size in enumerate(capacities)]
    named = [(f"f{place}", f"{place}.vmdk", "") for place in (7, 8)]
    content = made.disk(tmp_path / "a.vmdk", byte=1)
    source = made.ova(
        tmp_path / "y.ova", made.envelope(body, named, disks), dict.fromkeys(("7.vmdk", "8.vmdk"), content)
    )
    asked = {"name": "web3", "appliance": {"source": source, "accept_eula": False}}
    assert do(world, check=True, **asked).diff == do(world, **asked).diff
    options = machine_of(world, "web3").config.current
    sizes = {key: text.rpartition("size=")[2] for key, text in options.items() if key.startswith(("sata", "scsi"))}
    expected = {**{f"sata{place}": "16M" for place in range(6)}, "scsi0": "16M", "scsi1": "16M", "scsi2": "20M"}
    assert ({key: sizes[key] for key in expected}, options["boot"]) == (expected, "order=sata0")
    unchanged(world, **asked)


def test_options_of_the_task_replace_the_descriptor(world, asked):
    more = {"cpus": 1, "networks": [], "disks": [{"slot": "sata1", "size": "20M"}], "node": "pve1"}
    asked["appliance"].pop("networks")
    applied(world, **{**asked, **more})
    options = _has_disks(world)
    assert (options.get("cores", "1"), "net0" in options) == ("1", False)
    assert "size=20M" in options["sata1"]


def test_properties_are_in_an_iso_image_that_is_deleted_with_the_vm(world, tmp_path):
    descriptor = made.one_disk(sections=made.PROPERTIES, transport="iso")
    source = made.ova(tmp_path / "y.ova", descriptor, {"disk1.vmdk": made.disk(tmp_path / "disk1.vmdk")})
    properties = {"com.x.login": "me", "com.x.password": "hidden"}
    appliance = {"source": source, "accept_eula": False, "properties": properties}
    api = _Seeds(world, tmp_path)
    run = do(world, api=api, name="web3", appliance=appliance)
    assert not run.failed, run.msg
    (documents,) = api.seeds.values()
    assert 'value="me"' in documents["ovf-env.xml"] and 'value="hidden"' in documents["ovf-env.xml"]
    assert "hidden" not in f"{run}{machine_of(world, 'web3').config.current}"
    assert len(seeds_of(world)) == 1
    unchanged(world, name="web3", appliance=appliance)
    both = {"name": "web4", "appliance": appliance, "cloud_init": {"user": "me"}}
    rejected(world, "web4: cloud_init: it cannot be set together with appliance.properties", **both)
    assert do(world, name="web3", state="absent").changed
    assert seeds_of(world) == []


def test_appliance_at_an_address_is_downloaded_by_the_host_of_the_task(world, asked, vendor, own_images):
    about = made.published(vendor, asked["appliance"]["source"])
    asked["appliance"].update(about)
    check = do(world, check=True, **asked)
    assert (check.failed, own_images.exists()) == (False, False), check.msg
    applied(world, **asked)
    _has_disks(world)
    stored = f"x-{about['checksum'].partition(':')[2][:12]}.ova"
    assert sorted(os.listdir(own_images)) == [stored, f"{stored}.json"]
    assert [path for path, wanted in vendor.requests if wanted is None] == ["/x.ova"]


class _Seeds(Reading):
    """Reads uploads of ISO images only."""

    def upload(self, path, parameters, file):
        kind = Reading if file.endswith(".iso") else Api
        return kind.upload(self, path, parameters, file)


def test_appliance_with_empty_disks_is_compared_with_its_checksum(world, vendor, tmp_path):
    text = made.envelope(made.hardware(made.sata(("d1", 0))), [], [("d1", "", 16 * MIB)])
    about = made.published(vendor, made.ova(tmp_path / "y.ova", text, {}))
    asked = {"name": "web3", "appliance": {**about, "accept_eula": False}}
    wrong = {**asked, "appliance": {**asked["appliance"], "checksum": f"sha256:{'0' * 64}"}}
    run = do(world, **wrong)
    assert run.failed and "it must be 0000" in run.msg, run.msg
    assert "size=16M" in applied(world, **asked)["sata0"]


@pytest.mark.parametrize("then", ["completed", "deleted"])
@pytest.mark.parametrize("kind", ["kill before", "kill after"])
def test_killed_creation_is_completed_or_deleted(either, kind, then):
    world = worlds.with_cases()
    counter = Disturbed(world)
    assert not do(world, api=counter, **either).failed
    for number in range(counter.count):
        world = worlds.with_cases()
        with pytest.raises(Killed):
            do(world, api=Disturbed(world, number, kind), **either)
        if then == "completed":
            run = do(world, **either)
            assert not run.failed, (number, run.msg)
            _has_disks(world)
            unchanged(world, **either)
        else:
            run = do(world, name="web3", state="absent")
            assert not run.failed, (number, run.msg)
            assert _uploads(world) == [], number
            assert not [one for one in world.cluster.machines.values() if one.config.current.get("name") == "web3"]


@pytest.mark.parametrize("kind", ["reply", "reset_after"])
def test_failed_request_leaves_no_upload(asked, kind):
    world = worlds.with_cases()
    counter = Disturbed(world)
    assert not do(world, api=counter, **asked).failed
    for number in range(counter.count):
        world = worlds.with_cases()
        run = do(world, api=Disturbed(world, number, kind), **asked)
        let_tasks_end(world)
        if run.failed:
            assert do(world, name="web3", state="absent").failed is False, number
        assert _uploads(world) == [], (number, run.msg)


def test_upload_of_a_killed_task_that_is_still_stored_is_waited_for(world, asked):
    world.timing.upload = 100
    with pytest.raises(Killed):
        do(world, api=Disturbed(world, 1, "kill after"), **asked)
    run = do(world, **asked)
    assert not run.failed, run.msg
    _has_disks(world)


def test_changed_appliance_does_not_complete_a_vm_of_its_former_version(world, asked, tmp_path):
    with pytest.raises(Killed):
        do(world, api=Disturbed(world, 3, "kill after"), **asked)
    os.unlink(asked["appliance"]["source"])
    _ova(tmp_path, model="E1000")
    rejected(world, "web3", "is unfinished: a task started to create it from another source", **asked)
    assert do(world, name="web3", state="absent").changed
    assert not do(world, **asked).failed
    _has_disks(world)


def test_other_order_of_disks_does_not_complete_the_vm_of_a_killed_task(world, asked):
    with pytest.raises(Killed):
        do(world, api=Disturbed(world, 3, "kill after"), **asked)
    other = {**asked, "appliance": {**asked["appliance"], "boot_disk": "d1"}}
    rejected(world, "web3", "is unfinished: a task started to create it from another source", **other)
    assert not do(world, **asked).failed
    _has_disks(world)


def test_volume_of_a_storage_is_rejected_with_the_remedy(world):
    source = {"source": "local:import/x.ova", "accept_eula": False}
    words = "appliance.source: local:import/x.ova is a volume .* Copy the appliance to the host of the task"
    with pytest.raises(InvalidInput, match=words):
        do(world, name="web3", appliance=source)


def test_older_version_is_rejected(asked):
    world = worlds.with_cases(version=(8, 3))
    rejected(world, "web3: appliance: this is Proxmox VE", "appliances need 8.4 or later", **asked)


def test_storage_that_is_too_small_for_an_upload_is_rejected(world, asked):
    local = world.storages.get("local")
    local.total = used_on(world, local, "pve1") + MIB // 8
    world.statistics.renew()
    words = ("web3: appliance", "are needed for the disk of the appliance, but storage 'local' on node 'pve1'")
    rejected(world, *words, **asked, node="pve1")


def test_damaged_disk_is_rejected_before_anything_is_written(world, tmp_path):
    disk = made.disk(tmp_path / "disk1.qcow2", "qcow2")
    source = made.ova(tmp_path / "y.ova", made.one_disk(file="disk1.qcow2"), {"disk1.qcow2": disk[:80]})
    words = (f"web3: appliance: {source} contains a damaged disk", "Get the appliance again")
    rejected(world, *words, name="web3", appliance={"source": source, "accept_eula": False})


@pytest.mark.parametrize("lacking", ["Datastore.AllocateTemplate", "Datastore.Allocate"])
def test_missing_privilege_is_reported_before_anything_is_written(world, asked, lacking):
    held = {*TO_CREATE, "Datastore.AllocateTemplate", "Datastore.Allocate"}
    api = account_with(world, held - {lacking})
    rejected(world, f"lacks the privilege {lacking} on /storage/local", api=api, **asked)
    assert not do(world, api=account_with(world, held), **asked).failed
