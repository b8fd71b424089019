# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role unattended_install on VirtualBox, before and after the installation itself.

No installer runs here, because without hardware virtualization it would need days: the test writes the last lines of
the console and stops the VM. tests/suite/test_installs.py starts the same CD in QEMU.
"""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from platforms.virtualbox.registry import ENGINE
from suite.by_ansible import run_ansible

pytestmark = pytest.mark.full

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO test"


class Role:
    """Runs the role for the VM web."""

    def __init__(self, box):
        self.box, self.media = box, box.folder / "media"
        self.console = self.media / "web-console.log"
        self.media.mkdir()
        self.media.chmod(0o777)
        for name in ("linux", "initrd"):
            (box.folder / name).write_bytes(name.encode())

    def vm_options(self):
        connection = {"executable": str(self.box.executable), "storage_path": str(self.box.machines)}
        return {"memory": "1G", "disks": [{"size": "4G"}], "options": {**connection, "native": ENGINE}}

    def run(self, *words, **variables):
        """(exit code, output in one line)."""
        given = {
            "platform": "virtualbox",
            "distribution": "debian-13",
            "hostname": "web",
            "ssh_keys": [_KEY],
            "medium": {"kernel": str(self.box.folder / "linux"), "initrd": str(self.box.folder / "initrd")},
            "media_directory": str(self.media),
            "timeout": 1,
            "vm_options": self.vm_options(),
            **variables,
        }
        role = {"name": "polyvirt.core.unattended_install", "tasks_from": "install"}
        shown = {"msg": "found {{ unattended_install_result.found }}"}
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {f"unattended_install_{name}": value for name, value in given.items()},
            "tasks": [{"ansible.builtin.include_role": role}, {"ansible.builtin.debug": shown}],
        }
        path = self.box.folder / "play.json"
        path.write_text(json.dumps([play]), encoding="utf-8")
        done = run_ansible(self.box.folder, "ansible-playbook", [path, *words], {"HOME": str(self.box.folder)})
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def vm_value(self, key):
        """One value of showvminfo."""
        return re.search(rf'^"?{key}"?="?(.*?)"?$', self.box.run("showvminfo", "web", "--machinereadable"), re.M)[1]

    def files(self):
        return sorted(path.name for path in self.media.iterdir())

    def finish_installation(self):
        """Write the last lines of the console and stop the VM, as the installer does."""
        self.console.write_text("Finishing the installation\npolyvirt-installed\n", encoding="utf-8")
        self.box.run("controlvm", "web", "poweroff")


def _is_started_and_detached(role):
    code, output = role.run("--check")
    assert (code, "found absent" in output, role.box.run("list", "vms"), role.files()) == (0, True, "", []), output
    code, output = role.run()
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    assert (role.vm_value("VMState"), role.vm_value("uartmode1")) == ("running", f"file,{role.console}")
    assert [role.vm_value(f"boot{number}") for number in (1, 2)] == ["disk", "dvd"]
    medium = role.media / "web.iso"
    assert str(medium) in role.box.run("showvminfo", "web", "--machinereadable")
    code, output = role.run()
    assert (code != 0, "Write the CD" in output) == (True, False), output
    role.finish_installation()
    written = medium.read_bytes()
    code, output = role.run()
    assert (code, "found complete" in output) == (0, True), output
    assert str(medium) not in role.box.run("showvminfo", "web", "--machinereadable")
    assert role.files() == [role.console.name, "web.written"]
    medium.write_bytes(written)  # By the user: no later run deletes it.
    code, output = role.run()
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output
    assert medium.read_bytes() == written


def test_installation_is_started_and_detached(double):
    _is_started_and_detached(Role(double))


@pytest.mark.deep("test_installation_is_started_and_detached")
def test_installation_is_started_and_detached_by_the_real_one(box_of_root):
    _is_started_and_detached(Role(box_of_root))


def _put(path, kind):
    """Something of a user: returns the path of its content."""
    if kind == "file":
        path.write_text("mine", encoding="utf-8")
        return path
    content = path.parent / "content" if kind == "link" else path / "content"
    path.mkdir() if kind == "directory" else path.symlink_to(content)
    content.write_text("mine", encoding="utf-8")
    return content


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_console_log_of_others_is_not_deleted(double, kind):
    role = Role(double)
    content = _put(double.folder / "log", kind)
    code, output = role.run(console_log=str(double.folder / "log"))
    assert (code != 0, double.run("list", "vms"), role.files()) == (True, "", []), output
    assert "exists, and was not written by an installation of this VM" in output
    assert (content.read_text(encoding="utf-8"), (double.folder / "log").is_symlink()) == ("mine", kind == "link")


@pytest.mark.parametrize("words", [["--check"], []])
@pytest.mark.parametrize(("name", "kind"), [("web.iso", "file"), ("web.iso.new", "directory"), ("web.iso", "link")])
def test_media_of_the_user_are_not_replaced(double, words, name, kind):
    role = Role(double)
    content = _put(role.media / name, kind)
    before = role.files()
    code, output = role.run(*words)
    assert (code != 0, double.run("list", "vms"), role.files()) == (True, "", before), output
    assert f"web: unattended_install_media_directory: {role.media / name} exists, and was not written by" in output
    assert content.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("words", [["--check"], []])
def test_answer_file_of_the_user_is_not_replaced(double, words):
    role, answers = Role(double), double.folder / "answers"
    answers.mkdir()
    (answers / "preseed.cfg").write_text("mine", encoding="utf-8")
    code, output = role.run(*words, directory=str(answers))
    assert (code != 0, double.run("list", "vms"), role.files()) == (True, "", []), output
    assert f"web: unattended_install_directory: {answers}/preseed.cfg exists, and was not written by" in output
    assert (answers / "preseed.cfg").read_text(encoding="utf-8") == "mine"


def test_answer_files_of_others_are_not_deleted(double):
    role, answers = Role(double), double.folder / "answers"
    role.run(directory=str(answers))
    written = (answers / "preseed.cfg").read_text(encoding="utf-8")
    assert (role.media / "web.written").read_text().startswith(f"{role.console}\n{answers}/preseed.cfg\n")
    code, output = role.run(directory=str(answers), vm_name="second")
    assert (code != 0, "second: unattended_install_directory" in output) == (True, True), output
    assert (answers / "preseed.cfg").read_text(encoding="utf-8") == written
    role.finish_installation()
    code, output = role.run(directory=str(answers))
    assert (code, (answers / "preseed.cfg").exists()) == (0, False), output
    (answers / "preseed.cfg").write_text("mine", encoding="utf-8")
    code, output = role.run(directory=str(answers))
    assert (code, "changed=0" in output, (answers / "preseed.cfg").read_text()) == (0, True, "mine"), output


@pytest.mark.deep("test_installation_is_started_and_detached; tests/unit/plugin_utils/test_install_wait.py")
def test_vm_that_stops_too_early_is_started_again_with_new_answers(double):
    role, answers = Role(double), [double.folder / "first", double.folder / "second"]
    role.run(directory=str(answers[0]))
    before = (role.media / "web.iso").read_bytes()
    double.run("controlvm", "web", "poweroff")
    code, output = role.run(domain="example.org", directory=str(answers[1]))
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    assert (role.vm_value("VMState"), (role.media / "web.iso").read_bytes() == before) == ("running", False)
    role.finish_installation()
    code, output = role.run(directory=str(answers[1]))
    assert (code, [(one / "preseed.cfg").exists() for one in answers]) == (0, [False, False]), output


def test_cd_has_the_answers_and_nobody_else_can_read_it(double):
    role = Role(double)
    role.run(kernel_arguments=["a=it's;{$HOME}"])
    medium = role.media / "web.iso"
    assert medium.stat().st_mode & 0o077 == 0
    extracted = double.folder / "cd"
    command = ["xorriso", "-osirrox", "on", "-indev", medium, "-extract", "/", extracted]
    subprocess.run(command, check=True, capture_output=True)
    configuration = (extracted / "boot" / "grub" / "grub.cfg").read_text(encoding="utf-8")
    assert configuration.splitlines()[0].startswith("linux /linux auto=true priority=critical ")
    assert "'a=it'\"'\"'s;{$HOME}'" in configuration
    initrd = (extracted / "initrd").read_bytes()
    assert initrd.startswith(b"initrd\x1f\x8b")
    names = subprocess.run(["sh", "-c", "gunzip | cpio -t --quiet"], input=initrd[6:], capture_output=True, check=True)
    assert names.stdout.decode() == "preseed.cfg\n"


@pytest.mark.deep("test_cd_has_the_answers_and_nobody_else_can_read_it")
def test_cd_for_the_red_hat_family_names_its_answers_and_its_second_stage(double):
    role = Role(double)
    options = {**role.vm_options(), "memory": "2G", "disks": [{"size": "10G"}]}
    network = {"method": "static", "address": "192.0.2.10/24", "gateway": "192.0.2.1", "nameservers": ["192.0.2.2"]}
    code, output = role.run(distribution="rocky-9", vm_options=options, network=network, proxy="http://p:3128")
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    extracted = double.folder / "cd"
    command = ["xorriso", "-osirrox", "on", "-indev", role.media / "web.iso", "-extract", "/", extracted]
    subprocess.run(command, check=True, capture_output=True)
    words = (extracted / "boot" / "grub" / "grub.cfg").read_text(encoding="utf-8").splitlines()[0].split()
    assert words[2:] == [
        "inst.stage2=https://dl.rockylinux.org/pub/rocky/9/BaseOS/x86_64/os",
        "inst.proxy=http://p:3128",
        "inst.text",
        "inst.ks=file:/ks.cfg",
        "ip=192.0.2.10::192.0.2.1:24:web::none",
        "nameserver=192.0.2.2",
        "console=ttyS0,115200",
    ]
    answers = subprocess.run(["gunzip"], input=(extracted / "initrd").read_bytes()[6:], capture_output=True, check=True)
    assert b"ignoredisk --only-use=sda\n" in answers.stdout


def test_uefi_is_rejected(double):
    role = Role(double)
    code, output = role.run(firmware="uefi")
    assert (code != 0, "web: unattended_install_firmware uefi is not supported on virtualbox" in output) == (True, True)
    assert (double.run("list", "vms"), role.files()) == ("", [])
