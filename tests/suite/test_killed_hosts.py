# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task about a network or pool is killed at a call that writes. The next run completes it."""

from __future__ import annotations

import re

import pytest

from suite.belts import share
from suite.carry import carry_one

#: The number of kills of each task on its day.
EVERY_DAY = 1
LAB, POOL = "pvg-lab", "pvg-pool"
_WRITE = re.compile(r"\b(net|pool)-(define|start|destroy|undefine|update|autostart|build|refresh)\b")
#: Values that differ between two networks of the same task.
_VOLATILE = re.compile(r"<uuid>.*</uuid>|<mac address=[^>]*>|<(capacity|allocation|available) .*")
_PLAIN = {"name": LAB, "mode": "isolated", "addresses": ["10.107.0.1/24"], "bridge": "virpvg-7"}
_MORE = {
    "ranges": [{"start": "10.107.0.100", "end": "10.107.0.150"}],
    "hosts": [{"mac": "52:54:00:00:07:10", "name": "db1", "address": "10.107.0.10"}],
    "dns": [{"address": "10.107.0.9", "names": ["ntp"]}],
}
#: label: (module, options of the task before, options of the task that is killed). In paths, {} is a directory.
TASKS = {
    "network created": ("network", None, {**_PLAIN, **_MORE, "autostart": True}),
    "network changed": ("network", {**_PLAIN, "mtu": 1500}, {"name": LAB, **_MORE, "autostart": True}),
    "network restarted": ("network", _PLAIN, {"name": LAB, "mtu": 1400, "allow_restart": True}),
    "network deleted": ("network", {**_PLAIN, **_MORE}, {"name": LAB, "state": "absent"}),
    "pool created": ("pool", None, {"name": POOL, "type": "dir", "path": "{}/one", "autostart": True}),
    "pool moved": (
        "pool",
        {"name": POOL, "type": "dir", "path": "{}/one"},
        {"name": POOL, "path": "{}/two", "allow_restart": True},
    ),
    "pool deleted": ("pool", {"name": POOL, "type": "dir", "path": "{}/one"}, {"name": POOL, "state": "absent"}),
}


class _Killed:
    """One task on real libvirt. The networks and pools of the test are removed before each run."""

    def __init__(self, platform, shim, folder, label):
        self.platform, self.shim, self._folder = platform, shim, folder
        about, *tasks = TASKS[label]
        for name in ("one", "two"):
            (folder / name).mkdir()
        self._about = about
        self._before, self._options = [one and self._with_folder(one) for one in tasks]

    def _with_folder(self, options):
        return {name: value.format(self._folder) if name == "path" else value for name, value in options.items()}

    def remove(self):
        for kind, name in (("net", LAB), ("pool", POOL)):
            for verb in ("destroy", "undefine"):
                self.platform.virsh(f"{kind}-{verb}", name, check=False)

    def prepare(self):
        self.remove()
        self.shim.forget()
        if self._before:
            self._run(self._before)

    def run(self):
        return self._run(self._options)

    def _run(self, options):
        return carry_one(self.platform, self.shim, self._folder, options, about=self._about)

    def state(self):
        """Both definitions of everything, and what is started automatically."""
        lists = [self.platform.virsh(f"{kind}-list", "--all", "--name").split() for kind in ("net", "pool")]
        names = [(kind, name) for kind, found in zip(("net", "pool"), lists) for name in sorted(found)]
        texts = [
            self.platform.virsh(f"{kind}-{verb}", name, *more)
            for kind, name in names
            for verb, *more in (("info",), ("dumpxml",), ("dumpxml", "--inactive"))
        ]
        return [_VOLATILE.sub("", re.sub(r"(?m)^(UUID|Capacity|Allocation|Available):.*", "", one)) for one in texts]


@pytest.mark.full
@pytest.mark.parametrize("label", TASKS)
def test_next_run_completes_killed_task(qemu, shim, tmp_path, pytestconfig, label):
    task = _Killed(qemu, shim, tmp_path, label)
    try:
        task.prepare()
        whole = task.run()
        assert whole.changed, whole.msg
        end = task.state()
        writes = [call.number for call in whole.calls if _WRITE.search(" ".join(call.argv))]
        points = [(when, number) for number in writes for when in ("kill-before", "kill-after")]
        assert points
        for when, number in share(pytestconfig, points, EVERY_DAY):
            task.prepare()
            shim.order(f"{when} {number}")
            assert task.run().rc == -9, (when, number)
            shim.forget()
            again = task.run()
            assert not again.failed, (when, number, again.msg)
            assert task.state() == end, (when, number)
            assert not task.run().changed, (when, number)
    finally:
        task.remove()
