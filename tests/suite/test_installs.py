# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role unattended_install in real VMs, with a stand-in for the installers that needs seconds (installer/init).

The answer files that it reads, and the scripts in them that it runs, are the role's own. tests/install has the
installation by the real one of Debian.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from suite.install_play import write_play

pytestmark = pytest.mark.full

_INIT = Path(__file__).resolve().parent / "installer"
#: {distribution: paths of the kernel and the initial RAM disk on its ISO image}
_ON_ISO = {
    "alpine-3.22": ("boot/vmlinuz-virt", "boot/initramfs-virt"),
    "ubuntu-24.04": ("casper/vmlinuz", "casper/initrd"),
}
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO test"


class Role:
    """Runs the role for one VM."""

    def __init__(self, platform, folder, ansible_playbook):
        self.platform, self.folder, self._ansible_playbook = platform, folder, ansible_playbook
        self.name = f"{platform.prefix}install"
        self.media = Path(platform.storage) / f"{self.name}-media"
        self.media.mkdir(mode=0o711)
        self.console = folder / "console.log"
        self._add_init()

    def _add_init(self):
        """Create the initial RAM disk: that of the fast guest, with the stand-in as init."""
        boot = self.platform.kernel()
        added = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=b"init\n", cwd=_INIT, stdout=-1, check=True
        )
        initrd = self.media / "initrd.img"
        # Only a compressed archive needs no alignment.
        initrd.write_bytes(Path(boot["os/initrd"]).read_bytes() + gzip.compress(added.stdout))
        self.medium = {"kernel": boot["os/kernel"], "initrd": str(initrd)}

    def medium_of(self, distribution):
        """The stand-in as the medium of a distribution: a kernel and its RAM disk, or an ISO image with both."""
        if distribution not in _ON_ISO:
            return self.medium
        kernel, initrd = _ON_ISO[distribution]
        path = self.media / "installer.iso"
        grafts = [f"{kernel}={self.medium['kernel']}", f"{initrd}={self.medium['initrd']}"]
        command = ["xorriso", "-as", "mkisofs", "-quiet", "-o", path, "-V", "installer", "-r", "-graft-points", *grafts]
        subprocess.run(command, check=True, capture_output=True)
        return {"iso": str(path)}

    def vm_options(self):
        return {
            "cpus": 1,
            "memory": "1G",
            "disks": [{"size": "4G"}],
            "networks": [],
            "display": {"type": "none"},
            "options": self.platform.options("vm"),
        }

    def run(self, *words, **variables):
        """(exit code, output in one line)."""
        given = {
            "distribution": "debian-13",
            "hostname": self.name,
            "ssh_keys": [_KEY],
            "medium": self.medium,
            "media_directory": str(self.media),
            "console_log": str(self.console),
            "kernel_arguments": ["quiet", "tsc=reliable", "no_timer_check", "mitigations=off"],
            "vm_options": self.vm_options(),
            **variables,
        }
        path = write_play(self.folder, given)
        code, output = self._ansible_playbook(path, *words)
        return code, " ".join(output.split())

    def definition(self):
        return self.platform.virsh("dumpxml", self.name)

    def power(self):
        return self.platform.truth([self.name])[self.name]["power"]

    def runs_other(self, distribution, *words, **variables):
        """``run`` with another distribution than Debian, and a VM that is large enough for it."""
        options = {**self.vm_options(), "memory": "2G", "disks": [{"size": "10G"}]}
        medium = self.media / "installer.iso"
        given = {"medium": {"iso": str(medium)} if medium.exists() else self.medium_of(distribution)}
        return self.run(*words, distribution=distribution, vm_options=options, **given, **variables)

    def drives(self):
        """{slot: (device, file)} of the VM's definition."""
        disks = ET.fromstring(self.definition()).findall("devices/disk")
        files = {disk.find("target").get("dev"): disk.find("source") for disk in disks}
        kinds = {disk.find("target").get("dev"): disk.get("device") for disk in disks}
        return {slot: (kinds[slot], source.get("file") if source is not None else "") for slot, source in files.items()}

    def files(self):
        """The files that the role keeps for the VM, except the record of the console log."""
        names = {path.name for path in self.media.iterdir() if path.name.startswith(self.name)}
        return sorted(names - {f"{self.name}.written"})


@pytest.fixture
def role(qemu, tmp_path, ansible_playbook):
    qemu.clean()
    found = Role(qemu, tmp_path, ansible_playbook)
    yield found
    subprocess.run(["rm", "-r", found.media], check=True)


def test_vm_is_installed_once(role):
    """Check mode changes nothing; after the end, the VM has no installer, and a second run changes nothing."""
    code, output = role.run("--check")
    assert (code, "found absent" in output, role.platform.all_names()) == (0, True, []), output
    code, output = role.run()
    assert (code, "found absent" in output) == (0, True), output
    assert not re.search("<kernel>|<initrd>|<cmdline>|<on_reboot>destroy", role.definition())
    assert (role.power(), role.files()) == ("stopped", [])
    code, output = role.run()
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output


@pytest.mark.deep("test_vm_is_installed_once")
@pytest.mark.parametrize("qemu", ["arm64"], indirect=True)
def test_vm_of_arm64_is_installed(role):
    """The installer has the serial console of arm64, and answers for its boot loader."""
    code, output = role.run(architecture="arm64")
    assert (code, "found absent" in output) == (0, True), output
    assert "Detecting network hardware" in role.console.read_text()
    assert re.search("<type arch='aarch64' machine='virt", role.definition())
    assert not re.search("<kernel>|<initrd>|<cmdline>|<on_reboot>destroy", role.definition())
    assert (role.power(), role.files()) == ("stopped", [])
    code, output = role.run(architecture="arm64")
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output


@pytest.mark.deep("tests/platforms/virtualbox/test_installs.py, where a double starts it")
def test_installer_is_started_from_a_cd(role):
    """The CD for other platforms, started with the firmware of QEMU."""
    code, output = role.run("-e", json.dumps({"__unattended_install_ways": {"libvirt": {"preseed": "iso"}}}))
    assert (code, "found absent" in output) == (0, True), output
    assert "Detecting network hardware" in role.console.read_text()
    assert "-media/" not in role.definition()
    assert (role.power(), role.files()) == ("stopped", [])


@pytest.mark.deep("tests/unit/plugin_utils/test_install_wait.py")
def test_errors_of_the_installer_are_reported_with_their_titles(role):
    """The next run starts the installer again, with corrected answers, in the same VM."""
    for title, variables in (
        ("Bad archive mirror", {"domain": "mirror.example.org"}),
        ("Failed to run preseeded command", {"early_commands": ["exit 3"]}),
        ("the VM is stopped, but the installation was not completed", {"domain": "off.example.org"}),
        ("the VM is stopped, but the installation was not completed", {"domain": "restart.example.org"}),
    ):
        code, output = role.run(**variables)
        assert (code != 0, f"the installation failed: {title}" in output) == (True, True), output
        assert f"The console is in {role.console}" in output
        assert role.power() == "stopped"
        assert "<kernel>" in role.definition()
        assert "Detecting network hardware" in role.console.read_text()
    code, output = role.run()
    assert (code, "found interrupted" in output) == (0, True), output
    assert "<kernel>" not in role.definition()


@pytest.mark.deep("tests/platforms/virtualbox/test_installs.py")
def test_interrupted_run_is_resumed(role):
    """The role waits for an installer that still runs, and only detaches one that has ended meanwhile."""
    code, output = role.run(domain="slow.example.org", timeout=1)
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    assert role.power() == "running"
    code, output = role.run(domain="slow.example.org", timeout=1)
    assert code != 0, output
    code, output = role.run(domain="slow.example.org")
    assert (code, "Prepare the medium" in output) == (0, False), output
    assert re.search("found (installing|complete)", output)
    assert (role.power(), role.files()) == ("stopped", [])


@pytest.mark.parametrize(
    "distribution",
    [
        "ubuntu-24.04",
        pytest.param("rocky-9", marks=pytest.mark.deep("the same with Ubuntu")),
        pytest.param("alpine-3.22", marks=pytest.mark.deep("the same with Ubuntu")),
    ],
)
def test_installers_of_other_distributions(role, distribution):
    """The VM has all media of its installer until the end, and none of them later."""
    code, output = role.runs_other(distribution, domain="slow.example.org", timeout=1)
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    drives = role.drives()
    if distribution in _ON_ISO:
        assert drives["vdz"] == ("disk", f"{role.media}/{role.name}.seed")
        assert ("cdrom", f"{role.media}/installer.iso") in drives.values()
        assert f"<kernel>{role.media}/{role.name}.kernel</kernel>" in role.definition()
    secret = ["answers", "seed" if distribution in _ON_ISO else "initrd"]
    assert [(role.media / f"{role.name}.{one}").stat().st_mode & 0o077 for one in secret] == [0, 0]
    code, output = role.runs_other(distribution, domain="slow.example.org")
    assert (code, "found in" in output or "found complete" in output, "Write the medium" in output) == (0, True, False)
    assert not re.search("<kernel>|<initrd>|<cmdline>|<on_reboot>destroy|-media/", role.definition())
    assert (sorted(role.drives()), role.power(), role.files()) == (["sda", "vda"], "stopped", [])
    code, output = role.runs_other(distribution)
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output


@pytest.mark.deep("tests/unit/plugin_utils/test_install_wait.py")
@pytest.mark.parametrize(
    ("distribution", "titles"),
    [
        ("alpine-3.22", ["the script ended with exit code 3; its output is in /var/log/user-data.log"] * 2),
        ("rocky-9", ["There was an error running the kickstart script at line 9", "... at line 30"]),
        ("ubuntu-24.04", ["subiquity/Early/run/command_0: FAIL: Command", "subiquity/Late/run/command_0: FAIL"]),
    ],
)
def test_errors_of_other_installers_are_reported_with_their_titles(role, distribution, titles):
    """A failing script of the answer file is an error of the installer, and the next run has corrected answers."""
    code, output = role.runs_other(distribution, "--check")
    assert (code, "found absent" in output, role.platform.all_names(), role.files()) == (0, True, [], []), output
    for title, variables in zip(titles, ({"early_commands": ["exit 3"]}, {"late_commands": ["exit 3"]})):
        code, output = role.runs_other(distribution, **variables)
        assert (code != 0, title.strip(". ") in output) == (True, True), output
        assert (role.power(), "<kernel>" in role.definition()) == ("stopped", True)
        assert "polyvirt-installed" not in role.console.read_text()
    code, output = role.runs_other(distribution)
    assert (code, "found interrupted" in output) == (0, True), output
    assert (sorted(role.drives()), role.files()) == (["sda", "vda"], [])


@pytest.mark.deep("test_installers_of_other_distributions")
@pytest.mark.parametrize("distribution", ["rocky-9", "ubuntu-24.04"])
def test_manual_installation_starts_the_installer_without_answers(role, distribution):
    code, output = role.runs_other(distribution, method="manual", timeout=1)
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    assert "vdz" not in role.drives()
    assert not re.search("autoinstall|ds=nocloud|inst[.]ks", role.definition())
    assert ("inst.stage2=https://dl.rockylinux.org" in role.definition()) == (distribution == "rocky-9")
    role.platform.virsh("destroy", role.name)
    code, output = role.runs_other(distribution, method="manual", timeout=1)
    assert code != 0, output
    role.platform.virsh("destroy", role.name)


def test_vm_without_this_installer_is_not_changed(role):
    boot = {**role.platform.creation, **role.platform.guest, "name": role.name}
    assert boot["native"]
    role.platform.define(role.name)
    before = role.definition()
    code, output = role.run()
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output
    assert role.definition() == before


def test_unsupported_installations_are_rejected(role):
    for variables, error in (
        ({"platform": "hyperv"}, "the installer of Debian cannot be started without a user on hyperv"),
        ({"distribution": "openbsd-7.9"}, "the installer of OpenBSD cannot be started without a user on libvirt"),
        ({"distribution": "ubuntu-24.04"}, "unattended_install_medium needs iso."),
        ({"medium": {"kernel": "/vmlinuz"}}, "unattended_install_medium needs kernel and initrd"),
        (
            {"vm_options": {"memory": "512M"}},
            "Debian needs at least 1G of memory and a disk of 4G, but the VM has 512M",
        ),
    ):
        code, output = role.run(**variables)
        assert (code != 0, f"{role.name}: {error}" in output) == (True, True), output
    assert (role.platform.all_names(), role.files()) == ([], [])
