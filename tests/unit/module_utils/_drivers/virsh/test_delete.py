# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting a VM: libvirt lets it go first, then its files go, also if the task is killed in between."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Observation, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import (
    empty_mark,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import delete, own_files
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.begun_deletions import begin, with_begun
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.hardware import read_tpm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.storage import remove_unused
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import MARK_NAMESPACE, Definition

from unit.module_utils._drivers.virsh.answers import (
    UUID,
    FakeVirsh,
    driver_of,
    failed,
    machine_xml,
    opened_elsewhere,
    with_metadata,
)

pytestmark = pytest.mark.usefixtures("may_destroy")


_OLD_VIRSH = "error: command 'undefine' doesn't support option --keep-tpm"


_TPM = ("<devices>", "<devices><tpm><backend type='emulator' version='2.0'/></tpm>")


@pytest.fixture(name="virsh")
def _virsh():
    return FakeVirsh()


def driver(virsh, folder):
    one = driver_of(virsh, folder)
    one.hypervisor = "QEMU"
    return one


READ = ("dumpxml", UUID, "--inactive", "--security-info")
UNDEFINE = ("undefine", UUID, "--nvram", "--managed-save", "--snapshots-metadata", "--checkpoints-metadata")


def test_only_listed_files_are_deleted(virsh, tmp_path):
    virsh.answers[READ] = machine_xml()
    for name in ("own", "kept"):
        (tmp_path / name).touch()
    delete.delete(
        driver(virsh, tmp_path),
        Vm("web", id=UUID),
        Step("delete", arguments={"files": [str(tmp_path / "own"), str(tmp_path / "gone already")]}),
    )
    assert (os.listdir(tmp_path), virsh.done) == (["kept"], [READ, UNDEFINE])


def begun(virsh, folder, is_gone=True):
    """The driver of the next task, and the file of a VM that a killed task has let go, or was about to."""
    path, text = (
        folder / "web-vda.qcow2",
        f"<disk type='file' device='disk'><source file='{folder}/web-vda.qcow2'/></disk>",
    )
    path.write_bytes(b"content")
    mark = json.dumps({**empty_mark(UUID), "disks": [str(path)], "created": ""})
    metadata = with_metadata(f"<p:mark xmlns:p='{MARK_NAMESPACE}'>{mark}</p:mark>")
    virsh.answers[READ] = machine_xml(metadata).replace("</devices>", f"{text}</devices>")
    begin(driver(virsh, folder), "web", Definition(virsh.answers[READ]), [str(path)])
    if is_gone:
        virsh.answers[READ] = failed("Domain not found: no domain with matching uuid")
    return driver(virsh, folder), path


@pytest.mark.parametrize("since", ["", "changed", "shared folder", "renamed", "another connection"])
def test_next_deletion_finds_what_a_killed_one_has_left(virsh, tmp_path, since):
    """Only files that are the same, only if nobody else could have written the record, and only if the VM is gone from
    the connection that had it."""
    later, path = begun(virsh, tmp_path, is_gone=since != "renamed")
    if since == "another connection":
        virsh.uri = "qemu:///session"
    if since == "changed":
        path.write_bytes(b"of a user")
    tmp_path.chmod(0o777 if since == "shared folder" else 0o700)
    found = with_begun(later, Observation(), ["web", "other"]).vms
    assert [(vm.name, vm.id, vm.created, [file.path for file in vm.files]) for vm in found] == (
        [] if since else [("web", UUID, True, [str(path)])]
    )
    for vm in found:
        delete.delete(later, vm, Step("delete", arguments={"files": [str(path)]}))
        assert (os.listdir(tmp_path), UNDEFINE in virsh.done) == ([], False)


@pytest.mark.parametrize("error", ["access denied", "cannot undefine domain with checkpoints"])
def test_vm_that_libvirt_does_not_let_go_keeps_its_files(virsh, tmp_path, error):
    virsh.answers.update({READ: machine_xml(), UNDEFINE: failed(error)})
    (tmp_path / "own").touch()
    with pytest.raises(CommandFailed, match=error):
        delete.delete(
            driver(virsh, tmp_path), Vm("web", id=UUID), Step("delete", arguments={"files": [str(tmp_path / "own")]})
        )
    assert os.listdir(tmp_path) == ["own"]


@pytest.mark.parametrize("uri", ["qemu:///system", "qemu+ssh://host/system"])
def test_no_file_is_deleted_if_another_program_has_one_open(virsh, tmp_path, uri):
    """It may have opened the file since the checks. On a remote host, the files are not those of this one."""
    virsh.answers[READ] = machine_xml()
    paths = [str(tmp_path / name) for name in ("first", "opened")]
    for path in paths:
        Path(path).touch()
    virsh.uri = uri
    step = Step("delete", arguments={"files": paths if uri == "qemu:///system" else []})
    with opened_elsewhere(paths[1]):
        if step.arguments["files"]:
            with pytest.raises(Refused, match=f"web: {paths[1]} is open in another program, so it cannot be deleted"):
                delete.delete(driver(virsh, tmp_path), Vm("web", id=UUID), step)
            assert UNDEFINE not in virsh.done
        assert sorted(os.listdir(tmp_path)) == ["first", "opened"]
    delete.delete(driver(virsh, tmp_path), Vm("web", id=UUID), step)
    assert len(os.listdir(tmp_path)) == 2 - len(step.arguments["files"])


def test_nvram_can_be_kept(virsh, tmp_path):
    virsh.answers[READ] = machine_xml()
    delete.delete(driver(virsh, tmp_path), Vm("web", id=UUID), Step("delete", arguments={"keep_state": True}))
    assert virsh.done[1:] == [tuple("--keep-nvram" if word == "--nvram" else word for word in UNDEFINE)]


def test_other_errors_of_undefine_are_raised(virsh, tmp_path):
    virsh.answers[READ] = machine_xml()
    virsh.answers[UNDEFINE] = failed("access denied")
    with pytest.raises(CommandFailed, match="access denied"):
        delete.delete(driver(virsh, tmp_path), Vm("web", id=UUID), Step("delete", arguments={"files": []}))
    assert Path(tmp_path).is_dir()


@pytest.mark.parametrize(
    ("has_tpm", "has_state", "keeps", "old", "defined", "flag"),
    [
        (True, True, False, "", None, "--nvram"),
        (False, True, False, "", True, "--nvram"),
        (False, False, False, "", None, "--nvram"),
        (True, True, True, "", None, "--keep-tpm"),
        # A user of the system's libvirt may not be able to see the state.
        (True, False, True, "", None, "--keep-tpm"),
        (False, True, True, "", None, "--keep-nvram"),
        (True, True, True, _OLD_VIRSH, False, "--keep-nvram"),
        (True, True, True, "unsupported flags (0x80) in function qemuDomainUndefineFlags", False, "--keep-nvram"),
    ],
)
def test_state_of_tpm_goes_with_the_vm_or_stays(
    virsh, tmp_path, monkeypatch, has_tpm, has_state, keeps, old, defined, flag
):
    """libvirt deletes TPM state only with a VM that has a TPM; an old one always does so."""
    monkeypatch.setattr(own_files, "_TPM_STATES", (str(tmp_path),))
    if has_state:
        (tmp_path / UUID).mkdir()
    virsh.answers["dumpxml", UUID, "--inactive", "--security-info"] = machine_xml(*([_TPM] if has_tpm else []))
    virsh.answers[(*UNDEFINE[:2], "--keep-nvram", "--keep-tpm", *UNDEFINE[3:])] = failed(old) if old else ""
    step = Step("delete", arguments={"files": (), "keep_state": keeps})
    delete.delete(driver(virsh, tmp_path), Vm("m1", id=UUID), step)
    assert flag in virsh.done[-1] and ("--keep-tpm" in virsh.done[-1]) == (flag == "--keep-tpm")
    assert [words[0] for words in virsh.done].count("define") == (defined is not None)
    if defined is not None:
        assert read_tpm(virsh.defined()) == defined


def test_vm_is_undefined_without_unsupported_flags(virsh, tmp_path):
    virsh.answers[READ] = machine_xml()
    virsh.answers[UNDEFINE] = failed("unsupported flags (0x6) in function testDomainUndefineFlags")
    delete.delete(driver(virsh, tmp_path), Vm("web", id=UUID), Step("delete", arguments={"files": []}))
    assert virsh.done == [READ, UNDEFINE, ("undefine", UUID, "--snapshots-metadata")]


def test_file_that_another_vm_has_by_another_name_is_not_removed(virsh, tmp_path):
    """A hard link is the same file."""
    path, other = tmp_path / "web-vda.qcow2", tmp_path / "other.qcow2"
    path.touch()
    other.hardlink_to(path)
    one = driver(virsh, tmp_path)
    one.read_definitions = lambda: [Definition(machine_xml(("/var/lib/libvirt/images/m1.qcow2", str(other))))]
    files.take_over([str(path)])
    remove_unused(one, [str(path)], None)
    assert path.exists()
