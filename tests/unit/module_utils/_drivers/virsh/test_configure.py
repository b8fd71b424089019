# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a VM: the commands that are sent to libvirt, their order, and the stored definition afterwards."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused, Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    NEXT_BOOT,
    Change,
    Snapshot,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import empty_mark, making_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.configure import configure
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, files, permits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition, file_of, target_of
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import ConnectionLost

from unit.module_utils._drivers.claimed import run_guard
from unit.module_utils._drivers.virsh.answers import (
    HERE,
    MAC,
    UUID,
    FakeVirsh,
    StoringVirsh,
    driver_of,
    failed,
    machine_xml,
    with_devices,
)

pytestmark = pytest.mark.usefixtures("may_destroy")

MIB = 1 << 20
GIB = 1 << 30
SEED = "/var/lib/libvirt/images/vm1-seed.iso"
SECOND_NIC = "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>"
THIRD_NIC = "<interface type='user'><mac address='52:54:00:00:00:03'/></interface>"


def virsh_with(stored, running=None, **more):
    answers = {("dumpxml", UUID, "--inactive", "--security-info"): stored, ("dumpxml", UUID): running or stored, **more}
    return FakeVirsh(answers)


def change(folder, virsh, *changes, power="stopped", **found):
    vm = Vm("m1", id=UUID, power=power, **found)
    configure(driver_of(virsh, folder), vm, Step("configure", changes=changes))
    return virsh


def macs(definition):
    return [nic.find("mac").get("address") for nic in definition.interfaces()]


def written(virsh):
    return [words for words in virsh.done if words[0] != "dumpxml"]


# The stored definition ------------------------------------------------------------------------------------------------


def test_secrets_are_kept_in_stored_definition(tmp_path):
    graphics = "<graphics type='vnc' passwd='hidden'/>"
    virsh = change(tmp_path, virsh_with(machine_xml(with_devices(graphics))), Change("memory", 0, GIB))
    assert virsh.defined().root.find("devices/graphics").get("passwd") == "hidden"
    assert not any("hidden" in word for words in virsh.done for word in words)


def test_nics_are_removed_from_last_to_first(tmp_path):
    text = machine_xml(with_devices(SECOND_NIC, THIRD_NIC))
    gone = [Change("networks", {}, None, key=key) for key in ("0", "1")]
    assert macs(change(tmp_path, virsh_with(text), *gone).defined()) == ["52:54:00:00:00:03"]


def test_nic_is_changed_before_nic_in_front_of_it_is_removed(tmp_path):
    text = machine_xml(with_devices(SECOND_NIC, THIRD_NIC))
    changes = [Change("networks", {}, None, key="1"), Change("networks", "x", "e1000e", key="2", attribute="model")]
    definition = change(tmp_path, virsh_with(text), *changes).defined()
    assert macs(definition) == [MAC, "52:54:00:00:00:03"]
    assert definition.interfaces()[1].find("model").get("type") == "e1000e"


# Running VMs ----------------------------------------------------------------------------------------------------------


def iso(old, new, slot="sda"):
    return Change("cdroms", old, new, key=slot, attribute="source", cost=LIVE)


@pytest.mark.parametrize(
    ("power", "new", "words"),
    [
        ("running", "/iso/b.iso", [("change-media", UUID, "sda", "/iso/b.iso", "--update", "--live")]),
        ("paused", "", [("change-media", UUID, "sda", "--eject", "--live")]),
        ("stopped", "", []),
        ("suspended", "", []),
    ],
)
def test_iso_is_changed_in_running_and_stored_vm(tmp_path, power, new, words):
    virsh = change(tmp_path, virsh_with(machine_xml()), iso(SEED, new), power=power)
    assert written(virsh) == [*words, ("define", "/dev/stdin")]
    source = virsh.defined().drives("cdrom")[0].find("source")
    assert (source.get("file") if source is not None else "") == new


def test_iso_that_running_vm_already_has_is_only_stored(tmp_path):
    virsh = virsh_with(machine_xml((SEED, "")), running=machine_xml())
    change(tmp_path, virsh, iso("", SEED), power="running")
    assert written(virsh) == [("define", "/dev/stdin")]


def test_iso_does_not_replace_cloud_init_seed(tmp_path):
    drive = "<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>"
    virsh = virsh_with(machine_xml(with_devices(drive)))
    change(tmp_path, virsh, iso("", "/iso/b.iso", "sata1"), power="running", mark={"id": UUID, "files": [SEED]})
    assert written(virsh)[0] == ("change-media", UUID, "sdb", "/iso/b.iso", "--insert", "--live")
    assert [one.find("source").get("file") for one in virsh.defined().drives("cdrom")] == [SEED, "/iso/b.iso"]


def test_failed_live_change_is_not_stored(tmp_path):
    virsh = virsh_with(machine_xml(), **{})
    virsh.answers["change-media", UUID, "sda", "--eject", "--live"] = failed("the tray is locked by the guest")
    with pytest.raises(CommandFailed, match="the tray is locked"):
        change(tmp_path, virsh, iso(SEED, ""), power="running")
    assert ("define", "/dev/stdin") not in virsh.done


# Disks ----------------------------------------------------------------------------------------------------------------


def add(**entry):
    return Change("disks", None, entry, key="vdb", cost=LIVE)


def test_new_disk_is_created_attached_stored_and_recorded_in_mark(tmp_path):
    virsh = change(
        tmp_path, virsh_with(machine_xml()), add(size=4 * MIB), power="running", mark={"id": UUID, "disks": ["/old"]}
    )
    path = str(tmp_path / "m1-vdb.qcow2")
    assert QemuImg(Commands()).info(path).virtual_size == 4 * MIB
    define = ("define", "/dev/stdin")
    assert written(virsh) == [define, ("attach-device", UUID, "/dev/stdin", "--live"), define]
    first, attached, _last = virsh.sent
    assert (Definition(first).mark["making"], Definition(first).mark["disks"]) == ([path], ["/old"])
    assert [target_of(disk) for disk in Definition(first).drives("disk")] == ["vda"]
    assert f'file="{path}"' in attached
    stored = virsh.defined(times=2)
    assert "making" not in stored.mark
    assert [disk.find("target").get("dev") for disk in stored.drives("disk")] == ["vda", "vdb"]
    assert stored.mark["disks"] == ["/old", path]


REJECTED = CommandFailed(["virsh"], 1, "no more slots")
UNEXPLAINED = CommandFailed(["virsh"], 1, "An error occurred, but the cause is unknown")
LOST = ConnectionLost(["virsh"], 1, "Disconnected from qemu:///system due to end of file")
LATE = Timeout("virsh attach-device had not ended after 600 seconds.", 600)


class FailingToAttach(StoringVirsh):
    """The call that attaches a disk raises ``error``; ``is_attached``: libvirt attaches the disk nevertheless.

    ``is_listed``: whether the VMs can be listed afterwards.
    """

    def __init__(self, error, is_attached, is_listed=True):
        super().__init__(UUID, machine_xml(), machine_xml())
        self._error, self._is_attached, self._is_listed = error, is_attached, is_listed

    def run(self, *words, stdin=None, timeout=None):
        if words[0] == "attach-device":
            if self._is_attached:
                super().run(*words, stdin=stdin)
            raise self._error
        if words[0] == "list" and not self._is_listed:
            raise CommandFailed(["virsh"], 1, "cannot list")
        return super().run(*words, stdin=stdin)


@pytest.mark.parametrize("virsh", [
    FailingToAttach(UNEXPLAINED, is_attached=True, is_listed=False),
    FailingToAttach(LOST, is_attached=True),
    FailingToAttach(LOST, is_attached=False),  # libvirt may still be attaching it.
    FailingToAttach(LATE, is_attached=False),
], ids=["not known", "connection lost", "connection lost before", "timeout"])  # fmt: skip
def test_file_of_disk_that_may_be_attached_is_kept(tmp_path, virsh):
    with pytest.raises((CommandFailed, Timeout)):
        change(tmp_path, virsh, add(size=4 * MIB), power="running")
    assert (tmp_path / "m1-vdb.qcow2").exists()


def test_file_of_disk_that_is_not_attached_is_removed(tmp_path):
    before = change_counter.count()
    with pytest.raises(CommandFailed, match="no more slots"):
        change(tmp_path, FailingToAttach(REJECTED, is_attached=False), add(size=4 * MIB), power="running")
    assert not (tmp_path / "m1-vdb.qcow2").exists()
    assert change_counter.count()[0] == before[0], "a file that was removed again is no change"


def test_disk_that_was_attached_by_a_failed_call_is_stored(tmp_path):
    virsh = change(tmp_path, FailingToAttach(UNEXPLAINED, is_attached=True), add(size=4 * MIB), power="running")
    path = str(tmp_path / "m1-vdb.qcow2")
    assert [file_of(disk) for disk in virsh.stored.drives("disk")][1:] == [path]
    assert virsh.stored.mark["disks"] == [path]
    assert QemuImg(Commands()).info(path).virtual_size == 4 * MIB


def with_mark(text, mark):
    definition = Definition(text)
    if mark:
        definition.set_mark(mark)
    return definition.text()


def hot_plugged(path, mark=None):
    """A host with a running VM that has a disk at vdb, which is not in its definition."""
    disk = f"<disk type='file' device='disk'><driver type='qcow2'/><source file='{path}'/><target dev='vdb'/></disk>"
    return virsh_with(with_mark(machine_xml(), mark), running=with_mark(machine_xml(with_devices(disk)), mark))


THEIRS = "/data/theirs.qcow2"
OWN_NAME = "{folder}/m1-vdb.qcow2"
#: A disk that another program has attached to the running VM: its path, the mark, and what the task requests.
FOREIGN = {
    "nothing is recorded": (THEIRS, None, {"size": MIB}),
    "another file is being created": (THEIRS, {"id": UUID, "making": [OWN_NAME]}, {"size": MIB}),
    "it was created here, and detached": (THEIRS, {"id": UUID, "disks": [THEIRS]}, {"size": MIB}),
    "the mark of another VM names it": (OWN_NAME, {"id": "another", "making": [OWN_NAME]}, {"size": MIB}),
    "only the name is that of a new disk": (OWN_NAME, None, {"size": MIB}),
    "another file is requested": (THEIRS, None, {"source": "/data/requested.qcow2", "format": "qcow2"}),
    "a file that is being created is requested": (OWN_NAME, {"id": UUID, "making": [OWN_NAME]}, {"source": THEIRS}),
}


@pytest.mark.parametrize(("found", "mark", "entry"), FOREIGN.values(), ids=FOREIGN)
def test_disk_that_another_program_has_attached_is_not_the_new_one(tmp_path, found, mark, entry):
    found, text = found.format(folder=tmp_path), json.dumps(mark).replace(OWN_NAME, f"{tmp_path}/m1-vdb.qcow2")
    virsh = hot_plugged(found, json.loads(text))
    with pytest.raises(Refused, match=rf"m1: disks\.vdb: the running VM has {found} there, which is not in") as raised:
        change(tmp_path, virsh, add(**entry), power="running")
    assert raised.value.remedy.endswith(f"To keep it, set disks.vdb.source: {found}.")
    assert not written(virsh)
    assert not (tmp_path / "m1-vdb.qcow2").exists()


def test_disk_that_the_task_names_may_be_attached_already(tmp_path):
    virsh = hot_plugged(THEIRS)
    change(tmp_path, virsh, add(source=THEIRS), power="running")
    assert (written(virsh), virsh.defined().mark) == ([("define", "/dev/stdin")], None)


def test_file_at_path_of_new_disk_is_not_used_without_record(tmp_path):
    """Also if it has the same content: then it may be a disk that another VM has not used yet."""
    path = tmp_path / "m1-vdb.qcow2"
    QemuImg(Commands()).create(str(path), "qcow2", MIB)
    virsh = virsh_with(machine_xml())
    with pytest.raises(Refused, match="already exists, and there is no record that this collection created it"):
        change(tmp_path, virsh, add(size=MIB))
    assert not written(virsh)
    mark = making_mark({**HERE, "id": UUID}, [str(path)], {str(path): files.identity(path)})
    virsh = virsh_with(with_mark(machine_xml(), mark))
    change(tmp_path, virsh, add(size=MIB))
    assert virsh.defined().mark["disks"] == [str(path)]


@pytest.mark.parametrize(
    "change_of_disk", [("size", 4 * MIB), (None, None), ("iops_limit", 5)], ids=["enlarged", "detached", "limited"]
)
def test_disk_that_the_running_vm_does_not_have_is_not_changed(change_of_disk):
    """libvirt would change the file that the running VM has at the slot."""
    from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.disks import check_running_disks

    attribute, new = change_of_disk
    one = Change("disks", MIB, new, key="vdb", attribute=attribute, cost=LIVE)
    stored, running = ({"disks": {"vdb": {"source": path}}} for path in ("/own", THEIRS))
    vm = Vm("m1", id=UUID, power="running", config=stored, active=running)
    with pytest.raises(
        Refused, match=rf"m1: {one.path}: the running VM has {THEIRS} there, and its definition has /own"
    ):
        run_guard(check_running_disks, None, vm, Step("configure", changes=(one,)))
    run_guard(check_running_disks, None, vm.having(active=stored), Step("configure", changes=(one,)))
    # At its next start, the VM has what is stored.
    run_guard(check_running_disks, None, vm, Step("configure", changes=(replace(one, cost=NEXT_BOOT),)))


def test_log_is_recorded(tmp_path):
    log = str(tmp_path / "log")
    virsh = change(tmp_path, virsh_with(machine_xml()), Change("serial_log", "", log))
    assert virsh.defined().mark["files"] == [log]


@pytest.mark.parametrize(("snapshots", "remains"), [((), False), ((Snapshot("s"),), True)])
@pytest.mark.parametrize("new", ["", "other"])
def test_log_that_is_given_up_is_recorded_only_for_a_snapshot(tmp_path, new, snapshots, remains):
    log, new = str(tmp_path / "log"), new and str(tmp_path / new)
    mark, stored = {**empty_mark(UUID), "files": [log]}, Definition(machine_xml())
    stored.set_mark(mark)
    virsh = virsh_with(stored.text())
    change(tmp_path, virsh, Change("serial_log", log, new), mark=mark, snapshots=snapshots)
    assert virsh.defined().mark["files"] == [path for path in (log, new) if path and (path == new or remains)]


def test_log_that_exists_is_not_recorded(tmp_path):
    """It is one that the definition has had already, for another device; libvirt would empty another file."""
    log = tmp_path / "log"
    log.touch()
    other = machine_xml(("</devices>", f"<channel type='pty'><log file='{log}'/></channel></devices>"))
    virsh = change(tmp_path, virsh_with(other), Change("serial_log", "", str(log)))
    assert virsh.defined().mark is None
    with pytest.raises(Refused, match="log already exists"):
        change(tmp_path, virsh_with(machine_xml()), Change("serial_log", "", str(log)))


def test_mark_of_another_vm_is_replaced(tmp_path):
    virsh = change(
        tmp_path, virsh_with(machine_xml()), add(size=MIB), mark={"id": "another", "disks": ["/theirs"], "tags": ["x"]}
    )
    mark = virsh.defined(times=2).mark
    assert (mark["id"], mark["disks"], mark["tags"]) == (UUID, [str(tmp_path / "m1-vdb.qcow2")], [])


def test_failed_step_leaves_no_record_of_files_that_were_not_created(tmp_path):
    virsh = FailingToAttach(REJECTED, is_attached=False)
    with pytest.raises(CommandFailed):
        change(tmp_path, virsh, add(size=MIB), power="running")
    assert virsh.stored.mark is None


def test_existing_disk_is_not_recorded_in_mark(tmp_path):
    source = str(tmp_path / "theirs.raw")
    QemuImg(Commands()).create(source, "raw", MIB)
    virsh = change(tmp_path, virsh_with(machine_xml()), add(source=source))
    disk = virsh.defined().drives("disk")[1]
    assert (disk.find("driver").get("type"), virsh.defined().mark) == ("raw", None)


def test_detached_disk_is_not_deleted(tmp_path):
    gone = Change("disks", {}, None, key="vda", cost=LIVE)
    virsh = change(tmp_path, virsh_with(machine_xml()), gone, power="running")
    assert written(virsh) == [("detach-disk", UUID, "vda", "--live"), ("define", "/dev/stdin")]
    assert virsh.defined().drives("disk") == []


def test_disk_detached_by_interrupted_run_is_only_removed_from_definition(tmp_path):
    without = Definition(machine_xml())
    without.devices.remove(without.drives("disk")[0])
    virsh = virsh_with(machine_xml(), running=without.text())
    change(tmp_path, virsh, Change("disks", {}, None, key="vda", cost=LIVE), power="running")
    assert written(virsh) == [("define", "/dev/stdin")]


def test_disk_of_running_vm_is_enlarged_with_blockresize_in_bytes(tmp_path):
    size = Change("disks", GIB, 2 * GIB, key="vda", attribute="size", cost=LIVE)
    virsh = change(tmp_path, virsh_with(machine_xml()), size, power="running")
    assert written(virsh) == [("blockresize", UUID, "vda", "2147483648B")]
    virsh = virsh_with(machine_xml())
    with permits.granted(), pytest.raises(Refused, match="a step was about to enlarge this file"):
        change(tmp_path, virsh, size, power="running")
    assert written(virsh) == []


def test_disk_of_stopped_vm_is_enlarged_with_qemu_img(tmp_path):
    path = str(tmp_path / "a.qcow2")
    QemuImg(Commands()).create(path, "qcow2", MIB)
    size = Change("disks", MIB, 2 * MIB, key="vda", attribute="size", cost=LIVE)
    virsh = change(
        tmp_path, virsh_with(machine_xml()), size, config={"disks": {"vda": {"source": path, "format": "qcow2"}}}
    )
    assert (written(virsh), QemuImg(Commands()).info(path).virtual_size) == ([], 2 * MIB)


# Firmware -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_created", [True, False])
def test_mark_keeps_nvram_of_previous_firmware_of_a_vm_created_here(tmp_path, is_created):
    """That of a VM of others is theirs."""
    old = "/var/lib/libvirt/qemu/nvram/m1_VARS.fd"
    text = machine_xml(("<os>", f"<os firmware='efi'><nvram>{old}</nvram>"))
    mark = {"v": 2, "id": UUID, **({"created": ""} if is_created else {})}
    virsh = change(tmp_path, virsh_with(text), Change("secure_boot", None, True), mark=mark)
    new = str(tmp_path / "m1.nvram-secure")
    expected = [old, new] if is_created else [new]
    assert (virsh.defined().get("os/nvram"), virsh.defined().mark["nvram"]) == (new, expected)


def test_previous_firmware_gets_its_nvram_again_listed_once(tmp_path):
    plain, secure = (str(tmp_path / name) for name in ("m1.nvram", "m1.nvram-secure"))
    text = machine_xml(("<os>", f"<os firmware='efi'><nvram>{secure}</nvram>"))
    mark = {"id": UUID, "nvram": [plain, secure], "disks": ["/d"]}
    definition = change(tmp_path, virsh_with(text), Change("secure_boot", True, False), mark=mark).defined()
    assert (definition.get("os/nvram"), definition.mark["nvram"]) == (plain, [plain, secure])
    assert definition.mark["disks"] == ["/d"]


def test_other_change_keeps_nvram_and_mark(tmp_path):
    text = machine_xml(("<os>", "<os firmware='efi'>"))
    definition = change(tmp_path, virsh_with(text), Change("tpm", False, True)).defined()
    assert (definition.get("os/nvram"), definition.mark) == (None, Definition(text).mark)
