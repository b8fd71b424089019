# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM of which one thing is changed behind the task's back: the task reports it, or the description names it.

Definitions of libvirt are in unit/module_utils/_drivers/virsh/settings/test_described.py.
"""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED
from hypothesis import strategies as st

from platforms.hyperv.bench import OnHyperV
from platforms.proxmox.bench import OnProxmox
from platforms.virtualbox.bench import VirtualBox
from platforms.vmm.bench import Vmd
from platforms.wsl.bench import OnWsl
from suite.described import entry_of
from suite.pairs import Case, generated
from suite.test_described_foreign import FORTY
from unit.module_utils._drivers.vagrant.in_process import BOX, World


def described(platform, name="web"):
    (vm,) = [vm for vm in platform.described() if vm["name"] == name]
    return vm


def assert_reported(platform, before, after, unread=()):
    """Assert that the task of the VM as it was reports a change, or that it is described otherwise now.

    ``unread`` are paths of which a description says that nothing in them is read.
    """
    if not paths(after).intersection(unread) and (after["task"], after["not_described"]) == (
        before["task"],
        before["not_described"],
    ):
        outcome = platform.run([{**entry_of(before["task"]), "allow_restart": True}], check=True)
        assert outcome.failed or outcome.diff, "neither drift, nor named"


def paths(vm):
    return {one["path"] for one in vm["not_described"] if one["kind"] == "unsupported"}


# VirtualBox -----------------------------------------------------------------------------------------------------------

_TWO_NICS = {"networks": [{"type": "nat"}, {"type": "nat"}]}
_SECOND_DRIVE = ("storageattach", "web", "--storagectl", "SATA", "--port", "7", "--type", "dvddrive", "--medium")
#: (arguments of VBoxManage, path that the description names; None: the task holds it)
_OF_VIRTUALBOX = (
    (("modifyvm", "web", "--natpf1", "dns,udp,,5353,,53"), None),
    (("modifyvm", "web", "--natpf1", "inner,udp,,5353,10.0.2.15,53"), "natpf1.inner"),
    (("modifyvm", "web", "--natpf2", "second,tcp,,5355,,54"), "natpf2.second"),
    (("modifyvm", "web", "--cableconnected1", "off"), None),
    (("modifyvm", "web", "--nicpromisc2", "allow-all"), None),
    (("modifyvm", "web", "--hpet", "on"), None),
    (("modifyvm", "web", "--rtcuseutc", "off"), None),
    (("modifyvm", "web", "--cpuexecutioncap", "50"), None),
    (("modifyvm", "web", "--monitorcount", "2"), None),
    (("modifyvm", "web", "--description", "other"), None),
    (("modifyvm", "web", "--uart1", "0x3F8", "4"), "Hardware/UART/Port@hostMode"),
    (("modifyvm", "web", "--uart1", "0x3F8", "4", "--uartmode1", "file", "/web.log"), None),
    ((*_SECOND_DRIVE, "emptydrive"), None),
)


@pytest.mark.parametrize(("words", "path"), _OF_VIRTUALBOX, ids=lambda one: one[2] if isinstance(one, tuple) else "")
def test_change_on_virtualbox(words, path):
    with VirtualBox.opened() as platform:
        platform.prepare(Case(STOPPED, _TWO_NICS, {}))
        if words[0] == "storageattach":
            platform._box.run(*_SECOND_DRIVE[:5], "6", *_SECOND_DRIVE[6:], "emptydrive")
        before = described(platform)
        platform._box.run(*words)
        after = described(platform)
        assert_reported(platform, before, after)
        assert paths(after) - paths(before) == ({path} if path else set())


def test_list_with_a_forward_by_udp_is_complete_on_virtualbox():
    with VirtualBox.opened() as platform:
        platform.prepare(Case(STOPPED, _TWO_NICS, {}))
        platform._box.run("modifyvm", "web", "--natpf1", "dns,udp,,5353,,53")
        task = described(platform)["task"]
        assert task["port_forwards"] == [{"name": "dns", "protocol": "udp", "host_port": 5353, "guest_port": 53}]
        assert "port_forwards" in task["purge"]


# Hyper-V --------------------------------------------------------------------------------------------------------------


_OF_SWITCH_PORT = {
    "dhcp_guard": {"DhcpGuard": "On"}, "router_guard": {"RouterGuard": "On"},
    "mac_spoofing": {"MacAddressSpoofing": "On"}, "NetworkAdapters.0.DeviceNaming": {"DeviceNaming": "On"},
}  # fmt: skip
_OF_VLAN = {
    "trunk": {"OperationMode": "Trunk", "AllowedVlanIdListString": "1-5", "NativeVlanId": 0},
    "vlan": {"OperationMode": "Trunk", "AllowedVlanIdListString": "", "NativeVlanId": 9},
    "NetworkAdapters.0.VlanSetting": {"OperationMode": "Private", "PrimaryVlanId": 9},
}


@pytest.mark.parametrize("name", [*_OF_SWITCH_PORT, *_OF_VLAN])
def test_change_on_hyperv(name):
    with OnHyperV.opened() as platform:
        platform.prepare(Case(STOPPED, {"networks": [{"type": "network", "source": "lan"}], "memory": "512M"}, {}))
        before = described(platform)
        nic = platform.host.vm("web").hardware.nics[0]
        nic.shown.update(_OF_SWITCH_PORT.get(name, {}))
        nic.vlan.update(_OF_VLAN.get(name, {}))
        after = described(platform)
        assert (name in paths(after) - paths(before)) != (name in after["task"]["networks"][0])
        assert_reported(platform, before, after)


# Proxmox VE -----------------------------------------------------------------------------------------------------------

#: Keys whose values are the server's own defaults: without them, the VM is the same.
_USUAL = ("acpi", "scsihw")
_IDENTITIES = ("smbios1", "vmgenid", "efidisk0", "description", "tags", "bootdisk")
_ADDED = {
    "ide0": "local:iso/debian.iso,media=cdrom,size=600M", "serial1": "socket", "ivshmem": "size=32,name=foo",
    "hotplug": "0", "usb0": "spice", "tdf": "1", "kvm": "0", "numa0": "cpus=0-1,memory=4096", "template": "1",
    "parallel0": "/dev/parport0", "freeze": "1", "vmstatestorage": "local", "spice_enhancements": "videostreaming=all",
}  # fmt: skip
_OTHER = {
    "cpu": "kvm64", "balloon": "2048", "bios": "seabios", "ostype": "win11", "agent": "0", "keyboard": "fr",
    "hotplug": "disk", "net0": "virtio=BC:24:11:00:00:07,bridge=vmbr0,firewall=1,rate=20", "scsihw": "megasas",
    "net1": "e1000=BC:24:11:00:00:08,bridge=vmbr1,link_down=1,tag=6", "audio0": "device=AC97",
    "scsi0": "local-lvm:vm-102-disk-0,cache=none,size=32G", "vga": "std,memory=64", "machine": "pc-i440fx-8.1",
    "watchdog": "model=ib700", "startup": "order=3", "boot": "order=net0", "ipconfig0": "ip6=dhcp",
    "rng0": "source=/dev/random", "ide2": "none,media=cdrom", "nameserver": "192.0.2.54",
}  # fmt: skip


def _on_proxmox(options):
    platform = OnProxmox()
    platform.prepare(Case(None, (options, "stopped"), {}))
    return platform


def _changes():
    for key, text in FORTY.items():
        if key not in _IDENTITIES:
            numbers = str(int(text) + 1 if int(text) > 1 else 1 - int(text)) if text.isdecimal() else f"{text}x"
            yield {**FORTY, key: _OTHER.get(key, numbers)}
        if key not in (*_IDENTITIES, *_USUAL):
            yield {one: two for one, two in FORTY.items() if one != key}
    yield from ({**FORTY, key: text} for key, text in _ADDED.items())


def test_each_change_on_proxmox():
    before, unseen, count = described(_on_proxmox(FORTY)), [], 0
    for options in _changes():
        count += 1
        platform = _on_proxmox(options)
        try:
            assert_reported(platform, before, described(platform))
        except AssertionError:
            unseen.append(options.items() ^ FORTY.items())
    assert count > 80
    assert unseen == []


def test_hotplug_is_described_by_native_alone():
    vm = described(_on_proxmox({**FORTY, "ide0": _ADDED["ide0"]}))
    assert vm["task"]["native"]["hotplug"] == "network,disk"
    assert "hotplug" not in paths(vm)
    assert [drive["slot"] for drive in vm["task"]["cdroms"]] == ["ide0", "ide2"]


# vmd ------------------------------------------------------------------------------------------------------------------

#: Lines of the block of a VM, each in several forms: one is replaced by another, added or removed.
_LINES = {
    "memory": ("memory 96M", "memory 128M"),
    "owner": ("owner root", "owner :wheel", ""),
    "allow": ("allow instance { boot, disk }", "allow instance { memory }", ""),
    "interface": (
        'interface { switch "lan" lladdr fe:e1:ba:00:00:09 }', 'interface { switch "dmz" lladdr fe:e1:ba:00:00:09 }',
        'interface { switch "lan" locked lladdr fe:e1:ba:00:00:09 }', 'interface "tap9" { switch "lan" }',
        'interface { switch "lan" rdomain 1 }', 'interface { switch "lan" group "x" }',
        'interface { switch "lan" down }', "local interface", "interface", "",
    ),
    "boot": ("boot device disk", "boot device net", ""),
    "state": ("disable", "enable"),
    "cdrom": ("", 'cdrom "/tmp/x.iso"'),
    "second": ("", "interface"),
}  # fmt: skip


def _block(host, lines):
    text = "".join(f"\t{line}\n" for line in lines.values() if line)
    switches = 'switch "lan" { interface bridge0 }\nswitch "dmz" { interface bridge1 }\n'
    return f'{switches}vm "mail" {{\n\tdisk "{host.disk()}"\n{text}}}\n'


def test_each_change_on_vmd():
    unseen, count = [], 0
    usual = {name: forms[0] for name, forms in _LINES.items()}
    with Vmd.opened() as platform:
        host = platform._host

        def vm_with(lines):
            host.write("/etc/vm.conf", _block(host, lines))
            if host.call("vmctl", "reload").returncode != 0:
                return None
            return described(platform, "mail")

        before = vm_with(usual)
        for name, forms in _LINES.items():
            for form in forms[1:]:
                after = vm_with({**usual, name: form})
                count += after is not None
                try:
                    assert after is None or assert_reported(platform, before, after) is None
                except AssertionError:
                    unseen.append(form or f"without {name}")
    assert count > 10
    assert unseen == []


# WSL ------------------------------------------------------------------------------------------------------------------

_GIB = 1 << 30
#: Values of the registry, lines of wsl.conf and properties of the disk, each in several forms.
_REGISTRY = {
    "KernelCommandLine": ("BOOT_IMAGE=/kernel init=/init", "BOOT_IMAGE=/kernel init=/init quiet", "ro"),
    "DefaultEnvironment": (["LANG=en_US.UTF-8"], ["PATH=/opt/bin"], ["LANG=C", "EDITOR=vi"]),
}
_CONF = {
    "automount": ("", "enabled=false", "enabled=true", "root=/mnt/ü"), "network": ("", "hostname=a", "hostname=b"),
    "boot": ("", "systemd=true", "command=echo a # b"), "user": ("", "default=daemon", "default=nobody"),
    "wsl2": ("", "memory=2GB"), "interop": ("", "enabled = 0", "enabled = 0\nappendWindowsPath=false"),
}  # fmt: skip
_OTHERS = {"flags": (15, 14, 13, 11), "uid": (0, 1, 1007), "size": (1024 * _GIB, 2048 * _GIB), "sparse": (False, True)}
_FORMS = {**_REGISTRY, **_CONF, **_OTHERS}
_DISTROS = st.fixed_dictionaries({name: st.sampled_from(forms) for name, forms in _FORMS.items()})


def _edit(platform, distro, forms):
    conf = "".join(f"[{name}]\n{forms[name]}\n" for name in _CONF if forms[name]).encode()
    distro.files["/etc/wsl.conf"] = distro.started_with = conf
    distro.values.update({name: forms[name] for name in _REGISTRY})
    distro.flags, distro.uid = forms["flags"], forms["uid"]
    disk = platform.host.files.vhd(distro.disk)
    disk.size, disk.sparse = forms["size"], forms["sparse"]


def test_each_change_on_wsl():
    """If wsl.conf has a user that exists, the uid of the registry has no effect."""

    @generated(150, _DISTROS, st.sampled_from(sorted(_FORMS)).flatmap(_change), st.booleans())
    def holds(forms, change, is_running):
        name, form = change
        if forms[name] == form or (name, forms["user"]) == ("uid", "default=daemon"):
            return
        with OnWsl.opened() as platform:
            distro = platform.host.add("web", running=is_running)
            _edit(platform, distro, forms)
            before = described(platform)
            _edit(platform, distro, {**forms, name: form})
            unread = {"native"} if name in (*_CONF, "uid") and not is_running else ()
            assert_reported(platform, before, described(platform), unread)

    holds()


def _change(name):
    return st.tuples(st.just(name), st.sampled_from(_FORMS[name]))


# Vagrant --------------------------------------------------------------------------------------------------------------

_OF_PROVIDER = (("--memory", "128"), ("--cpus", "2"), ("--hpet", "on"), ("--nic2", "nat"), ("--description", "x"))
#: (text of the managed file, what a user writes instead)
_IN_FILE = (
    ("memory = 64", "memory = 96"), ('"memory":64', '"memory":96'), ('"name":"web"', '"name":"other"'),
    ("    # END", '    machine.vm.synced_folder "/", "/x"\n    # END'), ("end\n", "end\n# mine\n"),
)  # fmt: skip


@pytest.fixture
def on_virtualbox(tmp_path):
    world = World(tmp_path, "virtualbox")
    assert not world.run("web", box=BOX, memory="64M", state="started").failed
    world.run("web", state="stopped", stop_mode="force")
    return world


def _described_in(world, **options):
    (vm,) = world.run(None, about="vm_info", describe=True, **options).vms
    return vm


@pytest.mark.parametrize("words", _OF_PROVIDER)
def test_change_by_the_tool_of_a_provider_is_named_on_vagrant(on_virtualbox, words):
    ((_line, uuid),) = [line.split("{") for line in on_virtualbox.virtualbox.run("list", "vms").splitlines()]
    on_virtualbox.virtualbox.run("modifyvm", uuid.rstrip("}"), *words)
    assert paths(_described_in(on_virtualbox)) == {"virtualbox"}


@pytest.mark.parametrize(("text", "other"), _IN_FILE)
def test_change_of_the_managed_file_is_reported_on_vagrant(on_virtualbox, text, other):
    """No task overwrites what somebody has written."""
    before = on_virtualbox.file.read_text(encoding="ascii")
    assert text in before
    on_virtualbox.file.write_text(before.replace(text, other), encoding="ascii")
    for options in ({}, {"memory": "64M"}, {"memory": "96M"}):
        result = on_virtualbox.run("web", check=True, **options)
        assert result.failed, "neither drift, nor an error"
        assert "Vagrantfile.polyvirt" in result.msg


def test_change_of_the_users_own_file_is_named_on_vagrant(tmp_path):
    world = World(tmp_path)
    for more in ("", '  config.vm.hostname = "x"\n'):
        text = f'Vagrant.configure("2") do |config|\n  config.vm.box = "{BOX}"\n{more}end\n'
        world.vagrant.write(text, "Vagrantfile")
        world.run("default", managed=False, state="started")
        assert paths(_described_in(world, managed=False)) == {"Vagrantfile"}
