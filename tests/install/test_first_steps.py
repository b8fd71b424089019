# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/first-steps.md, word by word, on a bare Debian: every block of a platform's section, then the five steps.

Runs in a world with the files of a Debian without libvirt: scripts/test.sh run --root bare-debian13 THIS_FILE.
libvirt is that of Debian, Proxmox VE the simulator of the section; the others are the doubles of the tests. What is not
in the page: the address of the vendor's mirror and of the double, and a guest that starts without KVM.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
import yaml

from collection_path import CHECKOUT
from install.newcomer import Newcomer, blocks, typed
from platforms.hyperv.double.host import HyperV
from platforms.vagrant.double_project import Vagrant
from platforms.virtualbox.platform import Double
from platforms.vmm.double_host import OpenBSD
from platforms.windows.machine import Machine
from platforms.windows.winrm_server import WinRMServer, through
from platforms.wsl.double.distro import FILES
from platforms.wsl.host_setup import SetupHost

pytestmark = pytest.mark.skipif("POLYVIRT_PACKAGES" not in os.environ, reason="needs --root bare-debian13")

GUEST = Path(os.environ.get("POLYVIRT_TEST_IMAGES", "/nowhere"), "fast-base.qcow2")
PAGE = (CHECKOUT / "docs/first-steps.md").read_text(encoding="utf-8")
#: {heading: text}; the text before the first one of a platform has the key ''.
SECTIONS = dict(
    zip(["", *re.findall(r"^## (.*)$", PAGE, re.MULTILINE)], re.split(r"^## .*$", PAGE, flags=re.MULTILINE))
)
SECTIONS_OF_PLATFORMS = [name for name in SECTIONS if name]
#: The commands of the five steps.
CHECK, RUN, AGAIN = re.findall(r"^\d\. `(ansible-playbook web\.yml.*?)`", PAGE, re.MULTILINE)
_END = "END OF STEP"
#: (step, whether it changes something)
_STEPS = [(CHECK, True), (RUN, True), (AGAIN, False)]


def _play(section):
    (play,) = next(yaml.safe_load(code) for language, code in blocks(SECTIONS[section]) if "# web.yml" in code)
    return play


def test_task_is_the_same_on_all_platforms():
    tasks = [_play(section)["tasks"][0] for section in SECTIONS_OF_PLATFORMS]
    assert len(tasks) == 7
    assert all(task == tasks[0] for task in tasks)
    assert tasks[0]["polyvirt.core.vm"] == {"name": "web1", "state": "started", "image": "debian-13"}


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """All sections have the same user, so the packages of the first block are installed once."""
    found = Newcomer(tmp_path_factory.mktemp("user"))
    yield found
    found.vendor.close()


@pytest.fixture
def newcomer(user, tmp_path):
    user.go_to(tmp_path / "place")
    return user


def _given(newcomer, host, variables=()):
    """Set variables of a host that are not in the page."""
    mirrors = {"polyvirt_mirrors": newcomer.vendor.mirrors}
    newcomer.write(f"host_vars/{host}.yml", {**mirrors, **dict(variables)})


def _follow(newcomer, section, environment=(), edit=lambda text: text):
    """Type the blocks of the page, then the five steps; returns the output of each step."""
    # The hosts.yml of WSL is that of Hyper-V.
    shared = [one for one in blocks(SECTIONS["Hyper-V"]) if "# hosts.yml" in one[1] and section == "WSL"]
    text = "".join(typed(*block) for block in [*blocks(SECTIONS[""]), *shared, *blocks(SECTIONS[section])])
    changed = r"sed -i -E 's/memory: (1G|2G)/memory: 1536M/' web.yml"
    removed = "sed -i 's/state: started/state: absent/' web.yml"
    steps = "".join(f"{step}\necho {_END}\n" for step, _changes in _STEPS)
    script = f"{edit(text)}\necho {_END}\n{steps}{changed}\n{RUN}\necho {_END}\n{removed}\n{RUN}\n"
    _prepared, *outputs = newcomer.run(script, environment).split(_END)
    found = [bool(re.search(r"changed=[1-9]", output)) for output in outputs]
    has_memory = "memory:" in SECTIONS[section]
    assert found == [*(changes for _step, changes in _STEPS), has_memory, True], "\n".join(outputs)
    return outputs


def _indented(options):
    return "".join(f"      {line}\n" for line in yaml.safe_dump(options).splitlines())


def test_libvirt(newcomer):
    images = Path(os.environ["POLYVIRT_TEST_IMAGES"])
    newcomer.publish(GUEST)
    (words,) = re.findall(r"On a host without KVM, add (.*?) to", SECTIONS["libvirt"])
    without_kvm = dict(yaml.safe_load(word).popitem() for word in re.findall(r"`(.*?)`", words))
    kernel = {
        "os/kernel": str(images / "vmlinuz"),
        "os/initrd": str(images / "initrd.img"),
        "os/cmdline": "console=ttyS0 net.ifnames=0 quiet tsc=reliable no_timer_check mitigations=off",
    }
    option = "    polyvirt.core.virsh_vm:\n"
    _given(newcomer, "localhost")
    added = _indented({**without_kvm, "native": kernel})
    _check, run, *_more = _follow(newcomer, "libvirt", edit=lambda text: text.replace(option, option + added))
    assert re.search(r"ssh admin@192\.168\.\d+\.\d+", run)


def test_proxmox(newcomer):
    newcomer.publish(GUEST)
    _given(newcomer, "localhost")
    node = newcomer.home / "node"
    node.mkdir()
    newcomer.program(node / "pveum")
    _follow(newcomer, "Proxmox VE", {"PATH": f"{newcomer.environment['PATH']}:{node}"})


@contextmanager
def _windows(newcomer, host):
    """A simulated Windows host as windows1."""
    with WinRMServer(through(Machine(host, request=20.0, down=30.0))) as server:
        _given(newcomer, "windows1", server.variables)
        yield host


def test_hyperv(newcomer):
    newcomer.publish(GUEST)
    with _windows(newcomer, HyperV(enabled=False)) as host:
        _follow(newcomer, "Hyper-V")
    assert host.vms == []


def test_wsl(newcomer):
    host = SetupHost()
    host.online["Debian"] = {**FILES, "/etc/os-release": b"ID=debian\nVERSION_ID=13\n"}
    with _windows(newcomer, host):
        _follow(newcomer, "WSL")
    assert not host.distros


class _Greets(BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"SSH-2.0-tests\r\n")


class _Server(ThreadingTCPServer):
    allow_reuse_address = True


@contextmanager
def _ssh_server(port_of, address=""):
    """What answers instead of a guest: a server that greets like sshd, while ``port_of()`` is a port."""
    ended = threading.Event()

    def serve():
        while not ended.wait(0.2):
            port = port_of()
            if port is not None:
                with _Server((address, port), _Greets) as server:
                    threading.Thread(target=server.serve_forever, daemon=True).start()
                    while port_of() == port and not ended.wait(0.2):
                        pass
                    server.shutdown()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_virtualbox(newcomer):
    """The double's programs come before those of the system. Its guest has no operating system that could shut down."""
    newcomer.publish(GUEST)
    platform, option = Double(prefix="web"), "    polyvirt.core.vbox_vm:\n"
    without_system = option + _indented({"stop_mode": "force"})
    _given(newcomer, "localhost")

    def port_of():
        """The port that a rule of the VM forwards to SSH while it runs."""
        uuid = platform.ids().get("web1", "none")
        shown = platform.box.call("showvminfo", uuid, "--machinereadable").stdout
        port = re.search(r'"polyvirt-ssh,tcp,127\.0\.0\.1,(\d+),,22"', shown)
        return int(port[1]) if port and 'VMState="running"' in shown else None

    with platform.kept(), _ssh_server(port_of, "127.0.0.1"):
        around = {"PATH": f"{platform.programs}:{newcomer.environment['PATH']}"}
        _follow(newcomer, "VirtualBox", around, lambda text: text.replace(option, without_system))
        assert platform.truth(["web1"]) == {"web1": None}


def _answer_as(guests):
    """Let the world itself have the addresses of these guests of a double."""
    subprocess.run(["ip", "address", "add", guests, "dev", "lo"], check=True)


def test_vagrant(newcomer, tmp_path):
    """Vagrant is installed as the page says; its double with VMs of libvirt comes before it."""
    box = {"name": "debian/trixie64", "provider": "libvirt", "version": "0"}
    vagrant = Vagrant(tmp_path / "vagrant", usable=["libvirt"], boxes=[box])
    vagrant.add_virsh()
    _given(newcomer, "localhost")
    _answer_as("192.168.121.0/24")
    with _ssh_server(lambda: 22):
        _follow(newcomer, "Vagrant", {"PATH": f"{vagrant.bin}:{newcomer.environment['PATH']}"})
    assert vagrant.state()["machines"] == {}
    assert not (newcomer.home / "shop").exists()


def test_vmd(newcomer, tmp_path):
    """OpenBSD is simulated in this world, whose own /etc gets its files."""
    newcomer.publish(GUEST)
    newcomer.publish_archive()
    local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    _given(newcomer, "openbsd1", local)
    host = OpenBSD(tmp_path / "openbsd", root="/", users={"root": [0, 0], "daemon": [1, 1]})
    host.populate()
    newcomer.program(host.bin / "pkg_add", 'exec apt-get install "$@"')
    around = {**host.environment(), "PATH": f"{host.bin}:{newcomer.environment['PATH']}"}
    _answer_as("100.64.0.0/10")  # Those of local interfaces.
    with _ssh_server(lambda: 22):
        _follow(newcomer, "OpenBSD vmd", around)
