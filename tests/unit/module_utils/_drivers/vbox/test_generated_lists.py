# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with several VMs that share something, with the VirtualBox driver on its double."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core import options
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import argument_spec
from ansible_collections.polyvirt.core.plugins.module_utils._core.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.options import VIRTUALBOX, VM
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full

from suite import lists
from suite.pairs import number_of_pairs
from unit.module_utils._drivers.vbox.in_process import driver_of, virtualbox

_OPTIONS = VIRTUALBOX.supported({**options.VM, **VM})
_VALIDATOR = ArgumentSpecValidator(argument_spec(_OPTIONS))
_POWER = {"poweroff": "stopped", "running": "running", "paused": "paused", "saved": "suspended"}


class OnVirtualBox(lists.Platform):
    """A registry, with two disk images that have other names, too."""

    def __init__(self, box):
        self._box = box
        self.words = self._vocabulary()

    def _vocabulary(self):
        files = [lists.spellings(self._box.disk(name)) for name in ("one.vdi", "two.vdi")]
        return lists.Vocabulary(
            image=(*[self._box.image()["source"]] * 3, files[0][0]),
            files=tuple(files),
            slots=("SATA 0", "SATA 1", "SATA 2"),
            sizes=("8M", "16M"),
            nic=("internal", "lan"),
            macs=tuple(f"08:00:27:00:00:0{number}" for number in range(4)),
            links=(),
        )

    def run(self, entries, check=False):
        asked = [_request(entry) for entry in entries]
        return run(driver_of(self._box), asked, check, self._box.clock, lambda *_probed: True)

    def id_of(self, name):
        return dict(self._listed()).get(name)

    def _listed(self):
        return re.findall(r'^"(\w+)" \{(.*)\}$', self._box.run("list", "vms"), re.M)

    def state(self):
        return [self._box.run("list", "--long", what) for what in ("vms", "hdds")], self._box.files()

    def found(self):
        texts = self._box.run("list", "--long", "hdds").split("\n\n")
        media = [dict(re.findall(r"^([\w ]+): +(.*)$", text, re.M)) for text in texts if text.strip()]
        paths = {one["UUID"]: lists.one_name(one["Location"]) for one in media}
        below = {lists.one_name(one["Location"]): paths.get(one["Parent UUID"]) for one in media}
        return lists.Found({name: self._seen(uuid) for name, uuid in self._listed()}, below)

    def _seen(self, uuid):
        values = self._box.values(uuid)
        slots = [path for key, path in values.items() if re.fullmatch(r"SATA-\d-\d", key) and os.path.isabs(path)]
        disks = tuple(map(lists.one_name, slots))
        macs = tuple(
            (values.get(f"intnet{number}"), values[f"macaddress{number}"])
            for number in range(1, 9)
            if values.get(f"nic{number}") == "intnet"
        )
        ports = tuple(text.split(",")[3] for key, text in values.items() if key.startswith("Forwarding("))
        return lists.Seen(_POWER[values["VMState"]], disks, macs, ports)


def _request(entry):
    validated = _VALIDATOR.validate({"cpus": 1, "memory": "16M", "stop_mode": "force", **entry})
    assert not validated.error_messages, validated.error_messages
    given = {**validated.validated_parameters, "name": [entry["name"]] if "name" in entry else None}
    (request,) = requests(in_full(given, _OPTIONS, VIRTUALBOX), _OPTIONS)
    return request


@contextmanager
def _opened(_place):
    with virtualbox() as box:
        yield OnVirtualBox(box)


def test_generated_lists():
    lists.assert_all_true(number_of_pairs(40), _opened)
