# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each place of a definition that names a file of the host counts, stored or in saved memory or in a snapshot."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Snapshot, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import READ, WRITE
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.own_files import named_files
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import SAVED, FakeVirsh, disk, domain, driver_of, failed, of_vms
from unit.module_utils._drivers.virsh.test_claims import Driver, held

F = "/f"
#: {element of the devices: how the file /f is used (None: not at all)}.
_DEVICES = {
    f"<serial type='file'><source path='{F}'/></serial>": WRITE,
    f"<serial type='dev'><source path='{F}'/></serial>": WRITE,
    f"<serial type='pipe'><source path='{F}'/></serial>": WRITE,
    f"<serial type='pty'><source path='{F}'/></serial>": None,
    f"<channel type='unix'><source mode='bind' path='{F}'/></channel>": WRITE,
    f"<channel type='unix'><source mode='connect' path='{F}'/></channel>": None,
    f"<parallel type='pty'><log file='{F}'/></parallel>": WRITE,
    f"<memory model='nvdimm'><source><path>{F}</path></source></memory>": WRITE,
    f"<memory model='virtio-pmem'><source><path> {F} </path></source></memory>": WRITE,
    f"<memory model='nvdimm'><source><path>{F}</path></source><target><readonly/></target></memory>": READ,
    f"<graphics type='vnc' socket='{F}'/>": WRITE,
    f"<graphics type='spice'><listen type='socket' socket='{F}'/></graphics>": WRITE,
    f"<audio id='1' type='file' path='{F}'/>": WRITE,
    f"<pstore backend='acpi-erst'><path>{F}</path></pstore>": WRITE,
    f"<interface type='vhostuser'><source type='unix' path='{F}' mode='server'/></interface>": WRITE,
    f"<interface type='vhostuser'><source type='unix' path='{F}' mode='client'/></interface>": None,
    f"<tpm><backend type='emulator'><source type='file' path='{F}'/></backend></tpm>": WRITE,
    f"<disk type='file' device='floppy'><source file='{F}'/><target dev='fda'/></disk>": WRITE,
    f"<disk type='file' device='floppy'><source file='{F}'/><target dev='fda'/><readonly/></disk>": READ,
}
_BOOT = {
    f"<kernel>{F}</kernel>": READ,
    f"<initrd>{F}</initrd>": READ,
    f"<dtb>{F}</dtb>": READ,
    f"<acpi><table type='slic'>{F}</table></acpi>": READ,
    f"<loader readonly='yes' type='pflash'>{F}</loader>": READ,
    f"<loader readonly='no' type='pflash'>{F}</loader>": WRITE,
    f"<varstore path='{F}'/>": WRITE,
}


@pytest.mark.parametrize(("text", "mode"), list(_DEVICES.items()))
def test_files_of_devices(tmp_path, text, mode):
    (tmp_path / F[1:]).touch()
    definition = domain("web", more=text.replace(F, f"{tmp_path}{F}"))
    found = held(Driver(definition))["web"].claims
    assert {claim.mode for claim in found if claim.text == f"{tmp_path}{F}"} == ({mode} if mode else set())


@pytest.mark.parametrize(("text", "mode"), list(_BOOT.items()))
def test_files_at_boot(text, mode):
    definition = Definition(f"<domain><name>a</name><uuid>u</uuid><os>{text}</os><devices/></domain>")
    assert [(one, path) for one, _option, path in named_files(definition)] == [(mode, F)]


#: {arguments of QEMU: how the file /f is used (None: not at all)}.
_ARGUMENTS = {
    ("-drive", f"file={F},if=none,id=x"): WRITE,
    ("-drive", f"if=none,file={F}"): WRITE,
    ("-hda", F): WRITE,
    ("-blockdev", f'{{"driver":"file","filename":"{F}"}}'): WRITE,
    ("-drive", f"file={F},readonly=on"): READ,
    ("-fw_cfg", f"name=opt/com.coreos/config,file={F}"): READ,
    ("-kernel", F): READ,
    ("-fw_cfg", "name=opt/a,string=b"): None,
    ("-device", "virtio-blk,drive=x"): None,
}


@pytest.mark.parametrize(("words", "mode"), list(_ARGUMENTS.items()))
def test_files_in_arguments(words, mode):
    """libvirt neither locks nor lists them. What is in no short list of arguments may be written."""
    assert [(one, path) for one, _option, path in named_files(_with_arguments(*words))] == [(mode, F)][: bool(mode)]


def _with_arguments(*words):
    listed = "".join(f"<q:arg value={quoteattr(one)}/>" for one in words)
    return Definition(
        "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><name>db</name><uuid>u-db</uuid><devices/>"
        f"<q:commandline>{listed}</q:commandline></domain>"
    )


def test_directories_and_files_of_packages_are_not_written(tmp_path):
    found = named_files(_with_arguments("-fsdev", f"local,path={tmp_path}", "-option-rom", "/usr/share/rom"))
    assert [(mode, path) for mode, _option, path in found] == [(READ, str(tmp_path)), (READ, "/usr/share/rom")]


def test_argument_that_writes_to_the_base_of_a_clone(tmp_path):
    """Its own definition names it, so the VM must not be started."""
    path = tmp_path / "base"
    path.touch()
    clone = domain("clone", disk("/over", f"<backingStore><source file='{path}'/></backingStore>"))
    own = _with_arguments("-drive", f"file={path}")
    before = Vm("db", id="u-db", power="stopped", config={"disks": {"vda": {}}})
    start = Plan(before, before.having(power="running"), segments=((Step("start"),),))
    with pytest.raises(
        Refused, match=f"{path} must not be written to, because it is the backing file of disks of clone"
    ):
        check_claims(Driver(own, clone), start)
    check_claims(Driver(_with_arguments("-drive", f"file={path},readonly=on"), clone), start)


# Saved memory ---------------------------------------------------------------------------------------------------------


def _virsh(saved, stored, answer):
    return FakeVirsh({**of_vms(stored), SAVED: "u-web\n" if saved else "", ("managedsave-dumpxml", "u-web"): answer})


def attach(path):
    before = Vm("db", id="u-db", power="stopped", config={"disks": {}})
    entry = {"source": str(path), "format": "raw", "size": None}
    after = before.having(config={"disks": {"vdb": entry}})
    change = Change("disks", None, entry, key="vdb")
    return Plan(before, after, segments=((Step("configure", changes=(change,)),),))


@pytest.mark.parametrize(
    "more",
    ["<disk><source file='{}'/><target dev='vdb'/></disk>", "<serial type='file'><source path='{}'/></serial>",
     "<memory model='nvdimm'><source><path>{}</path></source></memory>"],
)  # fmt: skip
def test_what_only_the_saved_memory_names_is_in_use(tmp_path, more):
    path = tmp_path / "data"
    path.touch()
    stored, saved = domain("web").text(), domain("web", more=more.format(path)).text()
    virsh = _virsh(True, stored, saved)
    with pytest.raises(Refused, match=f"db: disks.vdb.source: {path} is .* web") as caught:
        check_claims(driver_of(virsh, tmp_path), attach(path))
    assert "virsh managedsave-remove web" in caught.value.remedy
    # One process lists the VMs, one reads all definitions, and one the capabilities.
    assert virsh.processes <= 3
    check_claims(driver_of(_virsh(False, stored, saved), tmp_path), attach(path))
    gone = failed("Requested operation is not valid: domain does not have managed save image")
    check_claims(driver_of(_virsh(True, stored, gone), tmp_path), attach(path))


def test_saved_memory_that_cannot_be_read_could_use_any_file(tmp_path):
    path = tmp_path / "data"
    path.touch()
    driver = driver_of(_virsh(True, domain("web").text(), failed("access denied")), tmp_path)
    with pytest.raises((CommandFailed, Refused), match="access denied"):
        check_claims(driver, attach(path))


# What a step would store ----------------------------------------------------------------------------------------------


def _native(path):
    vm = Vm("db", id="u-db", power="stopped", config={"disks": {}, "native": {}})
    values = {"devices/serial@type": "file", "devices/serial/source@path": str(path)}
    changes = tuple(Change("native", None, value, key=key) for key, value in values.items())
    after = vm.having(config={"disks": {}, "native": values})
    return Plan(vm, after, segments=((Step("configure", changes=changes),),))


def _driver(folder, own, *others):
    """A driver that has observed the VM db with the devices ``own``."""
    own = domain("db", more=own).text()
    answers = {**of_vms(own, *(one.text() for one in others)), ("capabilities",): "<capabilities/>"}
    driver = driver_of(FakeVirsh(answers), folder)
    driver.seen.definitions["u-db"] = own
    return driver


@pytest.mark.parametrize("mode", ["disk", "base"])
def test_native_claims_what_the_definition_will_name(tmp_path, mode):
    path = tmp_path / "data"
    path.touch()
    backing = f"<backingStore><source file='{path}'/></backingStore>"
    other = domain("web", disk(path)) if mode == "disk" else domain("web", disk("/over", backing))
    driver = _driver(tmp_path, "<serial type='pty'/>", other)
    with pytest.raises(Refused, match=f"db: native: {path} .*web"):
        check_claims(driver, _native(path))
    check_claims(_driver(tmp_path, "<serial type='pty'/>"), _native(path))


def test_change_of_native_that_names_no_file_reads_nothing(tmp_path):
    driver = _driver(tmp_path, "")
    vm = Vm("db", id="u-db", power="stopped", config={"disks": {}, "native": {}})
    change = Change("native", None, "quiet", key="os/cmdline")
    check_claims(driver, Plan(vm, vm, segments=((Step("configure", changes=(change,)),),)))
    assert driver.virsh.processes <= 1  # The place of the connection.


def _new_files(driver, plan):
    return driver.claims.step_files(plan, plan.steps[0])


def test_file_of_the_present_definition_is_no_new_file(tmp_path):
    path, own = tmp_path / "log", "<console type='file'><source path='{}'/></console><serial type='pty'/>"
    assert [mode for mode, _option, _path in _new_files(_driver(tmp_path, own.format(path)), _native(path))] == []
    log = _driver(tmp_path, f"<serial type='pty'><log file='{path}'/></serial>")
    assert _new_files(log, _native(path)) == [(WRITE, "native", str(path))]
    other = _driver(tmp_path, own.format(tmp_path / "other"))
    assert _new_files(other, _native(path)) == [("new", "native", str(path))]


def test_changes_are_rehearsed_in_the_order_of_the_run(tmp_path):
    """The place in a path of native is that after the other changes of the step."""
    path = tmp_path / "x.iso"
    drives = "<disk device='cdrom'><target dev='sda'/></disk><disk device='floppy'><source file='/a'/>"
    own = f"<disk><source file='/vdb'/><target dev='vdb'/></disk>{drives}<target dev='fda'/></disk>"
    driver = _driver(tmp_path, own)
    vm = Vm("db", id="u-db", power="stopped", config={"disks": {"vdb": {}}, "native": {}})
    changes = (
        Change("disks", {}, None, key="vdb"),
        Change("native", None, str(path), key="devices/disk[2]/source@file"),
    )
    plan = Plan(vm, vm, segments=((Step("configure", changes=changes),),))
    found = driver.claims.stored(plan, plan.steps[0])
    assert [(claim.mode, claim.option, claim.text) for claim in found] == [(WRITE, "disks.fda", str(path))]


def test_restored_definition_claims_what_it_names(tmp_path):
    """The log of a serial port at the time of a snapshot, which is a disk of another VM now."""
    path = tmp_path / "data"
    path.touch()
    driver = _driver(tmp_path, "<serial type='pty'/>", domain("web", disk(path)))
    then = domain("db", more=f"<serial type='file'><source path='{path}'/></serial>").text()
    driver.seen.snapshots["u-db", "s"] = f"<domainsnapshot><name>s</name>{then}</domainsnapshot>"
    snapshots = (Snapshot("s", id="s", power="stopped", config={"disks": {}}),)
    vm = Vm("db", id="u-db", power="stopped", config={"disks": {}}, snapshots=snapshots)
    arguments = {"name": "s", "id": "s", "power": "stopped"}
    plan = Plan(vm, vm, segments=((Step("restore", arguments=arguments),),))
    with pytest.raises(Refused, match=f"{path} is a disk of web"):
        check_claims(driver, plan)
