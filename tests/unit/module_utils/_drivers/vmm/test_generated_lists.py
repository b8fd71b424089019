# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with several VMs that share something, with the vmd driver on its double."""

from __future__ import annotations

import re
from contextlib import contextmanager

from ansible_collections.polyvirt.core.plugins.module_utils._core.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.options import VMM
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full

from suite import lists
from suite.pairs import number_of_pairs
from unit.module_utils._drivers.vmm.in_process import OPTIONS, driver_of, openbsd

_BLOCK = re.compile(r'^vm "(\w+)" \{\n(.*?)^\}', re.M | re.S)


class OnVmd(lists.Platform):
    """A host with two disk images, each with other names, and a switch."""

    def __init__(self, host):
        self._host = host
        host.write("/etc/vm.conf", 'switch "lan" {\n\tinterface bridge0\n}\n')
        host.well("ifconfig", "bridge0", "create")
        host.well("vmctl", "reload")
        self.words = self._vocabulary()

    def _vocabulary(self):
        files = [lists.spellings(self._host.disk(name)) for name in ("one.qcow2", "two.qcow2")]
        return lists.Vocabulary(
            image=(*[self._host.disk("image.qcow2")] * 3, files[0][0]),
            files=tuple(files),
            slots=("disk0", "disk1"),  # Without gaps in their numbers.
            sizes=("16M", "24M"),
            macs=tuple(f"fe:e1:ba:00:00:0{number}" for number in range(4)),
            ports=(),
        )

    def run(self, entries, check=False):
        driver, _params = driver_of(self._host, name=["a"])
        asked = [self._request(entry) for entry in entries]
        return run(driver, asked, check, self._host.timer, lambda *_probed: True)

    def _request(self, entry):
        given = {"memory": "64M", "networks": [], "stop_mode": "force", **entry}
        if "disks" in entry:
            given["disks"] = _without_gap(entry["disks"])
        named = {**given, "name": [given["name"]]} if "name" in given else given
        _driver, params = driver_of(self._host, **named)
        (request,) = requests(in_full(params, OPTIONS, VMM), OPTIONS)
        return request

    def id_of(self, name):
        return name if name in self._blocks() else None

    def _blocks(self):
        return dict(_BLOCK.findall(self._host.text()))

    def state(self):
        return self._host.text(), self._host.states(), self._host.files()

    def found(self):
        return lists.Found(
            {name: self._seen(name, text) for name, text in self._blocks().items()},
            lists.qcow2_files(self._host.storage),
        )

    def _seen(self, name, text):
        disks = tuple(map(lists.one_name, re.findall(r'^\s*disk "([^"]*)"', text, re.M)))
        macs = tuple(re.findall(r'switch "(\w+)" lladdr (\S+)', text))
        return lists.Seen("running" if self._host.states().get(name) == "running" else "stopped", disks, macs)


def _without_gap(disks):
    """The disks with an entry for the first one, as vmd numbers them without gaps."""
    return disks if any(disk["slot"] == "disk0" for disk in disks) else [{"slot": "disk0"}, *disks]


@contextmanager
def _opened(_place):
    with openbsd() as host:
        yield OnVmd(host)


def test_generated_lists():
    lists.assert_all_true(number_of_pairs(20), _opened)
