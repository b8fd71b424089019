# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running ansible-playbook and telling what it cost: processes, seconds of CPU, seconds on the wall."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from collection_path import collections_path

_PLAYBOOK_COMMAND = Path(sys.executable).with_name("ansible-playbook")
#: Debian's own, for only that one has the libvirt package which community.libvirt.virt needs.
_TARGET_PYTHON = "/usr/bin/python3"
_COUNTER = '#!/bin/sh\necho {name} >>"{log}"\nexec {real} "$@"\n'


@dataclass(frozen=True)
class Cost:
    cpu: float
    wall: float


class Bench:
    """A folder with what the runs need: an inventory, and stand-ins that count before they become the real command."""

    def __init__(self, folder, target=_TARGET_PYTHON):
        self.folder, self._target = folder, target
        self._log = folder / "commands.log"
        self._counters = folder / "counters"
        self._counters.mkdir(exist_ok=True)
        self._settings = folder / "ansible.cfg"
        self._settings.write_text("", encoding="utf-8")  # Nothing of the user's own settings.
        self._programs = []
        for name, real in (("virsh", shutil.which("virsh")), ("python3", target)):
            self._count(name, real)

    def _count(self, name, real):
        """Count how often ``real`` is called under this name."""
        self._programs.append(name)
        counter = self._counters / name
        counter.write_text(_COUNTER.format(name=name, log=self._log, real=real), encoding="utf-8")
        counter.chmod(0o755)

    def cost(self, playbook):
        """The Cost of one run; whatever it started counts as its own."""
        began = time.monotonic()
        process = subprocess.Popen(
            self._argv(playbook, self._target), env=self._environment(), stdout=subprocess.DEVNULL
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        if status:
            raise SystemExit(f"{playbook} failed; run it by hand to see why.")
        return Cost(usage.ru_utime + usage.ru_stime, wall)

    def processes(self, playbook):
        """How often each program was started, as {name: times}; not while time is taken."""
        self._log.write_text("", encoding="utf-8")
        environment = self._environment()
        environment["PATH"] = f"{self._counters}{os.pathsep}{environment['PATH']}"
        argv = self._argv(playbook, self._counters / "python3")
        subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)
        lines = self._log.read_text(encoding="utf-8").split()
        return {name: lines.count(name) for name in self._programs}

    def _argv(self, playbook, python):
        host = f"localhost ansible_connection=local ansible_python_interpreter={python}\n"
        inventory = self.folder / f"inventory-{Path(python).parent.name}"
        inventory.write_text(host, encoding="utf-8")
        return [str(_PLAYBOOK_COMMAND), "-i", str(inventory), str(playbook)]

    def _environment(self):
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path()),
            "ANSIBLE_CONFIG": str(self._settings),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            # Telling of what others name wrongly is not what is measured.
            "ANSIBLE_DEPRECATION_WARNINGS": "False",
            # As on the host of a user, the bytecode of the collection is kept between the runs.
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "local"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
        }


def interleaved(bench, playbooks, rounds):
    """{name: [Cost]}: turn by turn, each beginning with another, so that a slow minute of the host hits all alike."""
    order, costs = list(playbooks), {name: [] for name in playbooks}
    for playbook in playbooks.values():
        bench.cost(playbook)  # Unmeasured: files come into the cache of the system.
    for _round in range(rounds):
        for name in order:
            costs[name].append(bench.cost(playbooks[name]))
        order = order[1:] + order[:1]
    return costs


def summary(costs):
    """Smallest and median seconds of each contestant, rounded for people."""
    return {
        name: {
            kind: {"min": round(min(seconds), 3), "median": round(statistics.median(seconds), 3)}
            for kind, seconds in (("cpu", [one.cpu for one in runs]), ("wall", [one.wall for one in runs]))
        }
        for name, runs in costs.items()
    }


def ratios(ours, theirs):
    """Ours to theirs, turn by turn, as {kind: {min, median}}: one turn's two runs met the same load."""
    pairs = list(zip(ours, theirs, strict=True))
    found = {"cpu": [a.cpu / b.cpu for a, b in pairs], "wall": [a.wall / b.wall for a, b in pairs]}
    return {
        kind: {"min": round(min(one), 3), "median": round(statistics.median(one), 3)} for kind, one in found.items()
    }
