# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events ``ansible-playbook`` causes, with several versions of ansible-core: each change once, and no secret.

Module ``act`` of a collection for this test returns the result that its options contain, as a module of this collection
would. Three hosts run at the same time.
"""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest
from ansible_collections.polyvirt.core.plugins.callback.events import DOCUMENTATION

from collection_path import collections_path
from suite.by_ansible import EACH_CORE, run_ansible, start_ansible, write
from suite.event_lines import read_events
from suite.limits import scaled

SECRET = "hush-secret"
HOSTS = ("one", "two", "three")

MODULE = """
import json

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(argument_spec={"result": {"type": "json", "required": True}})
    module.exit_json(**json.loads(module.params["result"]))


if __name__ == "__main__":
    main()
"""
#: Only an async task needs a process of its own.
ACTION = """
import json

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        if self._task.async_val:
            return self._execute_module(task_vars=task_vars, wrap_async=True)
        result, counter = self._task.args["result"], self._task.args.get("counter")
        # Before ansible-core 2.19, a text that looks like a dictionary becomes one if a template is in it.
        result = result if isinstance(result, dict) else json.loads(result)
        if counter:
            with open(counter, "a+") as file:
                file.write(".")
                file.seek(0)
                result["attempt"] = len(file.read())
            for vm in result["vms"]:
                # An attempt that fails and has changed nothing is no event, because another one follows.
                vm["changed"], vm["failed"] = result["attempt"] == 1, result["attempt"] == 2
        return result
"""
#: The callback plugin as it is, but for the modules of the test.
CALLBACK = """
DOCUMENTATION = {documentation!r}
from ansible_collections.polyvirt.core.plugins.callback.events import CallbackModule as Events
from ansible_collections.polyvirt.core.plugins.plugin_utils.outcomes.host_roles import ROLES

ROLES["test.events.vmm_host"] = "vmd"


class CallbackModule(Events):
    MODULES = "test.events."
"""


def _vm(name, verb=None, **values):
    steps = [{"verb": verb, "done": True}] if verb else []
    known = {"name": name, "id": "1", "platform": "libvirt", "state": "running", "steps": steps, "plan": ""}
    return {**known, "changed": bool(verb), "failed": False, "msg": "", **values}


def _act(name, *vms, counter=None, **values):
    """A task whose result has these VMs."""
    result = {"changed": any(vm["changed"] for vm in vms), "vms": list(vms), **values}
    options = {"result": json.dumps(result), **({"counter": counter} if counter else {})}
    return {"name": name, "test.events.act": options}


def _tasks(folder):
    failed = _vm("web1", failed=True, msg="web1: no answer")
    return [
        _act("plain {{ secret }}", _vm("web1", "create"), _vm("db1")),
        {**_act("loop", _vm("{{ item }}", "start")), "loop": ["a", "b"]},
        {**_act("hidden", _vm(SECRET, "start"), msg=SECRET), "no_log": True},
        {**_act("hidden loop", _vm("{{ item }}", "start")), "loop": [SECRET], "no_log": True},
        {**_act("hidden failure", failed=True, msg=SECRET), "no_log": True, "ignore_errors": True},
        {**_act("waited", _vm("web1", "stop")), "async": 60, "poll": 1},
        {**_act("forgotten", _vm("web1", "start")), "async": 60, "poll": 0, "register": "job"},
        {
            "name": "status",
            "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
            **{"register": "status", "until": "status.finished", "retries": 100, "delay": 1},
        },
        {"name": "status again", "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"}},
        {
            **_act("attempts", _vm("web1", "configure"), counter=f"{folder}/count-{{{{ inventory_hostname }}}}"),
            **{"register": "counted", "until": "counted.attempt == 3", "retries": 5, "delay": 0},
        },
        {**_act("ignored", failed, failed=True, msg="web1: no answer"), "ignore_errors": True},
        {"block": [_act("rescued", failed, failed=True, msg="web1: no answer")], "rescue": [_act("rescue", _vm("a"))]},
        {**_act("delegated", _vm("web1", "pause")), "delegate_to": "hypervisor"},
        {**_act("checked", _vm("web1", "resume")), "check_mode": True},
        {"name": "of others", "ansible.builtin.debug": {"msg": "x"}, "changed_when": True},
        {"name": "once", **_act("once", _vm("web1", "suspend")), "run_once": True},
        {"name": "a role", "ansible.builtin.include_role": {"name": "test.events.vmm_host"}},
        {"name": "a later task", "ansible.builtin.debug": {"msg": "later"}},
    ]


#: (task, event, name of the VM) of each host, in this order.
EXPECTED = [
    ("plain {{ secret }}", "vm.created", "web1"),
    ("loop", "vm.started", "a"),
    ("loop", "vm.started", "b"),
    ("hidden", "vm.changed", None),
    ("hidden loop", "vm.changed", None),
    ("hidden failure", "failed", None),
    ("waited", "vm.stopped", "web1"),
    ("forgotten", "vm.started", "web1"),
    ("attempts", "vm.changed", "web1"),
    ("ignored", "failed", "web1"),
    ("rescued", "failed", "web1"),
    ("delegated", "vm.paused", "web1"),
    ("checked", "drift", "web1"),
]
OF_ROLE = ("test.events.vmm_host : change the host", "host.prepared", None)


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """The folder with a collection that has the module, the callback plugin and a role."""
    folder = tmp_path_factory.mktemp("events")
    root = folder / "ansible_collections/test/events"
    write(root / "plugins/modules/act.py", MODULE)
    write(root / "plugins/action/act.py", ACTION)
    write(root / "plugins/callback/events.py", CALLBACK.format(documentation=DOCUMENTATION))
    role = [{"name": "change the host", "ansible.builtin.debug": {"msg": "x"}, "changed_when": True}]
    write(root / "roles/vmm_host/tasks/main.yml", json.dumps(role))
    return folder


def _prepared(folder, collection, tasks, programs=None, hosts=("localhost",), **around):
    """Write a play, and return the arguments and the environment for ansible-playbook."""
    play = {"hosts": "all", "connection": "local", "gather_facts": False, "tasks": tasks, "vars": {"secret": SECRET}}
    write(folder / "playbook.json", json.dumps([play]))
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": f"{collection}{os.pathsep}{collections_path()}",
        "ANSIBLE_CALLBACKS_ENABLED": "test.events.events",
        **({"ANSIBLE_PYTHON_INTERPRETER": str(programs / "python")} if programs else {}),
        **around,
    }
    return ["-i", ",".join([*hosts, ""]), "-f", "3", folder / "playbook.json"], environment


def _run(folder, prepared, programs=None):
    """Run a play and return its output."""
    done = run_ansible(folder, "ansible-playbook", *prepared, programs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=EACH_CORE, ids=lambda path: path.name)
def events(request, tmp_path_factory, collection):
    """The events of all tasks, and the text of their file."""
    folder = tmp_path_factory.mktemp("run")
    path = folder / "events.jsonl"
    programs, around = request.param / "bin", {"POLYVIRT_EVENTS_PATH": str(path)}
    output = _run(folder, _prepared(folder, collection, _tasks(folder), programs, HOSTS, **around), programs)
    assert "events" not in "".join(line for line in output.splitlines() if "WARNING" in line)
    assert path.stat().st_mode & 0o777 == 0o640
    return path


def test_each_change_is_one_event(events):
    found = read_events(events)
    of_hosts = {
        host: [
            (one["task"], one["event"], one["vm"] and one["vm"]["name"])
            for one in found
            if one["inventory_host"] == host and one["task"] != "once"
        ]
        for host in HOSTS
    }
    assert of_hosts == {host: [*EXPECTED, OF_ROLE] for host in HOSTS}
    assert Counter(one["event"] for one in found if one["task"] == "once") == {"vm.suspended": 1}


def test_no_secret_is_in_an_event(events):
    assert SECRET not in events.read_text(encoding="utf-8")


def test_event_has_the_context_of_its_task(events):
    found = {one["task"]: one for one in read_events(events) if one["inventory_host"] == "two"}
    assert found["delegated"]["host"] == "hypervisor"
    assert found["waited"]["host"] == "two"
    assert (found["ignored"]["ignored"], found["ignored"]["severity"]) == (True, "warning")
    assert (found["rescued"]["ignored"], found["rescued"]["severity"]) == (False, "error")
    assert (found["checked"]["check"], found["waited"]["check"]) == (True, False)
    assert found["forgotten"]["module"] == "act"
    prepared = found[OF_ROLE[0]]
    assert (prepared["role"], prepared["platform"], prepared["changed"]) == ("vmm_host", "vmd", True)
    assert {one["playbook"] for one in found.values()} == {"playbook.json"}


def test_full_disk_and_dead_syslog_are_one_warning_each_and_the_play_continues(tmp_path, collection):
    around = {"POLYVIRT_EVENTS_PATH": "/dev/full", "POLYVIRT_EVENTS_SYSLOG": "no-such-host.invalid:514"}
    tasks = [{**_act("many", _vm("{{ item }}", "start")), "loop": ["a", "b", "c"]}]
    output = _run(tmp_path, _prepared(tmp_path, collection, tasks, **around))
    shown = " ".join(output.split())
    assert shown.count("/dev/full: events cannot be written: No space left on device.") == 1
    assert shown.count("syslog (no-such-host.invalid:514): events cannot be written") == 1
    assert "ok=1 changed=1" in shown


def test_callback_without_a_destination_is_a_warning(tmp_path, collection):
    output = _run(tmp_path, _prepared(tmp_path, collection, [_act("one", _vm("a", "start"))], POLYVIRT_EVENTS_PATH=""))
    assert "set path or syslog" in " ".join(output.split())


def test_several_jobs_share_a_file(tmp_path, collection):
    path, names = tmp_path / "events.jsonl", [f"vm{number}" for number in range(50)]
    tasks = [{**_act("many", _vm("{{ item }}", "start")), "loop": names}]
    invoked, around = _prepared(tmp_path, collection, tasks, POLYVIRT_EVENTS_PATH=str(path))
    jobs = {"7": None, "8": None, "9": None}
    for job in jobs:
        words = [*invoked, "-e", f"awx_job_id={job}", "-e", f"awx_user_name=user{job}"]
        jobs[job] = start_ansible(tmp_path, "ansible-playbook", words, around)
    for process in jobs.values():
        output, _errors = process.communicate(timeout=scaled(300))
        assert process.returncode == 0, output
    found = [(one["job_id"], one["user"], one["vm"]["name"]) for one in read_events(path)]
    assert sorted(found) == sorted((job, f"user{job}", name) for job in jobs for name in names)
