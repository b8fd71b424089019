# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of cloud-init: a seed ISO in place of the cloud-init drive, which is deleted with the VM."""

from __future__ import annotations

import subprocess

import pytest

from unit.module_utils._drivers.proxmox.disturbed import Disturbed, Killed
from unit.module_utils._drivers.proxmox.simulated import Api, applied, do, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.tasks import done, failed

NEW = {"name": "new", "node": "pve1", "disks": [{"slot": None, "size": 1}]}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
DOCUMENTS = {"user_data": {"packages": ["nginx"]}, "user": "admin", "ssh_authorized_keys": [KEY]}
STORED_FIELDS = {"ciuser", "sshkeys", "cipassword", "ipconfig0", "nameserver", "searchdomain"}


class Reading(Api):
    """Keeps the documents of the seed ISOs that are uploaded, as {file name: {document: text}}."""

    def __init__(self, world, folder, **more):
        super().__init__(world, **more)
        self.seeds, self._folder = {}, folder

    def upload(self, path, parameters, file):
        target = self._folder / file.rpartition("/")[2]
        command = ["xorriso", "-osirrox", "on", "-indev", file, "-extract", "/", str(target)]
        subprocess.run(command, check=True, capture_output=True)
        self.seeds[target.name] = {one.name: one.read_text(encoding="utf-8") for one in target.iterdir()}
        return super().upload(path, parameters, file)


def seeds_of(world):
    """The names of the seed ISOs on the storages of all nodes."""
    names = {name for storage in world.storages.by_id.values() for _node, name in storage.volumes}
    return sorted(name for name in names if "polyvirt-seed" in name)


def seed_drive(options):
    drives = [text for text in options.values() if "polyvirt-seed" in text and "media=cdrom" in text]
    return drives[0].partition(",")[0] if drives else None


def test_documents_become_a_seed_iso_instead_of_the_cloud_init_drive(world, tmp_path):
    api = Reading(world, tmp_path)
    requested = {**NEW, "cloud_init": {
        **DOCUMENTS, "ip_config": ["ip=10.0.0.5/24"], "nameservers": ["10.0.0.2"], "password": "a secret",
    }}  # fmt: skip
    check = do(world, check=True, api=api, **requested)
    assert api.seeds == {}
    real = do(world, api=api, **requested)
    assert (real.failed, real.diff) == (False, check.diff), real.msg
    options = machine_of(world, "new").config.current
    assert not STORED_FIELDS & set(options)
    assert not any("cloudinit" in text for text in options.values())
    volume = seed_drive(options)
    assert f'"files":["{volume}"]' in options["description"]
    (documents,) = api.seeds.values()
    assert documents["user-data"].startswith("#cloud-config\npackages: ")
    assert "user: admin\n" in documents["user-data"] and KEY in documents["user-data"]
    mac = options["net0"].partition("=")[2].partition(",")[0].lower()
    assert mac in documents["network-config"] and "10.0.0.5/24" in documents["network-config"]
    assert "a secret" not in str(real.vms) + str(real.diff) + str(options)
    unchanged(world, **requested)
    assert do(world, **requested).vms[0]["not_compared"]


def test_a_clone_does_not_have_the_seed_iso_of_its_source(world):
    applied(world, **NEW, cloud_init=DOCUMENTS)
    options = applied(world, name="copy", clone={"source": "new", "linked": False})
    assert seed_drive(options) is None
    options = applied(world, name="other", clone={"source": "new", "linked": False}, cloud_init={"user": "me"})
    assert seed_drive(options) is None and options["ciuser"] == "me"
    assert any("cloudinit" in text for text in options.values())
    assert not do(world, name="copy", state="absent").failed
    assert len(seeds_of(world)) == 1


def test_a_vm_never_gets_two_seeds(world):
    applied(world, **NEW, cloud_init=DOCUMENTS)
    rejected(world, "new: cloud_init.user", "only one seed", name="new", cloud_init={"user": "me"})
    rejected(world, "new: cloud_init.state", "deleted with it", name="new", cloud_init={"state": "absent"})
    unchanged(world, name="web2", cloud_init=DOCUMENTS)


def test_the_option_iso_keeps_its_own_drive(world):
    options = applied(world, **NEW, iso="local:iso/debian.iso", cloud_init=DOCUMENTS)
    assert options["ide2"].startswith("local:iso/debian.iso")
    assert not do(world, name="new", iso="").failed
    assert seed_drive(machine_of(world, "new").config.current)


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ({"cloud_init": {"user_data": "#!/bin/sh", "user": "me"}}, ("require a cloud-config",)),
        ({"cloud_init": {"user_data": {"password": "x"}, "password": "y"}}, ("cannot be combined",)),
        ({"cloud_init": {"network_config": {"version": 2}, "ip_config": ["ip=dhcp"]}}, ("cannot be combined",)),
        ({"cloud_init": DOCUMENTS, "native": {"cicustom": "user=local:snippets/x.yml"}}, ("native: cicustom",)),
    ],
)
def test_what_cannot_be_merged_is_rejected_before_anything_is_written(world, requested, words):
    rejected(world, *words, **NEW, **requested)


def test_without_a_storage_for_iso_images_nothing_is_created(world):
    for storage in world.storages.by_id.values():
        storage.content = storage.content - {"iso"}
    rejected(world, "no storage for iso", **NEW, cloud_init=DOCUMENTS)


@pytest.mark.parametrize("then", ["completed", "deleted"])
@pytest.mark.parametrize("source", [{"disks": [{"size": 1}], "node": "pve1"}, {"clone": {"source": "tmpl"}}])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_killed_task_leaves_nothing_that_the_next_one_does_not_complete_or_remove(world, number, source, then):
    requested = {"name": "new", **source, "cloud_init": DOCUMENTS, "pool": "prod"}
    try:
        do(world, api=Disturbed(world, number - 1, "kill after"), **requested)
    except Killed:
        was_killed = True
    else:
        was_killed = False
    assert was_killed or number > 3
    if then == "completed":
        done(world, **requested)
        assert [f"local:{name}" for name in seeds_of(world)] == [seed_drive(machine_of(world, "new").config.current)]
    done(world, name="new", state="absent")
    assert seeds_of(world) == []


def test_unfinished_vm_with_a_seed_iso_is_completed_without_it_if_the_task_has_no_documents(world):
    with pytest.raises(Killed):
        do(world, api=Disturbed(world, 2, "kill after"), **NEW, cloud_init=DOCUMENTS, pool="prod")
    done(world, **NEW, cloud_init={"user": "me"}, pool="prod")
    options = machine_of(world, "new").config.current
    assert seed_drive(options) is None and options["ciuser"] == "me"
    assert not do(world, name="new", state="absent").failed
    assert seeds_of(world) == []


def test_a_failed_upload_is_undone(world):
    class Failing(Api):
        def upload(self, path, parameters, file):
            return self.call(
                "POST", path, {**parameters, "filename": "x.iso", "tmpfilename": f"/var/tmp/pveupload-{9:032x}"}
            )

    failed(world, "missing file", api=Failing(world), name="new", disks=[{"size": 1}], cloud_init=DOCUMENTS)
    assert not any(one.config.current.get("name") == "new" for one in world.cluster.machines.values())


def test_seed_iso_that_goes_with_the_vm_is_not_listed_as_kept(world):
    done(world, **NEW, cloud_init=DOCUMENTS)
    for check in (True, False):
        assert done(world, name="new", state="absent", check=check).vms[0]["kept"] == []
    assert seeds_of(world) == []
