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
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED, SUSPENDED

from collection_path import CHECKOUT
from suite.answer import Task
from suite.awx_runner import inventory_of
from suite.awx_templates import Templates
from suite.by_ansible import ansible_playbook, run_ansible
from suite.source_host import host_of, write_sources

pytestmark = pytest.mark.full

WEB, DB, NAMES = "pvc-backup-web", "pvc-backup-db", ("pvc-backup-web", "pvc-backup-db")
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

    def launch(self, playbook, check=False, **answers):
        """Launch a job template of the pattern. Its inventory has hosts with variables, but no sources."""
        source = {"polyvirt_source": f"{self.name}-hypervisor", "polyvirt_platform": self.name}
        files = {f"{one}_sources": [str(self.folder / "lab/2.polyvirt.yml")] for one in ("backup", "restore_drill")}
        files.update({f"backup_{name}": one for name, one in self.where.items()}, backup_keep_daily=7)
        hosts = {
            name: {**source, "polyvirt_name": name, "polyvirt_id": vm["id"], "ansible_connection": "local", **files}
            for name, vm in self.platform.truth(NAMES).items()
        }
        around = self.shim.environment(programs=self.platform.programs)
        inventory = inventory_of({**hosts, "hypervisor": {"ansible_connection": "local"}})
        with self.platform.hurried():
            return Templates("backup", inventory, around).launch(playbook, check=check, **answers)

    def report(self, max_age):
        """Run drift_report for the hypervisor: {VM: (its status, that of its newest backup)}."""
        machines = [{"name": name} for name in (*NAMES, "pvc-backup-new")]
        place = {f"backup_{name}": one for name, one in self.where.items()}
        connection = dict(self.platform.options("vm_info"))
        hypervisor = {"vm_platform": self.name, "vm_machines": machines, "vm_module_options": connection, **place}
        variables = {"drift_report_hosts": "hypervisor", "drift_report_folder": str(self.folder / "report")}
        self.run("drift_report", drift_report_backup_max_age=max_age, **variables, **hypervisor)
        report = json.loads((self.folder / "report" / "report.json").read_text())
        return {one["name"]: (one["status"], (one["backup"] or {}).get("status")) for one in report["vms"]}

    def ids(self):
        """The IDs of all backups of libvirt."""
        return {json.loads(one.read_text())["vm"]: one.parent.name for one in self.place.glob("*/*/manifest.json")}

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


@_QEMU
def test_drill_boots_the_copy_and_deletes_those_of_a_killed_drill(backups, platform, carry):
    platform.bring({WEB: RUNNING, DB: STOPPED}, obeying=[WEB])
    backups.back_up(backup_hosts=WEB)
    place, (backup,) = {"directory": str(backups.place)}, backups.ids().values()
    copy = f"polyvirt-drill-{backup}"
    # What a drill leaves that is killed after the restore, before the record of its fleet.
    killed = {"name": [WEB], "state": "restored", "backup": backup, "new_name": copy, **place}
    answers = carry(platform, [Task("killed", killed, about="backup")], [WEB])
    assert not answers["killed"].failed, answers["killed"].msg
    before = platform.truth(NAMES)
    output = backups.drill(restore_drill_hosts=WEB, restore_drill_console="guest: ready")
    assert (_rows(output, "passed"), "changed=1" in output) == ([WEB], True), output
    assert (platform.truth([copy]), platform.truth(NAMES)) == ({copy: None}, before)
    failed = backups.drill(code=2)
    assert "libvirt-hypervisor: pvc-backup-db: there is no complete backup." in failed
    assert _rows(failed, "passed") == [WEB], failed


@_QEMU
def test_vm_that_cannot_be_backed_up_hides_no_other_and_is_in_the_report(backups, platform):
    platform.bring({WEB: STOPPED, DB: SUSPENDED})
    assert backups.report("1h") == {
        WEB: ("drift", "none"),
        DB: ("failed", "unknown"),
        "pvc-backup-new": ("failed", None),
    }
    output = backups.back_up(code=2)
    assert (_rows(output, "failed"), _rows(output, "created")) == ([DB], [WEB]), output
    assert re.findall(r"^(\S+) .* failed=1 ", output, re.MULTILINE) == [DB], output
    assert "libvirt-hypervisor: pvc-backup-db: " in output
    assert backups.report("1h")[WEB] == ("ok", "young")
    assert backups.report("0m")[WEB] == ("drift", "old")


@_QEMU
def test_jobs_of_awx(backups, platform):
    platform.bring({WEB: STOPPED, DB: STOPPED})
    answers = {"backup_hosts": ",".join(NAMES)}
    checked = backups.launch("backup.yml", check=True, touched=True, **answers)
    done = backups.launch("backup.yml", touched=True, **answers)
    again = backups.launch("backup.yml", touched=True, **answers)
    assert [(job.rc, job.changed) for job in (checked, done, again)] == [(0, 1), (0, 1), (0, 0)], done.stdout
    drilled = backups.launch("restore_drill.yml", touched=True, restore_drill_hosts=WEB)
    (result,) = drilled.results("polyvirt.core.backup_run")
    assert [one["outcome"] for one in result["vms"]] == ["passed"], drilled.stdout


@_QEMU
def test_guide_after_the_loss_of_a_host(backups, platform, tmp_path):
    platform.bring({WEB: RUNNING, DB: STOPPED})
    backups.back_up()
    lost = platform.truth([WEB])[WEB]["id"]
    platform.clean()
    text = (CHECKOUT / "docs/backups.md").read_text(encoding="utf-8")
    section = text.partition("### After the loss of a host")[2].partition("\n## ")[0]
    tasks = [task for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL) for task in yaml.safe_load(block)]
    assert [task["name"] for task in tasks] == [
        "Read the backups",
        "Show the newest backup of each VM",
        "Create the VM from its newest backup",
        "Start it",
    ]
    for guide, here in (
        ("/srv/backups", str(backups.place)),
        ("/var/lib/libvirt/images", str(platform.storage)),
        ("web1", WEB),
    ):
        tasks = json.loads(json.dumps(tasks).replace(guide, here))
    around = backups.shim.environment(programs=platform.programs)
    output = ansible_playbook(
        tmp_path, {"hosts": "localhost", "gather_facts": False, "tasks": tasks}, environment=around
    )
    found = platform.truth([WEB])[WEB]
    assert (found["id"], found["power"]) == (lost, RUNNING), output
    assert f'"name": "{DB}"' in output
