# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task over machines of Vagrant that all run already, against the module vagrant of molecule-plugins.

Vagrant is the double, with VMs that only Vagrant can report on. The real Vagrant takes one or two seconds to start.
"""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import contestants
from measure import interleaved, ratios, summary

from platforms.vagrant import double_project

MACHINES = 20
ROUNDS = 3
MOST_CALLS = 1
#: What a call takes longer: a real one takes more than ten times that.
DELAY = 0.1
#: What their module imports, and the target's Python lacks: {distribution: package}.
_LIBRARIES = {"python-vagrant": "vagrant", "Jinja2": "jinja2", "MarkupSafe": "markupsafe"}
_THEIR_MODULE = "molecule_plugins/vagrant/modules/vagrant.py"
_PROVIDER = "hyperv"


def against_molecule(bench):
    boxes = [{"name": "polyvirt/fast", "provider": _PROVIDER, "version": "0"}]
    with tempfile.TemporaryDirectory(prefix="polyvirt-bench-") as folder:
        played = double_project.Vagrant(folder, usable=[_PROVIDER], boxes=boxes)
        given = {"VAGRANT_DEFAULT_PROVIDER": _PROVIDER, "VAGRANT_HOME": f"{folder}/home"}
        os.environ.update(given)
        bench.count("vagrant", played.executable, DELAY)
        playbooks = _playbooks(bench.folder, played.project, Path(folder) / "theirs")
        for playbook in playbooks.values():
            bench.prepare(playbook)
        costs = interleaved(bench, playbooks, ROUNDS)
        processes = {name: bench.processes(playbook) for name, playbook in playbooks.items()}
    return {
        "rounds": ROUNDS,
        "load": os.getloadavg()[0],
        "processes": processes,
        "seconds": summary(costs),
        "ratios": {"ratio": ratios(costs["molecule"], costs["vagrant_instance"])},
        "met": {f"at most {MOST_CALLS} vagrant": processes["vagrant_instance"]["vagrant"] <= MOST_CALLS},
    }


def _playbooks(folder, ours, theirs):
    theirs.mkdir()
    libraries = folder / "libraries"
    for name, package in _LIBRARIES.items():
        _link(libraries / package, distribution(name).locate_file(package))
    # Ansible looks for modules beside the playbook.
    _link(folder / "library" / "vagrant.py", distribution("molecule-plugins").locate_file(_THEIR_MODULE))
    tasks = {
        "vagrant_instance": contestants.vagrant_instance(ours, MACHINES),
        "molecule": contestants.molecules_vagrant(theirs, MACHINES, libraries),
    }
    return {name: contestants.write_playbook(folder / f"{name}.yml", task) for name, task in tasks.items()}


def _link(link, target):
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
