# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which inventory files define the sources of guarded VMs, and the tasks that a guarded run sends to them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.decisions import GuardedVm
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.snapshots import Snapshots

from collection_path import collections_path

WEB = GuardedVm("lab", "libvirt", "web", "1", ("web1",))
DB = GuardedVm("lab", "libvirt", "db", None, ("db1",))


#: Ansible finds its plugins only if it, and not Python, has imported the collection first.
SCRIPT = """
import json, sys
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([sys.argv[1]])
from ansible_collections.polyvirt.core.plugins.plugin_utils.inventory.sources import Sources, files_of, sources_for

def case(paths, names, source=None, tasks=None):
    try:
        sources = Sources(DataLoader(), paths, set(names), lambda host: None, ("name", "facets"))
        return sources.run({source: tasks}, 60)[source] if tasks else sources.connection(names[0])
    except Exception as error:
        return f"{type(error).__name__}: {error}"

given = json.load(sys.stdin)
answers = {name: case(**one) for name, one in given["cases"].items()}
try:
    sources_for(DataLoader(), {"hostvars": {}}, given["files"], ())
except Exception as error:
    answers["missing file"] = f"{type(error).__name__}: {error}"
print(json.dumps({**answers, "files": files_of(given["files"])}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """{case: connection options, results of tasks, or an error}, and the folder with the inventory files."""
    folder = tmp_path_factory.mktemp("lab")
    options = {"uri": "qemu:///session", "facets": ["list"], "name": ["web"]}
    sources = {
        "a/1.polyvirt.yml": {"platform": "libvirt", "options": options},
        "b.polyvirt.yaml": {"platform": "libvirt"},
        "c.polyvirt.yml": {"platform": "libvirt", "name": "lab", "host": "hv1"},
    }
    for name, source in sources.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"plugin": "polyvirt.core.vms", "sources": [source]}), encoding="utf-8")
    broken = {"plugin": "polyvirt.core.vms", "sources": [{"platform": "nowhere"}]}
    (folder / "broken.polyvirt.yml").write_text(json.dumps(broken), encoding="utf-8")
    (folder / "a" / "hosts").write_text("web1\n", encoding="utf-8")
    a, b, c = str(folder / "a"), *(str(folder / name) for name in ("b.polyvirt.yaml", "c.polyvirt.yml"))
    late = {"ansible.builtin.command": "sleep 20", "timeout": 1, "ignore_errors": True}
    cases = {
        "one": {"paths": [a], "names": ["libvirt"]},
        "missing": {"paths": [b], "names": ["libvirt", "lab", "old"]},
        "no file": {"paths": ["web1,"], "names": ["lab"]},
        "two": {"paths": [a, b], "names": ["libvirt"]},
        "broken": {"paths": [str(folder / "broken.polyvirt.yml")], "names": ["lab"]},
        "others": {"paths": [a, b, c], "names": ["lab"]},
        "no host": {"paths": [c], "names": ["lab"], "source": "lab", "tasks": [{"ansible.builtin.ping": {}}]},
        "late": {"paths": [b], "names": ["libvirt"], "source": "libvirt", "tasks": [late]},
    }
    given = {"cases": cases, "files": [a, os.path.relpath(b), "web1,web2,", str(folder / "missing.polyvirt.yml")]}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(collections_path())],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), folder


def test_files_are_those_of_the_plugin_in_directories_and_alone(found):
    answers, folder = found
    assert answers["files"] == [str(folder / "a/1.polyvirt.yml"), str(folder / "b.polyvirt.yaml")]


def test_connection_options_are_those_of_the_file_without_what_only_info_modules_have(found):
    answers, _folder = found
    assert answers["one"] == {"uri": "qemu:///session"}
    assert answers["others"] == {}


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("missing", r"NotFound: .*source lab, old is defined in no.*b\.polyvirt\.yaml.*guarded_sources"),
        ("no file", r"NotFound: .*there is no file of polyvirt\.core\.vms"),
        ("broken", r"InvalidInput: .*broken\.polyvirt\.yml: .*platform.*nowhere.*Nothing was changed"),
        ("missing file", r"NotFound: The inventory file .*missing\.polyvirt\.yml does not exist\. Correct its path"),
        ("two", r"InvalidInput: .*b\.polyvirt\.yaml: another.*named libvirt"),
    ],
)
def test_sources_that_are_not_clear_are_errors(found, case, error):
    answers, _folder = found
    assert re.match(error, answers[case], re.DOTALL), answers[case]


def test_source_on_a_host_that_is_not_in_the_inventory_is_an_error_of_its_vms(found):
    answers, _folder = found
    (result,) = answers["no host"]
    assert result["failed"]
    assert "hv1 is not in the inventory" in result["msg"]


class Host:
    """Sources in memory: ``states`` are the power states of VMs, ``refuses`` is an option that no snapshot can have."""

    def __init__(self, after_restore="running", refuses=None, fails=()):
        self.sent, self._after, self._refuses, self._fails = [], after_restore, refuses, fails

    def connection(self, source):
        return {"uri": source}

    def run_each(self, tasks, seconds):
        return [self._result(task) for _source, task in tasks]

    def _result(self, task):
        module, given = next((name, one) for name, one in task.items() if name.startswith("polyvirt."))
        self.sent.append((module.rpartition(".")[2], given["name"][0], given["state"], task["check_mode"]))
        if self._refuses in given or given["name"][0] in self._fails:
            return {"failed": True, "msg": "no"}
        return {"vms": [{"state": self._after if given["state"] == "restored" else "running"}]}


def test_vm_that_was_running_is_started_if_its_snapshot_has_no_memory():
    host = Host(after_restore="stopped", fails=("bad",))
    bad = GuardedVm("lab", "libvirt", "bad", "9", ("bad",))
    results = Snapshots(host, 60, False).restore({WEB: ("s", "running"), DB: ("s", "stopped"), bad: ("s", "running")})
    assert host.sent == [
        ("vm_snapshot", "web", "restored", False),
        ("vm_snapshot", "db", "restored", False),
        ("vm_snapshot", "bad", "restored", False),
        ("vm", "web", "started", False),
    ]
    assert [vm.name for vm, result in results.items() if result.get("failed")] == ["bad"]


def test_check_mode_is_that_of_every_task():
    host = Host()
    snapshots = Snapshots(host, 60, True)
    snapshots.plan([WEB], "s", "patch.yml")
    snapshots.take({WEB: "running"}, "s", "patch.yml")
    snapshots.restore({WEB: ("s", "running")})
    snapshots.delete({WEB: ["s"]})
    assert {check for *_task, check in host.sent} == {True}
    # A plan is never more than a plan.
    host = Host()
    Snapshots(host, 60, False).plan([WEB], "s", "patch.yml")
    assert host.sent == [("vm_snapshot", "web", "present", True)]


def test_snapshots_have_no_description_where_the_platform_stores_none():
    host = Host(refuses="description")
    snapshots = Snapshots(host, 60, False)
    assert not snapshots.plan([WEB, DB], "s", "patch.yml")[WEB].get("failed")
    assert not snapshots.take({WEB: "running"}, "s", "patch.yml")[WEB].get("failed")


def test_failed_deletion_is_not_hidden_by_the_next_one():
    host = Host(fails=("web",))
    results = Snapshots(host, 60, False).delete({WEB: ["a", "b"], DB: ["a"]})
    assert (results[WEB].get("failed"), results[DB].get("failed")) == (True, None)
    assert len(host.sent) == 3


def test_step_that_was_ended_names_its_option(found):
    answers, _folder = found
    assert "No end within 1 s, the limit of the option timeout" in answers["late"][0]["msg"]
