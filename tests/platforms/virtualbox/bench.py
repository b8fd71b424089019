# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox's double in the process of a test, for generated tasks."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from functools import cached_property
from typing import ClassVar

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as options
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import argument_spec
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.options import VIRTUALBOX, VM
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import report_vms
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full
from ansible_collections.polyvirt.core.plugins.modules import vbox_vm
from hypothesis import strategies as st

from suite import lists
from suite.bench import NOW, Bench
from suite.disturbances import disturbed
from suite.pairs import STOPS, cases
from unit.module_utils._drivers.vbox.in_process import InProcess, driver_of, snapshot, virtualbox

_OPTIONS = VIRTUALBOX.supported({**options.VM, **VM})
_VALIDATOR = ArgumentSpecValidator(argument_spec(_OPTIONS))
_POWER = {"poweroff": "stopped", "running": "running", "paused": "paused", "saved": "suspended"}
_DISK = {"slot": "SATA 0", "size": "2M"}
_SETTINGS = {
    "cpus": st.integers(1, 2),
    "memory": st.sampled_from(["16M", "20M"]),
    "description": st.sampled_from(["", 'one "two"\nthree']),
    "tags": st.sampled_from([[], ["a"]]),
    "disks": st.sampled_from([[_DISK], [{**_DISK, "size": "4M"}], [_DISK, {"slot": "SATA 1", "size": "1M"}]]),
    "networks": st.lists(
        st.sampled_from([{"type": "nat"}, {"type": "internal", "source": "lan"}, {"type": "nat", "model": "virtio"}]),
        max_size=2,
    ),
    "boot_order": st.sampled_from([["disk"], ["cdrom", "disk"]]),
    "native": st.fixed_dictionaries({"hpet": st.sampled_from(["on", "off"])}),
    "shared_folders": st.sampled_from([[], [{"name": "t", "host_path": "/"}], [{"name": "t", "host_path": "/tmp"}]]),
}
_FORWARDS = st.lists(
    st.sampled_from([{"name": "one", "host_port": port, "guest_port": to} for port in (2101, 2102) for to in (22, 80)]),
    max_size=1,
)


class VirtualBox(Bench):
    """A registry, with two disk images that have other names, too."""

    name, module, is_recorded_late = "virtualbox", vbox_vm, True
    pair_count = 120
    cases = cases(_SETTINGS, (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED), stop_mode=STOPS, port_forwards=_FORWARDS)
    small: ClassVar = {"cpus": 1, "memory": "16M"}
    clones: ClassVar = {"linked": "snapshot"}
    #: Arguments of modifyvm.
    foreign = (
        ("--natpf1", "dns,udp,,5353,,53"), ("--natpf1", "ü,tcp,127.0.0.1,2222,10.0.2.15,22"), ("--uart1", "0x3F8", "4"),
        ("--cableconnected1", "off"), ("--nicpromisc1", "allow-all"), ("--macaddress1", "0800270000aa"),
        ("--acpi", "off"),
        ("--rtcuseutc", "off"), ("--cpuexecutioncap", "50"), ("--monitorcount", "2"), ("--description", "ü\n<b>&"),
        ("--nic3", "nat"), ("--nictype1", "Am79C973"), ("--boot1", "net"), ("--groups", "/a/b,/c"),
        ("--firmware", "efi"),
        ("--chipset", "ich9"), ("--vrde", "on"), ("--vrdeport", "5000-5010"), ("--audio-driver", "null"),
        ("--memory", "24"),
    )  # fmt: skip
    common: ClassVar = {"cpus": 1, "memory": "16M", "stop_mode": "force"}

    def __init__(self, box):
        self._box, self.folder = box, box.folder
        self.creation = {"image": self._box.image("obeys")}

    @classmethod
    @contextmanager
    def opened(cls, place=0, ground=None):
        with virtualbox() as box:
            yield cls(box)

    @cached_property
    def words(self):
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

    def change(self, definition):
        self._box.call("modifyvm", "web", *definition)

    def run(self, entries, check=False):
        asked = [_request(entry) for entry in entries]
        native = next((entry["native"] for entry in entries if "native" in entry), None)
        driver = driver_of(self._box, _Port(self._box, self.disturbance), native=native)
        return run(driver, asked, check, clock=self._box.clock, probe=lambda *_probed: True)

    def described(self):
        return report_vms(driver_of(self._box), {"describe": True}, "virtualbox", _OPTIONS)["vms"]

    def run_snapshot(self, options, check):
        more = {"commands": _Port(self._box, self.disturbance), "check": check}
        more.update({"description": options["description"]} if "description" in options else {})
        return snapshot(
            self._box, options["snapshot"], *options.get("name", ["web"]), options.get("state", "present"), **more
        ).outcome

    def id_of(self, name):
        return dict(self._listed()).get(name)

    def _listed(self):
        return re.findall(r'^"(\w+)" \{(.*)\}$', self._box.run("list", "vms"), re.M)

    def state(self):
        lists = [self._box.run("list", "--long", what) for what in ("vms", "hdds")]
        return (
            lists,
            [self._box.run("getextradata", uuid, "enumerate") for _name, uuid in self._listed()],
            self._box.files(),
        )

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


class _Port(InProcess):
    """A call of VBoxManage is disturbed."""

    def __init__(self, box, disturbance):
        super().__init__(box)
        self._disturbance = disturbance

    def run(self, argv, writes=False, **more):
        run = super().run
        return disturbed(self._disturbance, argv, writes, lambda counted: run(argv, writes=counted, **more))


def _request(entry):
    validated = _VALIDATOR.validate(entry)
    assert not validated.error_messages, validated.error_messages
    names = [entry["name"]] if "name" in entry else None
    given = {**validated.validated_parameters, "name": names, "controller_time": NOW}
    (request,) = requests(in_full(given, _OPTIONS, VIRTUALBOX), _OPTIONS)
    return request
