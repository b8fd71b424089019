# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run playbooks as AWX runs the job of a template: by ansible-runner, in a new private data directory for each job.

The directory has a link to the project, the inventory as a program that prints JSON, and the extra variables as a file
in which every text is ``!unsafe``. As in AWX, it is gone when the job has ended: events, artifacts and output remain.
``workflow_variables`` are the extra variables of the next job of a workflow.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import ansible_runner
import yaml

from collection_path import collections_path
from suite import warm_ansible
from suite.limits import scaled, wait_until

_JOB_NUMBERS = itertools.count(1)
_INVENTORY = "#!{python}\nprint({text!r})\n"


@dataclass(frozen=True)
class Job:
    """A job that has ended: what AWX keeps of it."""

    rc: int
    #: successful, failed, timeout or canceled.
    status: str
    #: Each event as ansible-runner wrote it: ``event``, ``event_data``, ``stdout`` and others.
    events: list
    #: What AWX calls artifacts: the data of set_stats and of ``ansible_stats`` in results.
    artifacts: dict
    stdout: str
    #: The command line, without its environment.
    command: list = field(default_factory=list)

    def results(self, action=None):
        """The result of each task on each host, in order; ``action`` is the full name of a module."""
        ended = ("runner_on_ok", "runner_on_failed", "runner_on_unreachable")
        data = [one["event_data"] for one in self.events if one["event"] in ended]
        return [one["res"] for one in data if action in (None, one.get("resolved_action"))]

    @property
    def changed(self):
        """The number of changed tasks on all hosts."""
        stats = [one["event_data"] for one in self.events if one["event"] == "playbook_on_stats"]
        return sum(sum(one.get("changed", {}).values()) for one in stats)


class _Unsafe(yaml.SafeDumper):
    """Marks each text, so that Ansible does not read it as a template."""


_Unsafe.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text, style="'"))


def run(
    project, playbook, inventory, extravars, check=False, env=(), *, awx=(), template=(), words=(), programs=None,
    cancelled=None,
):  # fmt: skip
    """Run one job, and return it as a ``Job``.

    ``project``: a directory; ``playbook``: a path in it, or the full name of a playbook of a collection.
    ``inventory``: a dictionary as ``ansible-inventory --list`` prints it.
    ``extravars``: survey answers, launch variables and artifacts; no text in them is a template. As in AWX, they are
    written as ``!unsafe 'text'``, which ansible-core 2.19 and later read by the rules for plain YAML: an empty text
    becomes null, ``007`` a number, ``on`` a boolean and ``2026-01-31`` a date.
    ``env``: what credentials inject. Nothing in it can replace what AWX itself sets.
    ``awx``: other values for the variables that AWX adds (``awx_variables``), such as those of a workflow.
    ``template``: the variables of the job template itself; their texts may be templates, unless ``extravars`` has them.
    ``words``: further arguments of ansible-playbook, such as ``--limit``.
    ``programs``: the bin directory of another environment, for another version of ansible-core.
    ``cancelled()``: whether somebody has cancelled the job, which kills all of its processes.
    """
    folder = Path(tempfile.mkdtemp(prefix="awx_"))
    try:
        number = next(_JOB_NUMBERS)
        given = {**dict(extravars), **awx_variables(number, **dict(awx))}
        _fill(folder, project, inventory, given, dict(template))
        done = ansible_runner.run(
            private_data_dir=str(folder),
            ident=str(number),
            playbook=str(playbook),
            inventory=str(folder / "inventory" / "hosts"),
            cmdline=" ".join(["-u root", "--check --diff" if check else "", *words]).strip(),
            envvars={**_surroundings(folder, programs), **dict(env), **_variables_of_awx(folder, number)},
            timeout=int(scaled(600)),
            quiet=True,
            suppress_env_files=True,
            cancel_callback=cancelled,
        )
        wait_until(lambda: not _processes_in(folder), lambda: _processes_in(folder))
        return _job(done, folder / "artifacts" / str(number))
    finally:
        shutil.rmtree(folder)


def _processes_in(folder):
    """The processes of a job that have not ended yet: AWX deletes the directory with their container."""
    return [path for path in Path("/proc").glob("[0-9]*/environ") if f"HOME={folder}" in _environment_in(path)]


def _environment_in(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return []  # The process has ended.


def awx_variables(number=1, *, user="admin", workflow=None, revision="f" * 40, **others):
    """The variables that AWX adds to a job. A scheduled job has no ``user``; ``workflow`` is the id of a workflow."""
    values = {"job_id": number, "job_launch_type": "manual" if workflow is None else "workflow"}
    values.update(inventory_id=1, inventory_name="inventory", job_template_id=1, job_template_name="template")
    values.update(project_revision=revision, project_scm_branch="")
    if user is not None:
        values.update(user_id=1, user_name=user, user_email="", user_first_name="", user_last_name="")
    if workflow is not None:
        values.update(workflow_job_id=workflow, workflow_job_name="workflow", workflow_job_launch_type="manual")
    return {f"{prefix}_{name}": value for name, value in {**values, **others}.items() for prefix in ("awx", "tower")}


def workflow_variables(*ancestors, node=(), launch=()):
    """Extra variables of a job in a workflow: those of its node, then artifacts of earlier jobs, then of the launch.

    The artifacts of a later job replace those of the same name; lists are not merged. The variables with which the
    workflow was launched replace artifacts: so they must not be promptable.
    """
    merged = dict(node)
    for artifacts in ancestors:
        merged.update(artifacts)
    return {**merged, **dict(launch)}


def inventory_of(hosts, **groups):
    """The inventory of ``{host: variables}`` and ``group=[host]``, in the form of ``ansible-inventory --list``."""
    names = list(hosts)
    return {
        "_meta": {"hostvars": {name: dict(values) for name, values in hosts.items()}},
        "all": {"hosts": names, "children": list(groups)},
        **{group: {"hosts": list(members)} for group, members in groups.items()},
    }


def _fill(folder, project, inventory, extravars, template):
    """Write what ansible-runner reads."""
    (folder / "project").symlink_to(Path(project).resolve(), target_is_directory=True)
    hosts = folder / "inventory" / "hosts"
    hosts.parent.mkdir()
    hosts.write_text(_INVENTORY.format(python=sys.executable, text=json.dumps(inventory)), encoding="utf-8")
    hosts.chmod(0o700)
    (folder / "env").mkdir()
    written = {**template, **extravars}
    parts = [
        yaml.dump({name: value}, Dumper=yaml.SafeDumper if template.get(name, written) == value else _Unsafe)
        for name, value in written.items()
    ]
    (folder / "env" / "extravars").write_text("".join(parts), encoding="utf-8")


def _surroundings(folder, programs):
    """What an execution environment has: Ansible, this collection, and no configuration of the user."""
    configuration = folder / "ansible.cfg"
    configuration.touch()
    own = {} if (folder / "project" / "ansible.cfg").exists() else {"ANSIBLE_CONFIG": str(configuration)}
    return {
        **({} if programs else warm_ansible.environment()),
        **own,
        "PATH": os.pathsep.join([str(programs or Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(folder),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path()),
        "ANSIBLE_PYTHON_INTERPRETER": str(Path(programs) / "python" if programs else sys.executable),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "LC_ALL": "C.UTF-8",
    }


def _variables_of_awx(folder, number):
    """The environment that AWX itself sets, except for paths of its container and of its own tools."""
    return {
        "JOB_ID": str(number),
        "INVENTORY_ID": "1",
        "PROJECT_REVISION": "f" * 40,
        "AWX_HOST": "https://awx.example.org",
        "AWX_PRIVATE_DATA_DIR": str(folder),
        "MAX_EVENT_RES": "700000",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_FORCE_COLOR": "True",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    }


def _job(done, artifacts):
    """Read everything before the directory is removed."""
    events = list(done.events)
    stats = [one["event_data"] for one in events if one["event"] == "playbook_on_stats"]
    return Job(
        done.rc,
        done.status,
        events,
        stats[-1].get("artifact_data", {}) if stats else {},
        (artifacts / "stdout").read_text(encoding="utf-8"),
        json.loads((artifacts / "command").read_text(encoding="utf-8"))["command"],
    )
