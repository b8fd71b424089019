# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role unattended_install with a stand-in for the ISO image of Windows, in real VMs.

The stand-in is started by the BIOS of the VM, and writes to the serial port what the script of the role writes. Windows
itself is never started.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from windows_guests import setup
from windows_guests.install_role import CREATION, PASSWORD, Role
from windows_guests.socks_proxy import SocksProxy
from windows_guests.winrm_guest import WinRMGuest

pytestmark = pytest.mark.full


def _shown(output):
    """The VM that is created, as the role shows it."""
    return output.partition("Show the VM that is created] ")[2].partition(" TASK [")[0]


def test_windows_is_installed_once(role):
    role.write_iso()
    code, output = role.run("--check")
    assert (code, "found absent" in output, role.platform.all_names()) == (0, True, []), output
    foreseen = _shown(output)
    assert [word for word in (str(role.iso), '"32G"', str(role.console), '"running"') if word not in foreseen] == []
    code, output = role.run()
    assert (code, "found absent" in output, _shown(output)) == (0, True, foreseen), output
    assert (role.power(), role.media(), role.drives()) == ("stopped", [], [])
    assert str(role.iso) not in role.platform.virsh("dumpxml", role.name)
    code, output = role.run()
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output


@pytest.mark.deep("test_run_that_was_killed_is_completed")
def test_interrupted_installation_is_resumed(role):
    role.write_iso("polyvirt-step: winrm\n", then_off=False, languages=("fr-FR", "en-US"))
    code, output = role.run(timeout=1)
    assert (code != 0, "it has not ended within 1 s" in output, role.power()) == (True, True, "running"), output
    # WinPE sees exactly one answer file, whatever the letters of the drives are.
    ((bus, _writable, files),) = role.drives()
    for wanted in ("windowsPE", "specialize", "oobeSystem"):
        assert setup.answer_files([(bus, False, files), ("sata", False, {})], wanted) == {files["autounattend.xml"]}
    assert b"<UILanguage>fr-FR</UILanguage>" in files["autounattend.xml"]
    assert files["unattend.xml"].strip() == files["autounattend.xml"].strip()
    (medium,) = role.media()
    assert (Path(role.platform.storage) / medium).stat().st_mode & 0o077 == 0
    # It was switched off in the middle: it is started again. Then it ends while nobody waits for it.
    role.platform.virsh("destroy", role.name)
    code, output = role.run(timeout=1)
    assert (code != 0, role.power()) == (True, "running"), output
    with role.console.open("a", encoding="utf-8") as log:
        log.write("polyvirt-installed\n")
    role.platform.virsh("destroy", role.name)
    role.write_disk()
    code, output = role.run()
    assert (code, "found complete" in output, role.media()) == (0, True, []), output


@pytest.mark.parametrize("is_old", [True, pytest.param(False, marks=pytest.mark.deep("the same with an old one"))])
def test_end_of_another_installation_does_not_count(role, is_old):
    """The log was written before the VM was created, or its disk was restored to a time before the installation."""
    role.write_iso("polyvirt-step: winrm\n", then_off=False)
    code, output = role.run(timeout=1)
    assert (code != 0, role.power()) == (True, "running"), output
    role.platform.virsh("destroy", role.name)
    role.console.write_text("polyvirt-installed\n", encoding="utf-8")
    if is_old:
        role.write_disk()
        os.utime(role.console, (0, 0))
    code, output = role.run(timeout=1)
    assert (code != 0, "it has not ended within 1 s" in output, role.power()) == (True, True, "running"), output
    assert len(role.media()) == 1


def _is_completed(role, done):
    # The stand-in writes no disk. While it runs, its last line counts as that of another installation.
    role.wait_for_the_guest()
    code, output = role.run()
    assert (code, role.power(), role.media()) == (0, "stopped", []), f"killed after {done[-1]}: {output}"
    code, output = role.run()
    assert (code, "changed=0" in output) == (0, True), f"killed after {done[-1]}: {output}"


@pytest.mark.parametrize("task", [CREATION, "Eject the ISO image, so that its answer medium is deleted"])
def test_run_that_was_killed_is_completed(role, task):
    role.write_iso()
    code, output, done = role.run_until(kill_task=f"polyvirt.core.unattended_install : {task}")
    assert (code < 0, done[-1].endswith(task)) == (True, True), output
    _is_completed(role, done)


@pytest.mark.deep("test_run_that_was_killed_is_completed")
def test_run_that_was_killed_after_any_task_is_completed(role):
    role.write_iso()
    code, output, names = role.run_until()
    assert code == 0, output
    for place in range(next(at for at, name in enumerate(names) if name.endswith(CREATION)), len(names)):
        role.platform.clean()
        role.write_iso()
        role.console.unlink(missing_ok=True)
        code, output, done = role.run_until(kill_after=place)
        assert (code < 0, len(done)) == (True, place), output
        _is_completed(role, done)


def test_failed_installation_leaves_no_answer_medium(role):
    role.write_iso("polyvirt-step: winrm\npolyvirt-failed: winrm: no network\n", then_off=False)
    code, output = role.run()
    assert (code != 0, "the installation failed: winrm: no network" in output) == (True, True), output
    assert (role.power(), role.media()) == ("stopped", [])
    code, output = role.run()
    assert (code != 0, "its installation has failed: polyvirt-failed: winrm: no network" in output) == (True, True)


@pytest.mark.parametrize("state", ["running", "stopped", "failed"])
def test_teardown_deletes_the_answer_medium(role, state):
    """Windows Setup runs, was switched off, or has failed, and no run of the role has seen that."""
    role.write_iso("polyvirt-step: winrm\n", then_off=False)
    code, output = role.run(timeout=1)
    assert (code != 0, len(role.media())) == (True, 1), output
    if state != "running":
        role.platform.virsh("destroy", role.name)
    if state == "failed":
        with role.console.open("a", encoding="utf-8") as log:
            log.write("polyvirt-failed: winrm: no network\n")
    before = (role.platform.all_names(), role.platform.files())
    code, output = role.tear_down("--check")
    assert (code, "changed=1" in output, (role.platform.all_names(), role.platform.files())) == (0, True, before), (
        output
    )
    code, output = role.tear_down()
    assert (code, role.platform.all_names(), role.platform.files()) == (0, [], [role.iso.name]), output
    code, output = role.tear_down()
    assert (code, "changed=0" in output) == (0, True), output


def test_vm_without_this_medium_is_not_changed(role):
    role.write_iso()
    role.platform.define(role.name)
    before = role.platform.virsh("dumpxml", role.name)
    code, output = role.run()
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output
    assert role.platform.virsh("dumpxml", role.name) == before


@pytest.mark.parametrize(
    ("variables", "files", "problem"),
    [
        ({"windows_language": "de-DE"}, {}, "the ISO image has no language de-DE, only en-US."),
        ({"windows_image": "9"}, {}, "the ISO image has no image 9, only 1 Windows Server 2025 SERVERSTANDARDCORE"),
        ({}, {"sources/install.wim": None}, "has no images of Windows."),
        ({"medium": {}}, {}, "Set unattended_install_medium."),
        ({"platform": "proxmox"}, {}, "installations on proxmox are not supported."),
        ({"method": "manual"}, {}, "unattended_install_method manual is not supported on libvirt."),
    ],
)
def test_what_cannot_be_installed_is_rejected(role, variables, files, problem):
    role.write_iso(**files)
    code, output = role.run(**variables)
    assert (code != 0, problem in output, role.platform.all_names()) == (True, True, []), output


#: A guest in place of Windows: the fast guest, with a program that answers as WinRM does.
_GUEST = r"""#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for driver in /drivers/*.ko; do insmod "$driver"; done
while :; do
    printf 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' | nc -l -p 5985 >/dev/null
done &
exec /sbin/guest
"""


class Playbook(Role):
    """Runs the playbook windows with a preset. The stand-in needs the BIOS."""

    def run(self, *words, **variables):
        options = {
            "firmware": "bios", "secure_boot": None, "tpm": None, "display": {"type": "none"},
            "disks": [{"slot": "sata0", "size": "32G"}], "options": self.platform.options("vm"),
            "networks": [{"type": "network", "source": self.platform.guests_network, "model": "virtio"}],
        }  # fmt: skip
        given = {
            "provision_hypervisor": "hv1",
            "vm_name": self.name,
            "windows_preset": "libvirt-windows-server-2025",
            "windows_iso": str(self.iso),
            "windows_password": PASSWORD,
            "windows_vm_options": options,
            "unattended_install_console_log": str(self.console),
            "unattended_install_media_directory": str(self.folder / "media"),
            **variables,
        }
        hosts = {"all": {"hosts": {"hv1": {"ansible_connection": "local"}}}}
        for name, content in (("hosts.json", hosts), ("variables.json", given)):
            (self.folder / name).write_text(json.dumps(content), encoding="utf-8")
        playbook = ("polyvirt.core.windows", "-e", f"@{self.folder / 'variables.json'}", "-v", "--diff")
        code, output = self._ansible_playbook("-i", self.folder / "hosts.json", *playbook, *words)
        assert PASSWORD not in output
        return code, " ".join(output.split())

    def install_guest(self):
        """Let the VM start the guest, as if Windows were on its disk."""
        (self.folder / "init").write_text(_GUEST, encoding="utf-8")
        (self.folder / "init").chmod(0o755)
        command = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
        added = subprocess.run(command, input=b"init\n", cwd=self.folder, stdout=-1, check=True)
        boot, initrd = self.platform.kernel(), Path(self.platform.storage) / "guest.img"
        initrd.write_bytes(Path(boot["os/initrd"]).read_bytes() + gzip.compress(added.stdout))
        root = ET.fromstring(self.platform.virsh("dumpxml", "--inactive", self.name))
        system = root.find("os")
        for name, text in (("kernel", boot["os/kernel"]), ("initrd", str(initrd)), ("cmdline", boot["os/cmdline"])):
            ET.SubElement(system, name).text = text
        (self.folder / "guest.xml").write_text(ET.tostring(root, encoding="unicode"), encoding="utf-8")
        self.platform.virsh("define", str(self.folder / "guest.xml"))


class _OfAnyGuest(dict):
    """Targets of a proxy: WinRM of a guest whose address is not known before."""

    def get(self, requested, _default=None):
        return self["port"] if requested[1] == 5986 else None


def test_playbook_ends_with_a_host_that_is_reached(qemu, tmp_path, ansible_playbook, monkeypatch):
    qemu.clean()
    qemu.start_network()
    playbook = Playbook(qemu, tmp_path, ansible_playbook)
    playbook.write_iso("polyvirt-step: winrm\n", then_off=False)
    code, output = playbook.run(windows_timeout=1)
    assert (code != 0, "it has not ended within 1 s" in output, playbook.power()) == (True, True, "running"), output
    playbook.platform.virsh("destroy", playbook.name)
    playbook.write_disk()
    with playbook.console.open("a", encoding="utf-8") as log:
        log.write("polyvirt-installed\n")
    playbook.install_guest()
    (tmp_path / "users").write_text(f":ansible:{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "users"))
    with (
        WinRMGuest(tmp_path, lambda _line, _stdin: (0, b"win1", b"")) as guest,
        SocksProxy(_OfAnyGuest(port=guest.port)) as proxy,
    ):
        code, output = playbook.run(windows_socks=proxy.url)
        assert (code, "and WinRM the ports 5985 and 5986. The user is ansible." in output) == (0, True), output
        assert (playbook.power(), playbook.media()) == ("running", [])
        code, output = playbook.run(windows_socks=proxy.url)
        assert (code, "changed=0" in output, guest.actions.count("Create")) == (0, True, 2), output
