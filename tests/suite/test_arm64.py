# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of arm64 with a real guest, which this host emulates. A deep run has more: all tests with the mark ``guest``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, RUNNING, STOPPED, SUSPENDED

from collection_path import CHECKOUT
from platforms.libvirt.base import IMAGES
from suite.answer import Task
from suite.backup_tasks import COPY, WEB, assert_worked, backing_up, restoring
from suite.described import entry_of
from suite.limits import scaled
from suite.media_server import Vendor, as_published

pytestmark = [pytest.mark.full, pytest.mark.parametrize("qemu", ["arm64"], indirect=True)]

NAME, CLONE, SNAPSHOT = WEB, "pvg-arm64-clone", "clean"


def _each(qemu, carry, options, about="vm", power=RUNNING):
    """Check mode, the task, and the task again: the first two report the same, and the third changes nothing."""
    given = {"name": [NAME], **options}
    tasks = [Task("check", given, check=True, about=about), *(Task(one, given, about=about) for one in ("do", "again"))]
    check, done, again = carry(qemu, tasks, [NAME]).values()
    for answer in (check, done, again):
        assert not answer.failed, (options, answer.msg)
    assert (check.changed, done.changed, again.changed) == (True, True, False), options
    assert check.diff == done.diff, options
    assert not any(map(qemu.is_write, [*check.calls, *again.calls])), options
    assert (done.truth[NAME] or {"power": None})["power"] == power
    return done


#: What the guest has while its second disk and its second NIC are there. A connection takes seconds there.
_ADDED = "/sys/block/vdb /sys/class/net/eth1"


def test_life_of_a_guest(qemu, carry, key):
    qemu.clean()
    qemu.start_network()
    seed = {**key.seed, "wait_for": "ssh", "timeout": int(scaled(240))}
    made = _each(qemu, carry, {**qemu.guest, **seed, "state": "started", "cdroms": [{"slot": "sdb"}], "max_cpus": 2})
    assert "arm64 is emulated on this amd64 host" in str(made.result["warnings"])
    address = made.vm(NAME)["ssh"]["host"]
    assert key.say(address, "uname -m; hostname").split() == ["aarch64", NAME]
    # QEMU plugs no CPUs into a running VM of arm64: they wait for its next start.
    assert "cpus" in str(_each(qemu, carry, {"cpus": 2}).result["warnings"])
    _devices_of_a_running_guest(qemu, carry, key, address)
    _snapshot_of_a_running_guest(qemu, carry, key, address)
    _each(qemu, carry, {"state": "suspended"}, power=SUSPENDED)
    _each(qemu, carry, {"state": "started"})
    _each(qemu, carry, {"state": "paused"}, power=PAUSED)
    _each(qemu, carry, {"state": "started"})
    _each(qemu, carry, {"state": "stopped", "stop_timeout": round(scaled(120))}, power=STOPPED)
    _each(qemu, carry, {"state": "started", "wait_for": "ssh"})
    assert key.say(address, "nproc").strip() == "2"
    _is_described(qemu, carry)
    _each(qemu, carry, {"state": "absent", "stop_mode": "force"}, power=None)
    assert qemu.files() == ["medium.iso"]
    qemu.clean()


def _devices_of_a_running_guest(qemu, carry, key, address):
    """Disks and NICs are added and removed, a disk grows, an ISO image is inserted: the guest sees all of it."""
    iso = qemu.medium()
    nic = {"type": "network", "source": qemu.guests_network}
    _each(qemu, carry, {"disks": [{}, {"size": "16M"}]})
    _each(qemu, carry, {"disks": [{}, {"size": "24M"}], "networks": [{}, nic]})
    found = key.say(address, f"ls -d {_ADDED} | wc -l; cat /sys/block/vdb/size; nproc").split()
    assert found == ["2", str((24 << 20) // 512), "1"]
    _each(qemu, carry, {"cdroms": [{"slot": "sdb", "source": iso}]})
    _each(qemu, carry, {"cdroms": [{"slot": "sdb", "source": ""}]})
    _each(qemu, carry, {"memory": "192M"})
    # Not directly after they were added: for five seconds, the guest does not give up a device.
    _each(qemu, carry, {"disks": [{}, {"slot": "vdb", "state": "absent"}]})
    _each(qemu, carry, {"networks": [{}], "purge": ["networks"]})
    assert key.say(address, f"ls -d {_ADDED} 2>/dev/null | wc -l").strip() == "0"


def _snapshot_of_a_running_guest(qemu, carry, key, address):
    """With memory where libvirt stores the NVRAM as qcow2 (10.10), otherwise of the disks."""
    how = {} if "nvram_format" in qemu.traits().fields else {"kind": "external"}
    key.say(address, "echo old >/mnt/word; sync")
    _each(qemu, carry, {"snapshot": SNAPSHOT, **how}, "snapshot")
    if how:
        return
    key.say(address, "echo new >/mnt/word; sync")
    back = {"name": [NAME], "snapshot": SNAPSHOT, "state": "restored"}
    restored = carry(qemu, [Task("restore", back, about="snapshot")], [NAME])["restore"]
    assert (restored.failed, restored.truth[NAME]["power"]) == (False, RUNNING), restored.msg
    assert key.say(address, "cat /mnt/word").strip() == "old"


def _is_described(qemu, carry):
    found = carry(qemu, [Task("found", {"name": NAME, "describe": True}, about="vm_info")])["found"].result["vms"][0]
    (check,) = carry(qemu, [Task("check", entry_of(found["task"]), check=True)]).values()
    assert (check.failed, check.msg, check.diff) == (False, "", []), found["task"]
    assert entry_of(found["task"])["architecture"] == "arm64"


def test_clone_and_backup_with_their_nvram(qemu, carry, place):
    """Of a VM with TPM, display and watchdog that was started once, so that its NVRAM exists."""
    qemu.clean()
    devices = {"tpm": True, "display": {"type": "vnc"}, "watchdog": {"action": "reset"}}
    _each(qemu, carry, {**qemu.creation, **devices, "state": "started"})
    _each(qemu, carry, {"state": "stopped", "stop_mode": "force"}, power=STOPPED)
    clone = Task("clone", {"name": [CLONE], "clone": {"source": NAME}, "state": "started"})
    answers = carry(qemu, [clone, replace(clone, label="again")], [NAME, CLONE])
    assert_worked(answers, clone=True, again=False)
    assert answers["clone"].vm(CLONE)["settings"]["architecture"] == "arm64"
    tasks = [backing_up("made", place), restoring("beside", place, new_name=COPY)]
    assert_worked(carry(qemu, tasks, [NAME, COPY]), made=True, beside=True)
    start = {"name": [COPY], "state": "started"}
    started = carry(qemu, [Task("start", start)], [COPY])["start"]
    assert (started.failed, started.truth[COPY]["power"]) == (False, RUNNING), started.msg
    qemu.clean()


#: {what is wrong: (options of a new VM, words of the error)}. libvirt stores most of these, and then the VM does not
#: start, or its guest stops without a message.
_REFUSED = {
    "CD on SATA": ({"cdroms": [{"slot": "sata1"}]}, "cdroms.sata1"),
    "empty CD on USB": ({"cdroms": [{"slot": "usb1"}]}, "cannot be empty"),
    "disk on IDE": ({"disks": [{"slot": "hda", "size": "16M"}]}, "disks.hda"),
    "firmware": ({"firmware": "bios"}, "Set firmware: uefi"),
    "nested": ({"nested_virtualization": True}, "only for amd64"),
    "too many CPUs": ({"cpus": 513}, "512"),
    "memory of the video device": ({"display": {"type": "vnc", "video_memory": "16M"}}, "display.video_memory"),
    "watchdog": ({"watchdog": {"model": "itco"}}, "i6300esb"),
    **{
        f"{path}={value}": ({"native": {path: value}}, word)
        for path, value, word in (
            ("features/hyperv/relaxed@state", "on", "exists only on x86"),
            ("features/smm@state", "on", "exists only on x86"),
            ("features/gic@version", "host", "requires KVM"),
            ("cpu/model", "Haswell", "domcapabilities --arch"),
            ("cpu/model", "cortex-a15", "cortex-a15 does not work"),
            ("cpu@mode", "host-passthrough", "host-passthrough"),
            ("os/type@machine", "q35", "virt for arm64"),
            ("os/type@arch", "armv7l", "option architecture"),
            ("devices/serial/target@type", "isa-serial", "isa-serial does not work"),
            ("devices/sound@model", "sb16", "sb16"),
            ("devices/video/model@type", "qxl", "qxl"),
            ("devices/input[1]@bus", "ps2", "ps2"),
            ("devices/panic@model", "isa", "panic"),
        )
    },
    "CPUs of the interrupt controller": ({"cpus": 9, "native": {"features/gic@version": "2"}}, "at most 8 CPUs"),
    "KVM": ({"virt_type": "kvm"}, "only with qemu"),
}


def test_what_does_not_start_is_rejected_in_check_mode(qemu, carry):
    qemu.clean()
    for label, (options, word) in _REFUSED.items():
        made = {**qemu.creation, "name": [NAME], "state": "started", **options}
        tasks = [Task("check", made, check=True), Task("make", made)]
        for answer in carry(qemu, tasks, [NAME]).values():
            assert answer.failed, label
            assert NAME in answer.msg and word in answer.msg, (label, answer.msg)
            assert not any(map(qemu.is_write, answer.calls)), label
            assert answer.truth[NAME] is None, label
    assert qemu.files() == []


def test_role_libvirt_host_tries_kvm_with_instructions_that_end_a_vm(qemu, tmp_path):
    """No host of the tests has KVM for arm64, so QEMU emulates the CPU. Other instructions end in no exit code."""
    kept = 'case $* in "-accel kvm -cpu host "*) ;; *) exit 9;; esac; shift 4'
    real = f'{kept}; exec {shutil.which("qemu-system-aarch64")} -accel tcg -cpu cortex-a72 "$@"'
    for name, text in {"uname": "echo aarch64", "virsh": "exit 1", "qemu-system-aarch64": real}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    text = (CHECKOUT / "roles/libvirt_host/files/read.sh").read_text(encoding="utf-8").replace("/dev/kvm", "/dev/null")
    # Its limit is not waited for.
    other = text.replace(r"\000\001\200", r"\001\001\200").replace("timeout -k 1 30", "timeout -k 1 1")
    for script, expected in ((text, "kvm yes"), (other, "kvm_problem a VM did")):
        around = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", script], env=around, capture_output=True, text=True, check=True)
        assert expected in done.stdout


@pytest.fixture(name="vendor")
def _vendor(monkeypatch):
    """A server in place of the vendors; it has no image yet."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    vendor = Vendor()
    yield vendor
    vendor.close()


def _named(qemu, vendor, options):
    """Options of a task that names an image of the catalogue, which the server has for arm64 only."""
    given = {**options, **qemu.image_options(qemu.storage / "images"), "image": {"source": "debian-13", "linked": True}}
    return vendor.completed(given)


def test_host_of_arm64(qemu, carry, vendor, tmp_path):
    """What libvirt reports of such a host is recorded; its emulator is that of this host."""
    qemu.clean()
    program, recorded = (
        tmp_path / "virsh-of-arm64",
        CHECKOUT / "tests/unit/fixtures/virsh/9.0.0/capabilities-arm64-host.xml",
    )
    answer = f'for word; do [ "$word" != capabilities ] || exec cat {recorded}; done'
    program.write_text(f'#!/bin/sh\n{answer}\nexec virsh "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    image = as_published(qemu.base_image(), tmp_path / "published.qcow2")
    vendor.publish_as("debian-13", image, "arm64")
    given = {name: value for name, value in qemu.creation.items() if name not in ("architecture", "disks")}
    made = _named(qemu, vendor, {**given, "executable": str(program), "state": "present"})
    done = _each(qemu, carry, made, power=STOPPED)
    root = ET.fromstring(done.truth[NAME]["stored"])
    assert (root.find("os/type").get("arch"), root.find("os").get("firmware")) == ("aarch64", "efi")
    assert "emulated" not in str(done.result.get("warnings"))
    found = carry(qemu, [Task("found", {"name": NAME, "describe": True, "executable": str(program)}, about="vm_info")])
    assert "architecture" not in entry_of(found["found"].result["vms"][0]["task"])
    other = {**qemu.creation, "name": [CLONE], "architecture": "amd64", "executable": str(program)}
    for answer in carry(qemu, [Task("check", other, check=True), Task("make", other)], [CLONE]).values():
        assert answer.failed
        assert f"{CLONE}: architecture: the hypervisor has no emulator for amd64. Install qemu-system-x86" in answer.msg
        assert answer.truth[CLONE] is None
    qemu.clean()


def _example(text):
    """The play with a VM of arm64 in the README of a role."""
    (block,) = [one for one in re.findall(r"```yaml\n(.*?)```", text, re.S) if "arm64" in one]
    return yaml.safe_load(block)


def test_example_of_the_role_and_of_provision(qemu, carry, key, vendor, tmp_path, ansible_playbook):
    """As the README shows it, but for this host. The guest has nothing to start from."""
    qemu.clean()
    qemu.start_network()
    vendor.publish_as("debian-13", as_published(qemu.base_image(), tmp_path / "published.qcow2"), "arm64")
    (play,) = _example((CHECKOUT / "roles/vm/README.md").read_text(encoding="utf-8"))
    (given,) = play["roles"]
    (tmp_path / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    (tmp_path / "hosts.json").write_text('{"all": {"hosts": {"hypervisor": {"ansible_connection": "local"}}}}')
    here = {
        "ansible_become": False,
        "vm_name": NAME,
        "vm_state": "stopped",
        "vm_ssh_key_file": str(key.path),
        "vm_known_hosts_folder": str(tmp_path / "known_hosts"),
        "vm_network_type": "network",
        "vm_network_source": qemu.guests_network,
        "polyvirt_mirrors": vendor.mirrors,
        "polyvirt_image_directory": str(qemu.storage / "images"),
    }
    given = {**given, **here, "vm_state": "started", "provision_hypervisor": "hypervisor"}
    del given["role"]
    words, play = ["-i", tmp_path / "hosts.json"], [tmp_path / "play.yml", "-e", json.dumps(here)]
    code, output = ansible_playbook(*words, "--check", "polyvirt.core.provision", "-e", json.dumps(given))
    assert (code, "arm64 is emulated on this amd64 host" in " ".join(output.split())) == (0, True), output
    assert qemu.truth([NAME]) == {NAME: None}
    for is_changed in (True, False):
        code, output = ansible_playbook(*words, *play)
        assert (code, bool(re.search("changed=[1-9]", output))) == (0, is_changed), output
    root = ET.fromstring(qemu.truth([NAME])[NAME]["stored"])
    assert (root.find("os/type").get("arch"), root.find("os").get("firmware")) == ("aarch64", "efi")
    _each(qemu, carry, {"state": "absent"}, power=None)
    qemu.clean()


#: Sourced recipe of the role guest_image, which makes a disk that UEFI starts of a tree, without a program of it.
_ASSEMBLE = """\
set -euo pipefail
export ARCHITECTURE=arm64 GRUB=$3
. "$1/build-image"
work=$2
make_disk "$work/root" "$work/disk" 256M
write_efi_loader "$work/disk" "$work"
qemu-img convert -c -O qcow2 "$work/disk" "$work/image.qcow2"
"""


@pytest.fixture(name="bootable")
def _bootable(tmp_path):
    """An image with the fast guest, its kernel, and the boot loader of the role guest_image."""
    recipe, root, guest = (
        CHECKOUT / "roles/guest_image/files/debian",
        tmp_path / "root",
        IMAGES / "polyvirt-tests/arm64",
    )
    raw = tmp_path / "raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", guest / "fast-base.qcow2", raw], check=True)
    root.mkdir()
    subprocess.run(["/usr/sbin/debugfs", "-R", f"rdump / {root}", raw], check=True, capture_output=True)
    for source, name in (("vmlinuz", "vmlinuz"), ("initrd.img", "initrd.img")):
        shutil.copy(guest / source, root / name)
    settings = root / "boot/grub/grub.cfg"
    settings.parent.mkdir(parents=True)
    text = (recipe / "guest/boot/grub/grub.cfg").read_text(encoding="utf-8")
    settings.write_text(text.replace("ttyS0", "ttyAMA0"), encoding="utf-8")
    subprocess.run(["bash", "-c", _ASSEMBLE, "assemble", recipe, tmp_path, guest / "grub"], check=True)
    return tmp_path / "image.qcow2"


@pytest.mark.deep("test_life_of_a_guest")
def test_image_of_the_catalogue_boots_by_its_own_loader(qemu, carry, key, bootable, vendor):
    """By name from a server of the test: the file for arm64 is chosen, and UEFI starts it from its disk."""
    qemu.clean()
    qemu.start_network()
    vendor.publish_as("debian-13", bootable.read_bytes(), "arm64")
    given = {name: value for name, value in qemu.guest.items() if name not in ("image", "native")}
    seed = {**key.seed, "wait_for": "ssh", "timeout": int(scaled(240)), "state": "started"}
    done = _each(qemu, carry, _named(qemu, vendor, {**given, **seed}))
    address = done.vm(NAME)["ssh"]["host"]
    assert key.say(address, "uname -m").strip() == "aarch64"
    assert "BOOT_IMAGE=/vmlinuz" in key.say(address, "cat /proc/cmdline")
    _each(qemu, carry, {"state": "absent", "stop_mode": "force"}, power=None)
