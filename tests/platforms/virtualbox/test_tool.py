# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's tool layer with a real VBoxManage: names, locale, the script's warning, locks."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_long, vboxmanage_machine
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage, is_locked, is_not_found

from platforms.virtualbox import real
from platforms.virtualbox.drives import check_drives
from unit.module_utils._tools.test_vboxmanage_long import comparable

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("may_destroy")]

STRANGE_NAMES = ["a b", "it's", 'q"u\\', "-x", "nl\nname", "ü€", "11111111-2222-3333-4444-555555555599", ' "} {', "a/b"]


@pytest.fixture(name="tool")
def _tool(box):
    return VBoxManage(Commands(), str(box.executable))


#: Options of modifyvm. After each line, both forms of the VM's description must be equal.
SETTINGS = """\
--memory 100 --cpus 2 --vram 20 --cpuexecutioncap 50 --hpet on --x2apic on --rtcuseutc on --nested-hw-virt on
--firmware efi --boot1 net --boot2 floppy --boot3 none --biosbootmenu menuonly --paravirtprovider hyperv
--firmware efi32 --chipset ich9 --graphicscontroller vboxsvga --monitorcount 2 --paravirtprovider legacy
--firmware efi64 --graphicscontroller none --biosbootmenu disabled --paravirtprovider none --iommu amd
--firmware efidual --graphicscontroller vmsvga --accelerate3d on --paravirtprovider minimal --chipset piix3
--firmware bios --mouse usb --keyboard usb --defaultfrontend headless --vm-process-priority low --recording on
--mouse usbtablet --audio-driver pulse --clipboard-mode hosttoguest --draganddrop bidirectional --iommu none
--mouse usbmultitouch --audio-enabled off --clipboard-mode guesttohost --vrde on --usbehci on --biosapic x2apic
--mouse ps2 --audio-enabled on --audio-driver alsa --audio-in on --audio-out on --clipboard-mode bidirectional
--nic1 nat --natpf1 ssh,tcp,127.0.0.1,2222,,22 --natpf1 a,udp,,1,10.0.2.15,2 --nictype1 virtio --cableconnected1 off
--nic2 intnet --intnet2 lan0 --nic3 bridged --bridgeadapter3 eth9 --nic4 hostonly --hostonlyadapter4 vboxnet9
--nic5 natnetwork --nat-network5 Net --nic6 null --nic7 generic --nicgenericdrv7 UDPTunnel --nicpromisc1 allow-all
--groups /a,/b --usbxhci on --autostart-delay 5 --hwvirtex off --longmode off --pae on --largepages on
--cpu-profile 'Intel 8086'
"""


def test_output_of_the_script_that_warns_is_parsed(root, folder):
    with real.VirtualBox(root, folder, program=real.WITH_WARNING) as box:
        tool = VBoxManage(Commands(), str(box.executable))
        assert box.run("--version").startswith("WARNING: ")
        assert tool.version() >= (7, 0, 0)
        assert tool.warning.startswith("WARNING: The ")
        tool.run("createvm", "--name", "web", "--register")
        assert vboxmanage_machine.machine(tool.read("showvminfo", "web", "--machinereadable")).values["name"] == "web"


def test_names_are_read_without_a_utf_8_locale(tool, box, monkeypatch):
    for name in STRANGE_NAMES:
        # Each call starts the daemon again if it has just ended, which takes several attempts on a busy host.
        box.run("createvm", f"--name={name}", "--ostype", "Other_64", "--register")
    monkeypatch.setenv("LC_ALL", "C")
    listed = vboxmanage_long.vms(tool.read("list", "--long", "vms"))
    assert [machine.name for machine in listed] == STRANGE_NAMES
    for machine in listed:
        found = vboxmanage_machine.machine(tool.read("showvminfo", machine.uuid, "--machinereadable"))
        assert (found.values["name"], found.values["CfgFile"]) == (machine.name, machine.file)


@pytest.mark.parametrize("words", SETTINGS.splitlines(), ids=lambda words: words.split()[0])
def test_long_list_equals_showvminfo(tool, box, words):
    uuid = box.make("web", "ignores")
    tool.run("modifyvm", uuid, *shlex.split(words))
    ((found,), single) = (
        vboxmanage_long.vms(tool.read("list", "--long", "vms")),
        vboxmanage_machine.machine(tool.read("showvminfo", uuid, "--machinereadable")),
    )
    # If the daemon ended between the two calls, it reports the time of the last change from the file, in whole seconds.
    compared = set(found.machine.values) - {"VMStateChangeTime"}
    assert {key: found.machine.values[key] for key in compared} == {key: single.values[key] for key in compared}
    assert comparable(found.machine) == comparable(single)


def test_drives_and_media_of_a_slot(tool, box):
    image = box.machines / "seed.iso"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", image, __file__], check=True)
    check_drives(box, image)


def test_unreadable_vm_does_not_hide_the_others(tool, box):
    web, lost = box.make("web"), box.make("lost")
    box.close()
    (box.machines / "lost" / "lost.vbox").unlink()
    machines = vboxmanage_long.vms(tool.read("list", "--long", "vms"))
    assert [(machine.uuid, machine.name) for machine in machines] == [(web, "web"), (lost, None)]
    with pytest.raises(errors.CommandFailed) as caught:
        tool.run("unregistervm", lost, "--delete")
    # VBoxManage reports a failure, although the VM was unregistered.
    assert is_locked(caught.value.stderr)
    assert tool.read("list", "vms") == f'"web" {{{web}}}\n'


def test_missing_vm(tool):
    with pytest.raises(errors.CommandFailed) as caught:
        tool.read("showvminfo", "nosuch", "--machinereadable")
    assert is_not_found(caught.value.stderr)
