# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks backup and restore_drill: every VM of the inventory, and no other VM is ever changed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.by_ansible import run_ansible
from suite.source_host import host_of, write_sources

pytestmark = pytest.mark.full

WEB, DB, NAMES = "pvc-backup-web", "pvc-backup-db", ("pvc-backup-web", "pvc-backup-db")
DRILL = re.compile(r"polyvirt-drill-\d{8}T\d{6}Z-[0-9a-f]{8}")
_QEMU = pytest.mark.parametrize("platform_name", ["libvirt_qemu"], indirect=True, scope="session")
_BOTH = pytest.mark.parametrize("platform_name", ["libvirt_qemu", "proxmox"], indirect=True, scope="session")


class Backups:
    """VMs, an inventory with their source, and a place for backups."""

    def __init__(self, platform, shim, folder):
        self.platform, self.shim, self.folder = platform, shim, folder
        self.name = platform.traits().platform
        self.place = Path("/var/lib/pvg-backups")
        self.where = {"directory": str(self.place)} if self.name == "libvirt" else {"storage": "backups"}

    def write(self, host):
        connection = dict(self.platform.options("vm_info"))
        write_sources(self.folder / "lab", {"platform": self.name, "options": connection}, host)

    def forget(self):
        """Delete all backups, behind the back of the modules."""
        shutil.rmtree(self.place, ignore_errors=True)
        if self.name == "proxmox":
            self.platform.world.storages.get(self.where["storage"]).volumes.clear()

    def run(self, playbook, *words, code=0, **variables):
        """Run a playbook, and return its output."""
        around = {**self.shim.environment(programs=self.platform.programs), "COLUMNS": "1000"}
        variables = {**{f"backup_{name}": one for name, one in self.where.items()}, **variables}
        command = [f"polyvirt.core.{playbook}", "-i", "lab", "-e", json.dumps(variables), *words]
        with self.platform.hurried():
            done = run_ansible(self.folder, "ansible-playbook", command, around, cwd=self.folder)
        output = done.stdout + done.stderr
        assert done.returncode == code, output
        return output

    def back_up(self, *words, code=0, **variables):
        return self.run("backup", *words, code=code, **{"backup_hosts": ",".join(NAMES), **variables})

    def drill(self, *words, code=0, **variables):
        return self.run("restore_drill", *words, code=code, **{"restore_drill_hosts": ",".join(NAMES), **variables})


@pytest.fixture(name="backups")
def _backups(platform, shim, tmp_path):
    platform.clean()
    found = Backups(platform, shim, tmp_path)
    found.forget()
    with host_of(platform) as host:
        found.write(host)
        yield found
    found.forget()


def _rows(output, outcome):
    """The VMs with this outcome in the table."""
    return [line.split()[2] for line in output.splitlines() if line.split()[:1] == [outcome] and len(line.split()) > 3]


@_BOTH
def test_every_vm_has_a_backup_and_a_second_run_changes_nothing(backups, platform):
    platform.bring({WEB: RUNNING, DB: STOPPED})
    before = platform.truth(NAMES)
    checked = backups.back_up("--check")
    assert (_rows(checked, "created"), "changed=1" in checked) == (list(NAMES), True), checked
    done = backups.back_up()
    assert (_rows(done, "created"), "changed=1" in done) == (list(NAMES), True), done
    again = backups.back_up()
    assert (_rows(again, "unchanged"), "changed=0" in again) == (list(NAMES), True), again
    planned = backups.drill("--check")
    assert (_rows(planned, "planned"), "changed=0" in planned) == (list(NAMES), True), planned
    passed = backups.drill()
    assert (_rows(passed, "passed"), "changed=0" in passed) == (list(NAMES), True), passed
    assert platform.truth(NAMES) == before
