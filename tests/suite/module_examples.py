# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the EXAMPLES of the VM modules presuppose, as data: the rest of each example runs as it is written."""

from __future__ import annotations

import importlib
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, NamedTuple

import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from platforms.libvirt.base import IMAGES
from suite import appliance_files


class Needed(NamedTuple):
    """Something that a user has before the examples run, why, and the function that prepares it on a platform."""

    why: str
    prepare: Callable


class Examples(NamedTuple):
    """The platform on which the examples of a module run, what is there before, and options of the play by reason.

    ``image`` is what the vendor publishes as debian-13, if it is not a small image without a guest. ``beside`` is a
    second platform. ``variables`` are those of the host, ``environment`` those of the tests. ``without`` are names of
    examples that cannot run here, with the reason.
    """

    platform: str
    needed: tuple = ()
    defaults: tuple = ()
    image: str = ""
    beside: str = ""
    variables: tuple = ()
    environment: tuple = ()
    without: tuple = ()


def _template(name):
    def prepare(platform):
        from simulators.proxmox import worlds

        options = {"name": name, "template": "1", "ostype": "l26", "scsihw": "virtio-scsi-single", "memory": "2048"}
        worlds.add_machine(platform.world, 9000, "pve1", options, size=8)

    return prepare


def _shared_storages(platform):
    from simulators.proxmox.storage import GIB, Storage, Volume

    storages = platform.world.storages
    storages.add(Storage("ceph", "rbd", frozenset({"images"}), shared=True))
    storages.add(Storage("cephfs", "cephfs", frozenset({"import"}), shared=True))
    files = storages.get("cephfs")
    files.volumes[files.key("pve1", "import/debian-12.qcow2")] = Volume(2 * GIB, "qcow2", "import")


def _switch(platform):
    platform.config_file.write_text('switch "uplink" { interface bridge0 }\n', encoding="latin-1")
    platform.run("ifconfig", "bridge0", "create")
    platform.run("vmctl", "reload")


def _ssh_of_guest(platform):
    ssh = platform.programs / "ssh"
    ssh.write_text(f"#!/bin/sh\nexec {platform.programs}/vmctl stop -fw web1\n", encoding="utf-8")
    ssh.chmod(0o755)


def _vms(**names):
    return lambda platform: platform.bring(names, obeying=names)


def _file(path):
    """A file with the content of an ISO image or of an image for VMs."""

    def prepare(platform):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".iso"):
            shutil.copy(platform.medium(), path)
        else:
            platform.put_image(path)

    return prepare


def _appliance(_platform):
    path = Path("/srv/appliances/shop.ova")
    path.parent.mkdir()
    disk = appliance_files.disk(path.with_name("disk1.vmdk"))
    appliance_files.ova(path, appliance_files.one_disk(appliance_files.nic()), {"disk1.vmdk": disk})


def _folder(path):
    return lambda _platform: Path(path).mkdir(parents=True)


def _network(platform):
    platform.box.has_networks(bridgedifs=["enp3s0"])


def _boxes(platform):
    versions = {"debian/trixie64": "13.20250901.1", "debian/bookworm64": "12.20240905.1"}
    boxes = [
        {"name": name, "provider": provider, "version": version}
        for name, version in versions.items()
        for provider in ("libvirt", "virtualbox")
    ]
    platform.vagrant.change(usable=["libvirt", "virtualbox"], boxes=boxes)


def _virsh(platform):
    """A virsh that knows the VMs of the double's provider libvirt."""
    program, known = platform.programs / "virsh", platform.folder / "known"
    program.write_text(_VIRSH.format(python=sys.executable, path=sys.path, known=str(known)), encoding="utf-8")
    program.chmod(0o755)


_VIRSH = """\
#!{python}
import sys
sys.path[:0] = {path!r}
from platforms.vagrant.double.registry import Registry
from platforms.vagrant.double.virsh import Virsh
code, output, errors = Virsh(Registry({known!r}))(sys.argv)
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(code)
"""


def _shop(platform):
    Path("/home/anna/shop").mkdir(parents=True)
    Path("/home/anna/shop/Vagrantfile").write_text(_VAGRANTFILE, encoding="utf-8")
    done = platform.vagrant.call("up", VAGRANT_CWD="/home/anna/shop", VAGRANT_VAGRANTFILE="Vagrantfile")
    assert done.returncode == 0, done.stdout + done.stderr
    platform.machines.make_obeying(platform.machines.ids())


_VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.box = "debian/bookworm64"
  config.vm.provider "virtualbox"
end
"""


def _windows_files(*paths):
    def prepare(platform):
        for path in paths:
            platform.host.files.make(path) if path.endswith("\\") else platform.host.files.put(path, b"iso")

    return prepare


def _tarball(platform):
    from platforms.wsl.double.distro import FILES, packed

    platform.host.files.put("C:\\images\\alpine-minirootfs.tar.gz", packed(FILES))


def _debian_13(platform):
    platform.host.online["Debian"]["/etc/os-release"] = b"ID=debian\nVERSION_ID=13\n"


def _account(platform):
    """The account of the example, and the name of its host, which has another certificate."""
    from simulators.proxmox.access import ADMINISTRATOR, Account, Token

    access = platform.world.access
    access.accounts["automation@pve"] = Account(tokens={"ansible": Token(_SECRET)})
    for who in ("automation@pve", "automation@pve!ansible"):
        access.allow("/", who, ADMINISTRATOR)
    with open("/etc/hosts", "a", encoding="utf-8") as hosts:
        hosts.write("127.0.0.1 pve1.example.com\n")


_SECRET = "secret-of-the-example"
_APPLIANCE = Needed("the vendor's appliance", _appliance)
_PORT = "the port and the certificate of the simulated cluster"
_GUEST = "the guest of the tests has no boot loader"
_FAST_GUEST = ((_GUEST, {"virsh_vm": lambda platform: {"native": platform.kernel()}}),)
_FAST_IMAGE = str(IMAGES / "polyvirt-tests/fast-base.qcow2")

_BSD_RD = "Install OpenBSD; the VM ends when the installer reboots"

EXAMPLES = {
    "vm": Examples(
        "libvirt_qemu",
        (Needed("the account of the cluster", _account), Needed("the template that is cloned", _template("debian-13"))),
        (
            *_FAST_GUEST,
            (_PORT, {"proxmox_vm": lambda platform: {"api_port": platform.server.port, "validate_certs": False}}),
        ),
        image=_FAST_IMAGE,
        beside="proxmox",
        variables=(("vm_platform", "libvirt"), ("pve_token", _SECRET)),
    ),
    "virsh_vm": Examples(
        "libvirt_qemu",
        (
            Needed("the directory that is shared", _folder("/srv/data")),
            Needed("the VMs beside web1 that are shut down", _vms(web2=STOPPED, web3=RUNNING)),
            Needed("the user's ISO image", _file("/var/lib/libvirt/images/installer.iso")),
            _APPLIANCE,
        ),
        _FAST_GUEST,
        image=_FAST_IMAGE,
    ),
    "vbox_vm": Examples(
        "virtualbox_double",
        (
            Needed("the NIC of the host that the VM is bridged to", _network),
            Needed("the user's ISO image", _file("/srv/iso/windows11.iso")),
            Needed("the user's image", _file("/srv/images/debian-12.vdi")),
            _APPLIANCE,
        ),
        (
            (
                "the image has no guest that obeys the power button",
                {"vbox_vm": lambda _platform: {"stop_mode": "force"}},
            ),
        ),
    ),
    "vagrant_instance": Examples(
        "vagrant",
        (
            Needed("the boxes, which the real Vagrant downloads", _boxes),
            Needed("VMs of Vagrant's double are not in the real libvirt", _virsh),
            Needed("the directory that is shared", _folder("/srv/dumps")),
            Needed("the directory of projects", _folder("/srv/vagrant/web")),
            Needed("the user's project, with a VM that runs", _shop),
        ),
        (
            (
                "the guests of new VMs do not obey the power button",
                {"vagrant_instance": lambda _platform: {"stop_mode": "force"}},
            ),
        ),
        # Also in a deep run: the real Vagrant cannot download the boxes.
        environment=(("POLYVIRT_TEST_VAGRANT", "double"),),
    ),
    "proxmox_vm": Examples(
        "proxmox",
        (
            Needed("the template that is cloned", _template("debian-12")),
            Needed("the storages of all nodes, with the user's image", _shared_storages),
            Needed("the VM that becomes a template", _vms(golden=STOPPED)),
            _APPLIANCE,
        ),
    ),
    "vmm_vm": Examples(
        "vmm",
        (
            Needed("the switch, which the role vmm_network creates", _switch),
            Needed("SSH of the guest: guests of the double are no systems", _ssh_of_guest),
        ),
        without=((_BSD_RD, "the module reads /bsd.rd in the root directory of this host, which no test changes"),),
    ),
    "hyperv_vm": Examples(
        "hyperv",
        (
            Needed("the user's ISO image", _windows_files("C:\\iso\\windows.iso")),
            Needed("the VM that is cloned", _vms(golden=STOPPED)),
            _APPLIANCE,
        ),
    ),
    "wsl_distro": Examples(
        "wsl",
        (
            Needed("the user's archive", _tarball),
            Needed("the directory of backups", _windows_files("C:\\backup\\")),
            Needed("what the vendor publishes as Debian", _debian_13),
        ),
    ),
}


def prepared(examples, platform, other):
    """Prepare what the examples need, and return the options of the play: {module: options}."""
    of_module = {"proxmox_vm": other} if other else {}
    for one in examples.needed:
        one.prepare(other or platform)
    found = {}
    for _why, given in examples.defaults:
        for module, options in given.items():
            found.setdefault(module, {}).update(options(of_module.get(module, platform)))
    return found


def tasks_of(module):
    """The EXAMPLES of a module that can run here, as tasks."""
    found = importlib.import_module(f"ansible_collections.polyvirt.core.plugins.modules.{module}")
    without = dict(EXAMPLES[module].without)
    tasks = yaml.safe_load(found.EXAMPLES)
    assert without.keys() <= {task["name"] for task in tasks}
    return [task for task in tasks if task["name"] not in without]


@contextmanager
def without_leases(platform):
    """A context after which the network default has no lease of a guest: it is created again, as it was."""
    try:
        yield
    finally:
        if hasattr(platform, "virsh"):
            platform.clean()
            text = platform.virsh("net-dumpxml", "default", "--inactive")
            for command in ("net-destroy", "net-undefine"):
                platform.virsh(command, "default")
            platform.virsh("net-define", "/dev/stdin", stdin=text)
            for command in ("net-autostart", "net-start"):
                platform.virsh(command, "default")


#: Ports from which doubles forward nothing to a guest: those that VirtualBox's VMs get lead to the same server.
_FORWARDS = ("iptables", "-t", "nat")
_TO_SSH = ("OUTPUT", "-p", "tcp", "-d", "127.0.0.1", "--dport", "20000:29999", "-j", "REDIRECT", "--to-ports", "22")


#: The networks of the guests of doubles.
_NETWORKS = ("10.0.0.0/24", "100.64.0.0/10", "192.0.2.0/24", "192.168.121.0/24")


@contextmanager
def guests_with_ssh():
    """A context in which all addresses of the guests of doubles answer with the banner of an SSH server."""
    for network in _NETWORKS:
        subprocess.run(["ip", "route", "add", "local", network, "dev", "lo"], check=True)
    subprocess.run([*_FORWARDS, "-A", *_TO_SSH], check=True)
    with socket.create_server(("", 22)) as listener:
        threading.Thread(target=_greet, args=(listener,), daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            subprocess.run([*_FORWARDS, "-D", *_TO_SSH], check=True)
            for network in _NETWORKS:
                subprocess.run(["ip", "route", "del", "local", network, "dev", "lo"], check=True)


def _greet(listener):
    while True:
        try:
            connection, _address = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"SSH-2.0-of-a-guest\r\n")
