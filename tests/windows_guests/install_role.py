# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role unattended_install, run for one VM of the real libvirt with a stand-in for the ISO image of Windows."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

from suite.install_play import write_play
from suite.limits import wait_until
from windows_guests import vendor_iso

PASSWORD = "Very-Secret-1"
CREATION = "Create the VM, and start Windows Setup"
#: What the script of the role writes to the serial port.
DONE = "polyvirt-step: winrm\npolyvirt-installed\n"


class Role:
    """Runs the role for one VM."""

    def __init__(self, platform, folder, ansible_playbook):
        self.platform, self.folder, self._ansible_playbook = platform, folder, ansible_playbook
        self.name = f"{platform.prefix}win"
        self.iso = Path(platform.storage) / "windows.iso"
        self.console, self.environment = folder / "console.log", {}

    def write_iso(self, serial=DONE, then_off=True, **files):
        files.setdefault("boot/etfsboot.com", vendor_iso.boot_program(serial, then_off))
        vendor_iso.write_iso(self.iso, vendor_iso.windows_files(**files))

    def run_until(self, kill_after=0, kill_task="", **variables):
        """(exit code, output, names of the tasks that had a result) of a run that is killed after a task."""
        names = self.folder / "names"
        names.unlink(missing_ok=True)
        self.environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).resolve().parents[1] / "suite/callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "kill_after",
            "POLYVIRT_KILL_AFTER": str(kill_after),
            "POLYVIRT_KILL_TASK": kill_task,
            "POLYVIRT_KILL_NAMES": str(names),
        }
        code, output = self.run(**variables)
        self.environment = {}
        return code, output, names.read_text(encoding="utf-8").splitlines()

    def run(self, *words, **variables):
        """(exit code, output in one line)."""
        disk = {"size": "32G", "slot": "sata0"}
        options = {
            "cpus": 1, "memory": "2G", "firmware": "bios", "disks": [disk], "networks": [], "display": {"type": "none"},
            "options": self.platform.options("vm"),
        }  # fmt: skip
        given = {
            "distribution": "windows-server-2025",
            "hostname": "win1",
            "vm_name": self.name,
            "password": PASSWORD,
            "medium": {"iso": str(self.iso)},
            "console_log": str(self.console),
            "media_directory": str(self.folder / "media"),
            "vm_options": options,
            "timeout": 600,
            **variables,
        }
        path = write_play(self.folder, given)
        code, output = self._ansible_playbook(path, "-v", "--diff", *words, environment=self.environment)
        assert PASSWORD not in output
        return code, " ".join(output.split())

    def tear_down(self, *words):
        """Run the playbook teardown for the VM: (exit code, output in one line)."""
        (self.folder / "hosts").write_text("hv1 ansible_connection=local ansible_become=false\n", encoding="utf-8")
        given = {
            "provision_hypervisor": "hv1",
            "vm_name": self.name,
            "vm_module_options": self.platform.options("vm"),
            "vm_stop_mode": "force",
            "vm_known_hosts_folder": str(self.folder / "known_hosts"),
        }
        playbook = ("polyvirt.core.teardown", "-e", json.dumps(given), "-v", "--diff")
        code, output = self._ansible_playbook("-i", self.folder / "hosts", *playbook, *words)
        assert PASSWORD not in output
        return code, " ".join(output.split())

    def write_disk(self):
        """Write to the disk of the VM, which is off, what an installation at least writes."""
        (path,) = [name for name in self.platform.files() if name.endswith(".qcow2")]
        command = ["qemu-io", "-f", "qcow2", "-c", "write 0 65M", str(Path(self.platform.storage) / path)]
        subprocess.run(command, check=True, capture_output=True)

    def power(self):
        return self.platform.truth([self.name])[self.name]["power"]

    def wait_for_the_guest(self):
        """Wait until the guest, if there is one, has switched itself off."""
        wait_until(lambda: self.name not in self.platform.all_names() or self.power() == "stopped", self.power)

    def drives(self):
        """[(bus, False: read-only, {name in the root: content})] of the CDs with an image, without the vendor's."""
        found = []
        for disk in ET.fromstring(self.platform.virsh("dumpxml", self.name)).findall("devices/disk[@device='cdrom']"):
            source = disk.find("source")
            if source is not None and source.get("file") != str(self.iso):
                found.append((disk.find("target").get("bus"), False, self._files(source.get("file"))))
        return found

    def _files(self, image):
        folder = self.folder / "cd"
        command = ["xorriso", "-read_fs", "norock", "-osirrox", "on", "-indev", image, "-extract", "/", folder]
        subprocess.run(command, check=True, capture_output=True)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def media(self):
        return [name for name in self.platform.files() if "seed" in name]
