# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of other programs, as recorded, have a remedy in the message."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import remedy_for
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands, Completed
from ansible_collections.polyvirt.core.plugins.module_utils._ports.windows import Answer, CallFailed, Result
from ansible_collections.polyvirt.core.plugins.module_utils._tools import hyperv, qemu_img, vagrant, virsh, vmctl
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from unit.module_utils._tools import vagrant_recordings, vbox_recordings

pytestmark = pytest.mark.usefixtures("may_destroy")
_TOOLS = "ansible_collections.polyvirt.core.plugins.module_utils._tools"
_TABLES = (
    "hyperv", "proxmox_errors", "qemu_img", "vagrant", "vboxmanage_remedies", "virsh_remedies", "vmctl", "wsl",
)  # fmt: skip
_START = "error: Failed to start domain 'm1'\nerror: "
_QEMU = f"{_START}internal error: process exited while connecting to monitor: 2026-11-20T07:03:26Z qemu-system-x86_64: "
_VMCTL = {
    json.dumps(case): case
    for case in json.loads((Path(__file__).parents[3] / "platforms/vmm/golden/vmctl.json").read_text("utf-8"))["cases"]
}


class _Program(Commands):
    """A program with one recorded result."""

    def __init__(self, rc, stdout, stderr):
        super().__init__()
        self.result = rc, stdout, stderr

    def find(self, name_or_path, hint=None):
        return name_or_path

    def run(self, argv, **options):
        return Completed(tuple(argv), *self.result)


def _message(call):
    with pytest.raises(Exception) as caught:
        call()
    return str(caught.value)


def test_three_dots_stand_for_any_characters_of_a_line():
    rows = ((("disk '...' is (in) use",), "Stop it."), (("use",), "Wait."))
    assert remedy_for(rows, "error: disk 'a b' is (in) use") == "Stop it."
    assert remedy_for(rows, "error: disk 'a\nb' is (in) use") == "Wait."
    assert remedy_for(rows, "error: disk 'a' is in") is None


@pytest.mark.parametrize("name", _TABLES)
def test_each_text_finds_the_remedy_of_its_own_row(name):
    """A row above with a more general text would hide it."""
    rows = importlib.import_module(f"{_TOOLS}.{name}").REMEDIES
    for texts, remedy in rows:
        assert remedy.endswith((".", ")")), remedy
        assert {text: remedy_for(rows, text.replace("...", "x")) for text in texts} == dict.fromkeys(texts, remedy)


@pytest.mark.parametrize(
    ("stderr", "remedy"),
    [
        (
            f"{_START}Cannot access storage file '/srv/missing.qcow2' (as uid:64055, gid:64055):"
            " No such file or directory",
            "Restore the file",
        ),
        (f"{_QEMU}-blockdev {{}}: Could not open '/root/a.qcow2': Permission denied", "/var/lib/libvirt/images"),
        (
            f'{_QEMU}-blockdev {{}}: Failed to get "write" lock\nIs another process using the image [/srv/a.qcow2]?',
            "Another VM or program uses this disk",
        ),
        (
            f"{_START}Cannot open log file: '/var/log/libvirt/qemu/m1-console.log': Device or resource busy",
            "different serial_log",
        ),
        (f"{_START}Requested operation is not valid: network 'default' is not active", "allow_network_start"),
        (f"{_START}Network not found: no network with matching name 'nonet'", "net-list --all"),
        (
            f"{_QEMU}Could not access KVM kernel module: Permission denied\nqemu-system-x86_64: failed to initialize"
            " kvm: Permission denied",
            "group kvm",
        ),
        (f"{_QEMU}Could not access KVM kernel module: No such file or directory", "has no /dev/kvm"),
        (f"{_QEMU}error: failed to set MSR 0x10a to 0x0", "virt_type: qemu and cpus: 1"),
        (f"{_QEMU}kvm version too old\nqemu-system-x86_64: failed to initialize kvm", "not the device of KVM"),
        (f"{_QEMU}ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy", "Another hypervisor"),
        (f"{_QEMU}kvm_init_vcpu failed: Cannot allocate memory", "virt_type: qemu and cpus: 1"),
        (f"{_QEMU}KVM: entry failed, hardware error 0x80000021", "virt_type: qemu and cpus: 1"),
        (f"{_QEMU}warning: host doesn't support requested feature: CPUID.07H:EBX.hle", "older CPU model"),
        ("error: XML error: Invalid value for attribute 'type' in element 'backend': 'passt'.", "omit port_forwards"),
        ("error: operation forbidden: read only access prevents virDomainSuspend", "set another uri"),
        (
            "error: Operation not supported: internal snapshots of a VM with pflash based firmware are not supported",
            "kind: external",
        ),
        ("error: Requested operation is not valid: cannot undefine transient domain", "virsh define"),
    ],
)
def test_error_of_libvirt_has_its_remedy(stderr, remedy):
    message = _message(lambda: virsh.Virsh(_Program(1, "", stderr), "virsh", "qemu:///system").run("start", "m1"))
    assert stderr.split("error: ")[-1].rstrip(".").replace("\n", "; ") in message
    assert remedy in message


@pytest.mark.parametrize(
    ("stderr", "remedy"),
    [
        ("no connection driver available for qemu://system", "libvirt-daemon-driver-qemu"),
        ("unable to connect to server at '127.0.0.1:16509': Connection refused", "qemu+ssh"),
        (
            "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
            "libvirtd or virtqemud is running",
        ),
        ("Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied", "group libvirt"),
    ],
)
def test_libvirt_that_cannot_be_reached_has_its_remedy(stderr, remedy):
    program = _Program(1, "", f"error: failed to connect to the hypervisor\nerror: {stderr}")
    assert remedy in _message(lambda: virsh.Virsh(program, "virsh", "qemu:///system").run("list"))


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("is already locked by a session", "close its settings window"),
        ("The machine is not mutable (state is Saved)", "allow_restart: true"),
        ("VERR_ALREADY_EXISTS", "disks[].source"),
        ("has more than one child hard disk", "Linked clones depend on it"),
        ("Failed to lock media when resizing", "stop its VM first"),
        ("opening image file '", "restore the file, or detach it"),
        ("Invalid NIC number", "chipset: ich9"),
        ("Unknown or invalid guest OS type", "list ostypes"),
    ],
)
def test_recorded_error_of_virtualbox_has_its_remedy(text, remedy):
    recorded = vbox_recordings.call_that_prints(text)
    program = _Program(1, "", recorded.stderr)
    assert remedy in _message(lambda: VBoxManage(program).run(*recorded.argv[1:]))


@pytest.mark.parametrize(
    ("stderr", "remedy"),
    [
        ("could not open disk image(s)", "another VM uses it"),
        ("command failed: Operation not permitted", "as root"),
        ("start vm command failed: No such file or directory", "MAKEDEV"),
        ("start vm command failed: Operation not supported by device", "virtualization in the firmware"),
        ("pipe closed", "/var/log/daemon"),
    ],
)
def test_recorded_error_of_vmctl_has_its_remedy(stderr, remedy):
    assert any(f"vmctl: {stderr}\\n" in text for text in _VMCTL), "not recorded"
    tool = vmctl.Vmctl(_Program(1, "", f"vmctl: {stderr}\n"))
    assert remedy in _message(lambda: tool.stop("web"))


def test_image_that_a_vm_uses_has_its_remedy():
    stderr = (
        "qemu-img: Could not open '/srv/a.qcow2': Failed to get shared \"write\" lock\n"
        "Is another process using the image [/srv/a.qcow2]?\n"
    )
    message = _message(lambda: qemu_img.QemuImg(_Program(1, "", stderr)).grow("/srv/a.qcow2", "qcow2", 1 << 30))
    assert message.endswith("[/srv/a.qcow2]? A VM or another program uses this image: stop it first.")


def test_recorded_lock_of_vagrant_has_its_remedy():
    call = next(one for one in vagrant_recordings.calls() if "MachineActionLockedError" in one.stdout)
    tool = vagrant.Vagrant(_Program(call.rc, call.stdout, call.stderr), "/srv/lab")
    assert "Run the task again when it has ended." in _message(lambda: tool.run("halt", "m1"))


def test_error_codes_of_windows_have_a_remedy():
    failed = CallFailed({"id": "OperationFailed,X", "hresult": "0x80131500", "message": "Fehler (0x80070070)"})
    other = CallFailed({"id": "OperationFailed,X", "hresult": "0x80131500", "message": "Fehler"})
    results = [Result("a", (Answer(one),), is_complete=False) for one in (failed, other)]
    hyperv.add_remedies([*results, Result("b", (Answer(),), is_complete=True)])
    assert [str(failed), str(other)] == ["Fehler (0x80070070). Free space on the drive, or use another one.", "Fehler"]
