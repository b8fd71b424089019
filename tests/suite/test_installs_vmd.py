# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role unattended_install on a double of an OpenBSD host, with a double of OpenBSD's installer in the guest."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal

import pytest

from platforms.vmm.double import media

pytestmark = pytest.mark.full

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO test"
_PASSWORD = "s3cret phrase"
_NOTHING = (False, {}, [], {})
_PROGRAMS = ("rdsetroot", "vnconfig", "mount", "umount", "makefs")
#: Kills its caller after the call that POLYVIRT_KILL names.
_SHIM = """\
#!/bin/sh
[ "${{0##*/}}" = "$POLYVIRT_KILL" ] || exec '{real}' "$@"
'{real}' "$@"
kill -9 $PPID
"""


class Role:
    """Plays the role for one VM."""

    def __init__(self, platform, folder, ansible_playbook):
        self.platform, self.host, self.folder = platform, platform.host, folder
        self.ansible_playbook = ansible_playbook
        self.name = f"{platform.prefix}web"
        self.media = folder / "media"
        self.console = self.media / f"{self.name}-console.log"
        self.kernel = folder / "bsd.rd"
        self.kernel.write_bytes(gzip.compress(media.kernel()))
        self.shims = folder / "shims"
        self.shims.mkdir()
        for name in _PROGRAMS:
            path = self.shims / name
            path.write_text(_SHIM.format(real=self.host.bin / name), encoding="utf-8")
            path.chmod(0o755)
        self.host.guest(self.name, boot=1, install=2)

    def environment(self, kill=""):
        known = self.host.environment()
        return {**known, "POLYVIRT_KILL": kill, "PATH": f"{self.shims}{os.pathsep}{known['PATH']}"}

    def variables(self, **more):
        given = {
            "platform": "vmd",
            # The double of the installer is recorded from this version, which has no support any more.
            "distribution": "openbsd-7.8",
            "hostname": self.name,
            "ssh_keys": [_KEY],
            "password": _PASSWORD,
            "packages": ["rsync--"],
            "disk_layout": [{"mount": "/", "size": "4G", "grow": True}],
            "medium": {"kernel": str(self.kernel)},
            "media_directory": str(self.media),
            "vm_options": {"memory": "512M", "disks": [{"size": "8G"}], "options": self.platform.options("vm")},
            **more,
        }
        names = {f"unattended_install_{name}": value for name, value in given.items()}
        return {**names, "__unattended_install_devices": str(self.host.file("/dev/"))}

    def run(self, *words, kill="", **more):
        """(exit code, output in one line)."""
        role = {"name": "polyvirt.core.unattended_install", "tasks_from": "install"}
        shown = {"msg": "found {{ unattended_install_result.found }}"}
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.include_role": role}, {"ansible.builtin.debug": shown}],
        }
        (self.folder / "play.json").write_text(json.dumps([play]), encoding="utf-8")
        (self.folder / "variables.json").write_text(json.dumps(self.variables(**more)), encoding="utf-8")
        with self.platform.hurried():
            words = [self.folder / "play.json", "-e", f"@{self.folder}/variables.json", *words]
            code, output = self.ansible_playbook(*words, environment=self.environment(kill))
        assert _PASSWORD not in output
        assert "$2b$" not in output
        return code, " ".join(output.split())

    def vm(self):
        """The VM as vmd knows it; None without one."""
        return next((vm for vm in self.host.state.look()["vms"] if vm["name"] == self.name), None)

    def installed(self):
        """What the installer has written to the disk of the VM; None if it has not ended."""
        vm = self.vm()
        return self.host.state.look()["installed"].get(vm["disks"][0][0]) if vm else None

    def files(self):
        """What the role keeps of the VM, except the console and its record."""
        kept = (self.console, self.media / f"{self.name}.written")
        return sorted(path.name for path in self.media.iterdir() if path not in kept) if self.media.exists() else []

    def remains(self):
        """What remains of the installation: whether the VM runs, how it starts, files, and devices of vnd(4)."""
        vm = self.vm() or {}
        attached = {key: vm[key] for key in ("boot", "boot_device", "cdrom") if vm.get(key)}
        return vm.get("running", False), attached, self.files(), self.host.state.look()["vnds"]


@pytest.fixture
def role(ground, tmp_path, ansible_playbook):
    platform = ground.open("vmm", "pvi-")
    platform.clean()
    yield Role(platform, tmp_path, ansible_playbook)
    platform.clean()


def test_openbsd_is_installed_once(role):
    """Check mode changes nothing; each line answers a question; a second run changes nothing."""
    code, output = role.run("--check")
    assert (code, "found absent" in output, role.vm(), role.files()) == (0, True, None, []), output
    code, output = role.run()
    assert (code, "found absent" in output) == (0, True), output
    installed = role.installed()
    assert installed["left_over"] == []
    assert installed["answers"]["Password for user ansible?"].startswith("$2b$")
    assert installed["answers"]["URL to autopartitioning template for disklabel?"] == "file:///disklabel"
    assert installed["sets"] == ["bsd", "bsd.rd", "base78.tgz", "comp78.tgz", "man78.tgz", f"site78-{role.name}.tgz"]
    assert "permit nopass keepenv" in installed["site"]
    assert "pkg_add -I rsync--" in installed["site"]
    assert role.remains() == _NOTHING
    assert "CONGRATULATIONS!" in role.console.read_text()
    assert role.console.stat().st_mode & 0o077 == 0
    code, output = role.run()
    assert (code, "found installed" in output, "changed=0" in output) == (0, True, True), output


def test_question_without_an_answer_is_reported(role):
    """The next run starts the installer again, in the same VM."""
    role.host.guest(role.name, asks="Which colour should the console have?")
    code, output = role.run()
    error = 'Question has no answer in response file: "which colour should the console have?"'
    assert (code != 0, f"the installation failed: {error}" in output.replace('\\"', '"')) == (True, True), output
    assert (role.vm()["running"], role.installed()) == (False, None)
    role.host.guest(role.name, asks="")
    code, output = role.run("--check")
    assert (code, "found interrupted" in output, role.vm()["running"]) == (0, True, False), output
    code, output = role.run()
    assert (code, "found interrupted" in output, role.remains()) == (0, True, _NOTHING), output
    assert role.console.read_text().count("Welcome to the OpenBSD") == 1


@pytest.mark.deep("test_question_without_an_answer_is_reported")
def test_vm_that_ends_too_early_is_not_installed(role):
    for behaviour, error in (
        ({"ends": 3, "install": 100}, "the VM is stopped, but the installation was not completed"),
        ({"ends": None, "install": 2, "site_fails": True}, "install.site failed"),
    ):
        role.host.guest(role.name, **behaviour)
        code, output = role.run()
        assert (code != 0, f"the installation failed: {error}" in output) == (True, True), output
        assert (role.vm()["running"], role.installed()) == (False, None)
        assert role.vm()["boot"] == str(role.media / f"{role.name}.rd")


@pytest.mark.deep("test_openbsd_is_installed_once")
def test_user_installs_it(role):
    """The installer gets no answers, and the end of the VM is the end."""
    role.host.guest(role.name, ends=10)
    code, output = role.run(method="manual", packages=[])
    assert (code, role.installed(), role.remains()) == (0, None, _NOTHING), output
    assert role.console.read_text().endswith("(A)utoinstall or (S)hell? ")


@pytest.mark.deep("test_question_without_an_answer_is_reported")
def test_sets_without_a_signature_are_not_installed(role):
    """The answer for the set of the role is not an answer for those of the mirror."""
    role.host.change(mirror_is_signed=False)
    code, output = role.run()
    assert (code != 0, role.installed()) == (True, None), output
    assert "Directory does not contain SHA256.sig. Continue without verification? [no] no" in output


def _written(role):
    """{name: when it was written} of the files of the medium, without the process that reads the console."""
    files = [path for path in role.media.glob(f"{role.name}.*") if path.is_file() and path.suffix != ".pid"]
    return {path.name: path.stat().st_mtime_ns for path in files}


@pytest.mark.deep("test_killed_while_the_medium_is_written")
def test_interrupted_run_is_resumed(role):
    """An installer that runs is waited for, also if the process that reads its console has ended."""
    role.host.guest(role.name, install=10**6)
    code, output = role.run(timeout=1)
    assert (code != 0, "it has not ended within 1 s" in output) == (True, True), output
    before = _written(role)
    os.kill(int((role.media / f"{role.name}.console.pid").read_text()), signal.SIGKILL)
    code, output = role.run(timeout=1)
    assert (code != 0, "Write the kernel" in output) == (True, False), output
    assert _written(role) == before
    role.host.sleep(2 * 10**6)
    code, output = role.run()
    assert (code, role.remains()) == (0, _NOTHING), output
    assert re.search("found (complete|interrupted)", output)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(name, marks=pytest.mark.deep("the same test with mount")) if name != "mount" else name
        for name in _PROGRAMS
    ],
)
def test_killed_while_the_medium_is_written(role, program):
    code, output = role.run(kill=program)
    assert (code != 0, role.vm()) == (True, None), output
    assert bool(role.host.state.look()["vnds"]) == (program in ("vnconfig", "mount", "umount"))
    code, output = role.run()
    assert (code, role.remains()) == (0, _NOTHING), output


def test_unsupported_installations_are_rejected(role):
    for variables, error in (
        ({"console": "screen"}, "unattended_install_console screen is not supported on vmd. Guests have a serial"),
        ({"firmware": "uefi"}, "unattended_install_firmware uefi is not supported on vmd. Use bios."),
        (
            {"site_set": True, "mirror": "https://mirror.example.org/pub/OpenBSD"},
            "unattended_install_site_set true is not supported on vmd. Remove the option",
        ),
        ({"kernel_arguments": ["-s"]}, "unattended_install_kernel_arguments is not supported on vmd."),
        ({"medium": {"initrd": "/initrd"}}, "unattended_install_medium needs kernel."),
        ({"distribution": "debian-13", "method": "manual", "packages": []}, "vmd starts no kernel of Debian"),
        ({"distribution": "debian-13"}, "the installer of Debian cannot be started without a user on"),
    ):
        code, output = role.run(**{**variables, "password": ""})
        assert (code != 0, f"{role.name}: {error}" in output) == (True, True), output
    code, output = role.run(hostname="a'; reboot")
    assert (code != 0, "unattended_install_hostname: 'a'; reboot' is invalid" in output) == (True, True), output
    assert (role.vm(), role.files()) == (None, [])


def test_provision_installs(role, key):
    """Up to the start of the VM, because guests of a double have no SSH server."""
    given = {
        **{name: value for name, value in role.variables().items() if not name.endswith(("_platform", "_vm_options"))},
        "vm_name": role.name,
        "vm_platform": "vmd",
        "vm_state": "stopped",
        "vm_ssh_key_file": str(key.path),
        "vm_memory": "512M",
        "vm_disk_size": "8G",
        "vm_module_options": role.platform.options("vm"),
        "ansible_become": False,
    }

    def provision(**more):
        path = role.folder / "given.json"
        path.write_text(json.dumps({**given, **more}), encoding="utf-8")
        words = ["polyvirt.core.provision", "-e", f"@{path}"]
        code, output = role.ansible_playbook(*words, environment=role.environment())
        return code, " ".join(output.split())

    code, output = provision(unattended_install_firmware="uefi")
    assert (code != 0, "firmware uefi is not supported on vmd" in output, role.vm()) == (True, True, None), output
    code, output = provision()
    assert (code, role.installed()["left_over"], role.remains()) == (0, [], _NOTHING), output
    code, output = provision()
    assert (code, "changed=0" in output) == (0, True), output
