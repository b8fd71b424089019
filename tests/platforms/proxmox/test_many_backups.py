# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests of playbooks about backups: of many VMs on a cluster, each list is read once."""

from __future__ import annotations

import json
import os

import pytest

from platforms.proxmox.modules import connection_to
from simulators.proxmox import behind, worlds
from simulators.proxmox.engine import DrivenClock
from simulators.proxmox.server import Server
from suite.by_ansible import run_ansible

pytestmark = pytest.mark.full

NODES = 3
#: How many VMs. tests/bench/README.md has the figures of more.
COUNT = int(os.environ.get("POLYVIRT_VMS", "6"))
AGAIN = 10 + NODES + 2 * COUNT
_RUN = "polyvirt.core.backup_run"


class Cluster:
    """A simulated cluster with many VMs, and inventories of them."""

    def __init__(self, world, server, folder):
        self.world, self._folder = world, folder
        self.connection = connection_to(server)
        self._machines = {str(vmid): one.config.current["name"] for vmid, one in world.cluster.machines.items()}
        self.sources = self._write(
            "lab.polyvirt.yml",
            {
                "plugin": "polyvirt.core.vms",
                "sources": [{"name": "pve", "platform": "proxmox", "options": self.connection}],
            },
        )

    def _write(self, name, content):
        (self._folder / name).write_text(json.dumps(content), encoding="utf-8")
        return str(self._folder / name)

    def play(self, *words, hosts, **variables):
        """Run a playbook on ``hosts`` ({name: variables}); returns the paths of its requests."""
        inventory = self._write("hosts.json", {"all": {"hosts": hosts}})
        self.world.journal.clear()
        command = [*words, "-i", inventory, "-e", json.dumps(variables)]
        done = run_ansible(self._folder, "ansible-playbook", command, {"COLUMNS": "1000"}, cwd=self._folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return [one.path for one in self.world.journal.requests]

    def back_up(self, **options):
        """Run the module of the playbook ``backup`` for all VMs, whose hosts need no request; returns its result."""
        known = {"polyvirt_source": "pve", "polyvirt_platform": "proxmox", "ansible_connection": "local"}
        hosts = {name: {**known, "polyvirt_name": name, "polyvirt_id": vmid} for vmid, name in self._machines.items()}
        check = options.pop("check", False)
        given = {"hosts": list(hosts), "sources": [self.sources], **options}
        result = {"content": "{{ result | to_json }}", "dest": str(self._folder / "result.json")}
        tasks = [
            {_RUN: given, "check_mode": check, "register": "result", "ignore_errors": True},
            {"ansible.builtin.copy": result, "run_once": True},
        ]
        play = self._write("play.yml", [{"hosts": "all", "gather_facts": False, "tasks": tasks}])
        paths = self.play(play, hosts=hosts, backup_storage="backups")
        return json.loads((self._folder / "result.json").read_text(encoding="utf-8")), paths

    def report(self):
        names = list(self._machines.values())
        own = {"vm_platform": "proxmox", "vm_module_options": self.connection, "ansible_connection": "local"}
        hypervisor = {**own, "vm_machines": [{"name": name} for name in names], "backup_storage": "backups"}
        variables = {"drift_report_backup_max_age": "1h", "drift_report_folder": str(self._folder / "report")}
        hosts = {"cluster": hypervisor}
        paths = self.play("polyvirt.core.drift_report", hosts=hosts, drift_report_hosts="all", **variables)
        report = json.loads((self._folder / "report" / "report.json").read_text(encoding="utf-8"))
        return {one["name"]: one["backup"]["status"] for one in report["vms"]}, paths


@pytest.fixture(name="cluster")
def _cluster(tmp_path):
    world = worlds.with_many(COUNT, DrivenClock())
    world.timing.refused = 0
    # So much time passes with each request that nothing waits for a backup.
    with Server(world, tick=30) as server:
        yield Cluster(world, server, tmp_path)
    assert world.tasks.crashes == []


def _outcomes(result):
    return [one["outcome"] for one in result["vms"]]


def test_requests_for_many_vms(cluster, record_property):
    checked, paths = cluster.back_up(check=True)
    record_property("check", len(paths))
    assert (checked["changed"], _outcomes(checked)) == (True, ["created"] * COUNT), checked
    assert len(paths) <= 10 + NODES + COUNT
    # What check mode has shown can be approved, and nothing else.
    rejected, _paths = cluster.back_up(expect_plan="plan-x")
    assert "This plan was not approved" in rejected["msg"]
    done, paths = cluster.back_up(expect_plan=checked["plan"])
    record_property("run", len(paths))
    assert (done["plan"], _outcomes(done)) == (checked["plan"], ["created"] * COUNT), done
    for check in (True, False):
        again, paths = cluster.back_up(check=check)
        record_property("again", len(paths))
        assert (again["changed"], _outcomes(again)) == (False, ["unchanged"] * COUNT), again
        assert len(paths) <= AGAIN
        assert sum(path.endswith("/extractconfig") for path in paths) == COUNT
    statuses, paths = cluster.report()
    record_property("report", len(paths))
    assert set(statuses.values()) == {"young"}
    # The VMs are compared with their descriptions, too.
    assert len(paths) <= AGAIN + 10 + NODES + COUNT


def test_vm_that_fails_keeps_no_other_from_its_approved_backup(cluster):
    behind.edit(cluster.world, 101, name="renamed")
    expected = ["failed" if number == 1 else "created" for number in range(COUNT)]
    checked, _paths = cluster.back_up(check=True)
    assert (checked["failed"], _outcomes(checked)) == (True, expected), checked
    done, _paths = cluster.back_up(expect_plan=checked["plan"])
    assert (done["failed"], done["changed"], _outcomes(done)) == (True, True, expected), done
    assert done["msg"] == checked["msg"] and "is named 'renamed'" in done["msg"]
