# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs in Vagrant's folder, as recorded after `vagrant up`."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrant_folder
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant_folder import CreatedVm

ID = "6639f314-eef5-42c0-a9fc-a87378faddd2"
INDEX_ID = "5e6b2de665954096bfce17e24bbc697c"
RECORDED = {
    "id": ID,
    "index_uuid": INDEX_ID,
    "box_meta": '{"name":"pv/test","version":"0","provider":"libvirt","directory":"boxes/pv/0"}',
    "creator_uid": "0",
    "synced_folders": "{}",
    "created_networks": "81eca2c8-7394-422c-aa19-f60807484dd3\n",
    "action_provision": f"1.5:{ID}",
    "private_key": "secret",
}


@pytest.fixture(name="machine")
def _machine(tmp_path):
    folder = tmp_path / "machines" / "web" / "libvirt"
    folder.mkdir(parents=True)
    for name, text in RECORDED.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def web(tmp_path):
    return vagrant_folder.created_vms(files, str(tmp_path)).get("web")


def test_created_vm(tmp_path, machine):
    key, box = str(machine / "private_key"), ("pv/test", "0")
    assert web(tmp_path) == CreatedVm(
        "web", "libvirt", ID, str(machine), box, 0, key, is_provisioned=True, index_id=INDEX_ID, box_folder="boxes/pv/0"
    )


def test_folder_without_an_id_is_not_a_vm(tmp_path, machine):
    (machine / "id").unlink()
    assert web(tmp_path) is None
    (machine / "id").touch()
    assert web(tmp_path) is None


def test_missing_or_broken_files_give_none(tmp_path, machine):
    for name in ("box_meta", "creator_uid", "private_key", "action_provision", "index_uuid"):
        (machine / name).unlink()
    assert web(tmp_path) == CreatedVm("web", "libvirt", ID, str(machine), None, None, None, is_provisioned=False)
    for broken in ("{", "[]", "{}", "1"):
        (machine / "box_meta").write_text(broken, encoding="utf-8")
        assert web(tmp_path).box is None


def test_provisioning_of_an_earlier_vm_does_not_count(tmp_path, machine):
    (machine / "action_provision").write_text("1.5:another", encoding="utf-8")
    assert not web(tmp_path).is_provisioned


def test_provider_is_the_one_with_an_id(tmp_path, machine):
    (machine.parent / "virtualbox").mkdir()
    (machine.parent / "file").touch()
    assert web(tmp_path).provider == "libvirt"


def test_project_without_created_vms(tmp_path):
    assert vagrant_folder.created_vms(files, str(tmp_path / "nosuch")) == {}
    vagrant_folder.copy(files, str(tmp_path / "nosuch"), str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


def test_copy_has_the_vm_without_its_key_and_its_id_in_the_index(tmp_path, machine):
    copy = tmp_path / "copy"
    vagrant_folder.copy(files, str(tmp_path), str(copy))
    copied_vm = vagrant_folder.created_vms(files, str(copy))["web"]
    assert (copied_vm.id, copied_vm.provider, copied_vm.key_file) == (ID, "libvirt", None)
    copied = {file.name for file in (copy / "machines" / "web" / "libvirt").iterdir()}
    assert copied == {file.name for file in machine.iterdir()} - {"index_uuid", "private_key"}
