# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of VMs: disks, ISO images, shared folders and other settings, while a VM is off, runs, or is suspended."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings import native
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.traits import vbox_traits
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, configure, observed, snapshot, task
from unit.module_utils._drivers.vbox.recorded_registry import driver_on, recorded_vm

TRAITS = vbox_traits((7, 2, 22))


# Disks and ISO images ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["present", "started"])
def test_disk_is_added_to_a_free_port(vbox, state):
    task(vbox, state=state).succeeded()
    done = configure(vbox, disks={"SATA 3": {"size": 2 * MIB, "format": "vhd"}})
    assert "storagectl" not in done.verbs
    (disk,) = [one for one in done.vm["disks"] if one["slot"] == "SATA 3"]
    assert disk == {"slot": "SATA 3", "source": f"{vbox.machines}/web/web-SATA-3.vhd", "size": "2M", "format": "vhd"}
    assert len(observed(vbox).mark["disks"]) == 2
    assert "making" not in observed(vbox).mark


def test_controller_gets_the_ports_that_it_lacks(vbox):
    task(vbox).succeeded()
    done = configure(vbox, disks={"SATA 9": {"size": MIB}, "SAS 3": {"size": MIB}})
    added = [line for line in done.writes if line.startswith("storagectl")]
    assert added == ["storagectl --name SATA --portcount 10", "storagectl --name SAS --add sas --portcount 8"]


@pytest.mark.parametrize(("controller", "bus"), [("Disks", None), ("my disks", None), ("SCSI", "scsi")])
def test_disk_is_added_to_a_running_vm_at_a_sata_controller_without_disks(vbox, controller, bus):
    uuid = vbox.make("web")
    # The chipset has one SATA controller.
    change = ("--name", controller, "--add", bus) if bus else ("--name", "SATA", "--rename", controller)
    vbox.run("storagectl", uuid, *change)
    vbox.run("startvm", uuid, "--type", "headless")
    disk = {f"{controller} 1": {"size": MIB}}
    if bus == "scsi":
        task(vbox, config={"disks": disk}).refused("disks.SCSI 1 can be changed only while the VM is off")
    else:
        assert configure(vbox, disks=disk).vm["state"] == "running"


def test_disk_created_for_a_foreign_vm_is_recorded_in_a_mark(vbox):
    uuid = vbox.make("web", "ignores")
    path = configure(vbox, disks={"SATA 1": {"size": MIB}}).vm["disks"][1]["source"]
    mark = observed(vbox).mark
    assert (mark["id"], len(mark["disks"]), "unfinished" in mark) == (uuid, 1, False)
    first = vbox.registered()
    task(vbox, state="absent").succeeded()
    assert vbox.registered() == [one for one in first if one != path]


def test_disk_is_attached_grown_and_detached(vbox):
    task(vbox).succeeded()
    configure(vbox, disks={"SATA 1": {"source": vbox.disk()}})
    assert observed(vbox).mark["disks"] == observed(vbox).mark["disks"][:1]
    done = configure(vbox, disks={"SATA 1": {"size": 4 * MIB}})
    assert (done.verbs, done.vm["disks"][1]["size"]) == (["modifymedium"], "4M")
    task(vbox, config={"disks": {"SATA 1": {"size": 3 * MIB}}}).refused("4M", "3M")
    configure(vbox, disks={"SATA 1": None})
    assert vbox.disk() in vbox.registered()


def test_overlay_of_a_disk_with_a_snapshot_grows(vbox):
    task(vbox).succeeded()
    snapshot(vbox, "s").succeeded()
    configure(vbox, disks={"#0": {"size": 4 * MIB}})
    sizes = [line.split()[1] for line in vbox.run("list", "hdds").splitlines() if line.startswith("Capacity")]
    assert sizes == ["2", "4"]


def test_new_disk_size_is_read_before_the_start(vbox):
    """A running VM reports the old size, unless VirtualBox has read the image again before the start."""
    task(vbox).succeeded()
    done = task(vbox, state="started", config={"disks": {"#0": {"size": 4 * MIB}}}).succeeded()
    calls = [call[0] for call in done.calls]
    assert calls.index("modifymedium") < calls.index("showmediuminfo") < calls.index("startvm")


def test_immutable_disk_is_identified_by_its_own_path(vbox):
    """From the start, the VM's writes go to an overlay of the image."""
    task(vbox).succeeded()
    vbox.attach(vbox.disk(), 1, "web", "--mtype", "immutable")
    config = {"disks": {"SATA 1": {"source": vbox.disk()}}}
    assert task(vbox, config=config).succeeded().writes == []
    snapshot(vbox, "s").succeeded()
    assert task(vbox, config=config).succeeded().writes == []


@pytest.mark.parametrize("os_type", ["Debian (64-bit)", "debian (64-BIT)", "Debian_64", "debian"])
def test_os_type_may_be_an_id_or_a_description(vbox, os_type):
    task(vbox, config={**SMALL, "os_type": "Other_64"}).succeeded()
    configure(vbox, os_type=os_type)
    assert observed(vbox).config["os_type"] == "Debian_64"


def test_vm_with_a_slash_in_its_name_is_managed_by_its_id(vbox):
    uuid = vbox.run("createvm", "--name", "a/b", "--register").partition("UUID: ")[2].split("\n")[0]
    assert task(vbox, id=uuid, config={"memory": 24 * MIB}).succeeded().vm["name"] == "a/b"
    task(vbox, id=uuid, state="absent").succeeded()
    assert vbox.run("list", "vms") == ""


# Settings ---------------------------------------------------------------------------------------------------------


def test_all_settings_are_changed_at_once(vbox):
    task(vbox).succeeded()
    config = {
        "cpus": 2, "memory": 24 * MIB, "firmware": "uefi", "tpm": True, "nested_virtualization": True,
        "os_type": "Debian_64", "description": 'one "two"\nthree', "tags": ("a", "b"), "groups": ("/a", "/b/c"),
        "graphics_controller": "vboxvga", "boot_order": ("network", "disk", "cdrom", "floppy"),
        "display": {"video_memory": 32 * MIB}, "native": {"hpet": "on", "cableconnected1": "off"},
    }  # fmt: skip
    done = configure(vbox, **config)
    assert sorted(done.verbs) == ["modifyvm", "setextradata"]
    assert observed(vbox).config["display"] == {"type": "none", "video_memory": 32 * MIB}
    configure(vbox, boot_order=("cdrom",), firmware="bios", tpm=False, nested_virtualization=False, groups=("/",))
    values = vbox.values()
    assert [values[f"boot{place}"] for place in range(1, 5)] == ["dvd", "none", "none", "none"]
    assert (values["firmware"], values["nested-hw-virt"], values["groups"]) == ("BIOS", "off", "/")


def test_all_settings_go_into_one_call(tmp_path):
    config = {
        "cpus": 2, "memory": 20 * MIB, "description": "x", "firmware": "uefi", "tpm": False,
        "display": {"video_memory": 32 * MIB}, "boot_order": ("network",),
        "networks": {"0": {"type": "internal", "source": "lan"}, "1": {"model": "virtio"}},
    }  # fmt: skip
    driver, commands = driver_on(tmp_path)
    vm = recorded_vm(driver, "web")
    for segment in plan(vm, Request(name="web", config=config), TRAITS).segments:
        driver.apply([(vm, segment, permits.ANYTHING)])
    # The recorded VM has a mark of an earlier version: this change adds the host.
    assert [" ".join(call) for call in commands.calls if call[0] != "setextradata"] == [
        f"modifyvm {vm.id} --description x --firmware efi --memory 20 --cpus 2 --vram 32 --tpm-type none --boot1 net"
        " --boot2 none --boot3 none --boot4 none --nic1 intnet --intnet1 lan --nictype2 virtio"
    ]


def test_new_disk_is_created_in_the_folder_of_a_new_group(vbox):
    """A new group moves the VM's directory; the same task adds a disk."""
    task(vbox).succeeded()
    done = configure(vbox, groups=("/moved",), disks={"SATA 1": {"size": MIB}})
    assert done.vm["disks"][1]["source"] == f"{vbox.machines}/moved/web/web-SATA-1.vdi"
    assert not (vbox.machines / "web").exists()


def test_autostart_is_switched_on_and_off(vbox):
    vbox.run("setproperty", "autostartdbpath", vbox.folder)
    task(vbox, state="started").succeeded()
    assert configure(vbox, autostart=True, native={"autostart-delay": 7}).verbs == [
        "controlvm autostart-enabled", "controlvm autostart-delay"]  # fmt: skip
    task(vbox, config={"autostart": False}).refused("autostart", "allow_restart")
    task(vbox, config={"autostart": False}, allow_restart=True).succeeded()
    assert (vbox.values()["autostart-enabled"], observed(vbox).power) == ("off", "running")


def test_shares_are_changed(vbox):
    """6.1 has no command to change a share, so it is removed and added again with all its settings."""
    for name in ("a", "b"):
        (vbox.folder / name).mkdir()
    a, b = str(vbox.folder / "a"), str(vbox.folder / "b")
    shares = {"s": {"host_path": a, "read_only": True}, "t": {"host_path": b}}
    task(vbox, config={**SMALL, "shared_folders": shares}).succeeded()
    done = configure(vbox, shared_folders={"s": {"host_path": b}, "t": None})
    assert done.writes == [
        "sharedfolder remove --name s", f"sharedfolder add --name s --hostpath {b} --automount --readonly",
        "sharedfolder remove --name t",
    ]  # fmt: skip
    assert vbox.values()["SharedFolderPathMachineMapping1"] == b
    (vbox.folder / "b").rmdir()
    assert configure(vbox, memory=24 * MIB).verbs == ["modifyvm"]  # A missing directory only affects its own share.
    vbox.run("startvm", "web", "--type", "headless")
    vbox.run("sharedfolder", "add", "web", "--name", "u", "--hostpath", a, "--transient")
    assert list(observed(vbox).config["shared_folders"]) == ["s"]


def _share(vbox, name):
    long = vbox.run("list", "--long", "vms")
    return next(line for line in long.splitlines() if line.startswith(f"Name: '{name}', Host path"))


@pytest.mark.parametrize(
    ("flags", "mounted"), [((), ""), (("--automount", "--auto-mount-point", "/m"), ", auto-mount")]
)
def test_mount_of_a_share_that_is_not_requested_is_kept(vbox, flags, mounted):
    task(vbox).succeeded()
    folder = str(vbox.folder)
    vbox.run("sharedfolder", "add", "web", "--name", "s", "--hostpath", folder, *flags)
    configure(vbox, shared_folders={"s": {"read_only": True}}).succeeded()
    assert f"'{folder}' (machine mapping), readonly{mounted}" in _share(vbox, "s")
    assert ("auto-mount" in _share(vbox, "s")) == bool(mounted)
    assert ("mount-point: '/m'" in _share(vbox, "s")) == bool(mounted)
    assert configure(vbox, shared_folders={"s": {"read_only": True}}).writes == []
    configure(vbox, shared_folders={"s": {"guest_path": "/n"}}).succeeded()
    assert ", auto-mount" in _share(vbox, "s")
    assert "mount-point: '/n'" in _share(vbox, "s")


def test_vm_that_is_deleted_while_it_is_changed_is_an_error(vbox):
    task(vbox).succeeded()
    after = {"modifyvm": lambda: vbox.run("unregistervm", "web", "--delete")}
    done = task(vbox, config={"memory": 24 * MIB, "tags": ("a",)}, after=after)
    done.failed_late("it was deleted in the meantime")


def test_vm_cloned_by_hand_does_not_have_the_tags_of_its_source(vbox):
    """Such a clone has the mark of its source, with the tags of the source."""
    task(vbox, config={**SMALL, "tags": ("a",)}).succeeded()
    vbox.run("clonevm", "web", "--name", "copy", "--register")
    assert (observed(vbox, name="copy").config["tags"], observed(vbox, name="copy").owned) == ((), False)
    task(vbox, "copy", config={"tags": ("b",)}).succeeded()
    assert (observed(vbox, name="copy").config["tags"], observed(vbox).config["tags"]) == (("b",), ("a",))
    assert observed(vbox, name="copy").mark["disks"] == []
    for mark in ("[1", "[1]"):
        vbox.run("setextradata", "copy", "polyvirt/mark", mark)
        assert (observed(vbox, name="copy").config["tags"], list(observed(vbox, name="copy").mark)) == ((), ["damaged"])


# Native settings --------------------------------------------------------------------------------------------------


def test_every_native_name_can_be_read_back(tmp_path):
    names = sorted(native.NATIVE_NAMES | {"cableconnected1", "nicpromisc1", "nicbootprio1"})
    driver, _commands = driver_on(tmp_path, native=names)
    read = recorded_vm(driver, "web").config["native"]
    assert [name for name in names if read[name] is None] == []


@pytest.mark.parametrize(("name", "first", "second"), [
    ("clipboard-mode", "bidirectional", "disabled"), ("drag-and-drop", "hosttoguest", "disabled"),
    ("vrde", "on", "off"), ("cableconnected1", "off", "on"), ("cpuexecutioncap", "50", "100"),
])  # fmt: skip
def test_native_setting_of_a_running_vm_is_changed(vbox, name, first, second):
    task(vbox, state="started").succeeded()
    for value in (first, second):
        assert configure(vbox, native={name: value}).verbs[0].startswith("controlvm")


def test_audio_driver_is_read_from_the_settings_file(tmp_path):
    driver, commands = driver_on(tmp_path, native=("audio-driver",))
    file = next(path for path in tmp_path.rglob("web.vbox"))
    text = file.read_text(encoding="utf-8")
    for settings, expected in (('useDefault="true"', "default"), ('driver="DirectSound"', "dsound"), ("", "null")):
        with_adapter = re.sub(r"<AudioAdapter [^>]*>", f"<AudioAdapter {settings}/>", text)
        file.write_text(with_adapter, encoding="utf-8")
        assert recorded_vm(driver, "web").config["native"] == {"audio-driver": expected}
    assert commands.calls == []


# Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "requested", "stored"), [
    ("native", {"--HPET": True}, {"hpet": "on"}), ("native", {"usbehci": False}, {"usbehci": "off"}),
    ("native", {"nicpromisc1": "allow-all"}, {"nicpromisc1": "allow-all"}),
    ("native", {"audio-driver": "none"}, {"audio-driver": "null"}),
    ("native", {"cpuexecutioncap": 40}, {"cpuexecutioncap": "40"}),
    ("os_type", "Debian", "Debian_64"),
    ("networks", {"0": {"type": "user", "model": "e1000"}}, {"0": {"type": "nat", "model": "82540EM"}}),
])  # fmt: skip
def test_setting_is_normalized(option, requested, stored):
    assert TRAITS.normalize(Vm.absent("new"), {option: requested}) == {option: stored}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"memory": 1000}, "multiple of 1M"),
        ({"disks": {"vda": {"size": MIB}}}, "is not a valid slot"),
        ({"native": {"memory": "4"}}, "option memory"),
        *(({"native": {"hpet": value}}, "not a plain value") for value in (None, {}, [1], "")),
        *(
            ({"native": {name: "on"}}, "cannot be read back")
            for name in ("bioslogofadein", "natdnshostresolver1", "natdnsproxy1", "natbindip1", "cpuhotplug")
        ),
        ({"networks": {"0": {"type": "bridged"}}}, "source is required for a NIC of type"),
        ({"networks": {"0": {"type": "nat", "source": "x"}}}, "source is not supported"),
        ({"port_forwards": {"a,b": {"guest_port": 1}}}, "'a,b' is not a valid name: it contains a comma"),
        (
            {"port_forwards": {"polyvirt-ssh": {"guest_port": 1}}},
            "'polyvirt-ssh' is not a valid name: it is used by ssh_forward",
        ),
        (
            {"port_forwards": {"x%s%s%n": {"guest_port": 1}}},
            "'x%s%s%n' is not a valid name: it contains a percent sign",
        ),
        ({"port_forwards": {"a\n": {"guest_port": 1}}}, "'a\\n' is not a valid name: it contains a line break"),
        ({"port_forwards": {"a\rb": {"guest_port": 1}}}, "'a\\rb' is not a valid name: it contains a line break"),
        ({"port_forwards": {"a": {"guest_port": 1, "host_address": "localhost"}}}, "not an IPv4 address"),
        ({"networks": {"0": {"type": "internal"}}, "ssh_forward": True}, "no NIC"),
        ({"groups": ("web",)}, "is not a valid group"),
        ({"shared_folders": {"a b": {"host_path": "/"}}}, "is not a valid name"),
    ],
)
def test_invalid_setting_is_rejected(config, text):
    with pytest.raises(Refused) as caught:
        TRAITS.normalize(Vm.absent("new"), config)
    assert text in str(caught.value)
    assert caught.value.remedy


def test_rule_needs_a_nat_nic_that_remains(tmp_path):
    driver, _commands = driver_on(tmp_path)
    config = {"networks": {}, "port_forwards": {"n": {"protocol": "tcp", "host_port": 1, "guest_port": 2}}}
    policy = Policy(allow_restart=True, purge=frozenset({"networks"}))
    refusal = plan(recorded_vm(driver, "run"), Request(name="run", config=config, policy=policy), TRAITS).refusal
    assert "the VM has no NIC of type nat" in str(refusal)


# Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text"), [
    ("-x", "an option"), ("x" * 201, "longer than 200 bytes"), ("ü" * 101, "longer than 200 bytes"), ("ü" * 100, None),
    ("x-", None),
])  # fmt: skip
def test_invalid_name_of_a_vm_is_rejected(vbox, name, text):
    assert (TRAITS.name_fault(name) is None) == (text is None)
    done = task(vbox, name)
    done.refused(text) if text else done.succeeded()


def test_vm_with_a_leading_dash_is_managed(vbox):
    """Such a VM is never created, because VBoxManage takes the name for an option; an existing one is managed."""
    vbox.run("createvm", "--name=-x", "--register")
    task(vbox, "-x", config={"memory": 20 * MIB}).succeeded()
    snapshot(vbox, "-s", "-x").refused("an option")
    task(vbox, "-x", state="absent").succeeded()
    assert vbox.run("list", "vms") == ""


def test_driver_is_created_from_the_parameters_of_a_module():
    params = {"executable": "/x/VBoxManage", "storage_path": "/vms", "start_type": "gui", "native": {"hpet": "on"}}
    driver = make_driver(params)
    assert (driver.storage_path, driver.commands.environment("NO_SUCH_VARIABLE")) == ("/vms", None)
    with pytest.raises(Unavailable, match="/x/VBoxManage is not an executable program"):
        driver.traits()
