# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with several VMs on a platform in memory."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM, argument_spec
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform as Options
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._engine.together import run_together
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full

from suite import lists
from suite.bench import Bench
from suite.pairs import number_of_pairs
from unit.module_utils._engine.claiming import IMAGE, LINK, Claiming, Host, ports_of

_VALIDATOR, _OPTIONS = ArgumentSpecValidator(argument_spec(VM)), Options("memory")
FILES = {"/data/one.img": "/data/link.img", "/data/two.img": "/other/two.img"}
WORDS = lists.Vocabulary(
    image=(IMAGE, LINK, "/data/one.img"),
    files=tuple((real, link, real.replace("/data/", "/data/../data/")) for real, link in FILES.items()),
    slots=("disk0", "disk1", "disk2"),
)
#: For each entry, which of two connections to the host it uses.
DRIVERS = ([0], [0, 1], [0, 1, 1], [1, 0, 0, 1])


class InMemory(Bench):
    """A Host. ``drivers`` says for each entry which of two connections to it is used."""

    words = WORDS

    def __init__(self, drivers, **options):
        self._drivers, self._options = drivers, options
        self.host = Host()
        self.host.files.update(dict.fromkeys(FILES))
        self.host.links.update({link: real for real, link in FILES.items()})

    def run(self, entries, check=False):
        asked = [_request(entry) for entry in entries]
        numbers = (self._drivers * len(asked))[: len(asked)]
        drivers = {number: Claiming(self.host, **self._options) for number in dict.fromkeys(numbers)}
        parts = [
            (driver, [request for request, one in zip(asked, numbers) if one == number], False)
            for number, driver in drivers.items()
        ]
        outcome = run_together(parts, asked, check, clock=self.host.clock, probe=None)
        assert self.host.damage == []
        return outcome

    def id_of(self, name):
        return next((machine.id for machine in self.host.machines if machine.name == name), None)

    def state(self):
        return sorted(deepcopy(self.host.machines), key=lambda machine: machine.name), dict(self.host.files)

    def found(self):
        return lists.Found({machine.name: self._seen(machine) for machine in self.host.machines}, self.host.files)

    def _seen(self, machine):
        nics = machine.config.get("networks", {}).values()
        macs = tuple((nic["source"], nic["mac"]) for nic in nics if nic.get("mac"))
        return lists.Seen(machine.power, tuple(self.host.disks_of(machine)), macs, tuple(ports_of(machine)))

    def share(self, first, second):
        """Both get one disk, while both are off."""
        pair = [machine for machine in self.host.machines if machine.name in (first, second)]
        if len(pair) == 2 and all(machine.power == "stopped" for machine in pair):
            for machine in pair:
                machine.config["disks"]["disk2"] = {"source": "/data/two.img", "size": 1 << 30}


def _request(entry):
    validated = _VALIDATOR.validate(entry)
    assert not validated.error_messages, validated.error_messages
    given = {**validated.validated_parameters, "name": [entry["name"]] if "name" in entry else None}
    (request,) = requests(in_full(given, VM, _OPTIONS), VM)
    return request


def _opened(place):
    return nullcontext(InMemory(drivers=DRIVERS[place % len(DRIVERS)], copies_running=place % 2 == 0))


def test_generated_lists():
    counts = lists.assert_all_true(number_of_pairs(300), _opened)
    assert counts["rejected"] * 10 >= counts.total()
