# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD's vmd, its double in the process of a test, for generated tasks."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from functools import cached_property
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.options import VMM
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import report_vms
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full
from ansible_collections.polyvirt.core.plugins.modules import vmm_vm
from hypothesis import strategies as st

from suite import lists
from suite.bench import NOW, Bench, comparable
from suite.disturbances import disturbed
from suite.pairs import STOPS, cases
from unit.module_utils._drivers.vmm.in_process import OPTIONS, InProcess, driver_of, openbsd

#: The mark of a VM in vm.conf.
_MARK = re.compile(r"^# polyvirt (\{.*\})$", re.M)
_BLOCK = re.compile(r'^vm "(\w+)" \{\n(.*?)^\}', re.M | re.S)
_NICS = [{"type": "nat"}, {"type": "network", "source": "lan"}, {"type": "network", "source": "dmz"}]
_NICS.append({"type": "network", "source": ""})
_SETTINGS = {
    "memory": st.sampled_from(["64M", "96M"]),
    "description": st.sampled_from(["", 'one "two"\nthree']),
    "tags": st.sampled_from([[], ["a"]]),
    "autostart": st.booleans(),
    "disks": st.lists(st.sampled_from([{"size": "16M"}, {"size": "24M"}]), min_size=1, max_size=2),
    "networks": st.lists(st.sampled_from(_NICS), max_size=2),
    "boot_device": st.sampled_from(["default", "disk"]),
    "vmd_owner": st.sampled_from(["", "root"]),
    "native": st.sampled_from([{"sev": True}, {"sev": False}]),
}
#: The bytes of the header of a qcow2 image that contain the size of the disk.
_SIZE_AT = slice(24, 32)
_CONF = """\
switch "lan" { interface bridge0 }
switch "dmz" { interface bridge1 }
vm "mail" {
\tmemory 64M
\tdisk "%s"
}
"""


class Vmd(Bench):
    """A host with two switches, and the VM of its administrator."""

    name, module = "vmm", vmm_vm
    pair_count, list_count = 60, 20
    cases = cases(_SETTINGS, states=("present", "started", "stopped", "restarted", "paused", "absent"), stop_mode=STOPS)
    has_snapshots = False
    #: Lines of the block of a VM.
    foreign = (
        "local interface", "\tinterface tap9 { locked lladdr FE:E1:BA:00:00:09 group vms rdomain 1 } # of alice",
        'interface { switch "lan" lladdr fe:e1:BA:0:0:9 up }', "boot device net", 'boot "/bsd.rd"', "agentx",
        "allow instance { boot, disk, owner root }", "owner :wheel", "  memory   96M # small", "disable", "enable",
        "# a comment with \xfc", "interfaces 2", "stagger",
    )  # fmt: skip
    small: ClassVar = {"memory": "64M", "networks": [], "disks": [{"size": "16M"}]}
    clones: ClassVar = {"full": None}
    common: ClassVar = {"memory": "64M", "networks": [], "stop_mode": "force"}

    def __init__(self, host):
        self._host, self.folder = host, host.folder
        host.write("/etc/vm.conf", _CONF % host.disk())
        for bridge in ("bridge0", "bridge1"):
            host.well("ifconfig", bridge, "create")
        host.well("vmctl", "reload")
        host.well("vmctl", "stop", "-fw", "mail")

    @classmethod
    @contextmanager
    def opened(cls, place=0, ground=None):
        with openbsd() as host:
            yield cls(host)

    @cached_property
    def words(self):
        files = [lists.spellings(self._host.disk(name)) for name in ("one.qcow2", "two.qcow2")]
        return lists.Vocabulary(
            image=(*[self._host.disk("image.qcow2")] * 3, files[0][0]),
            files=tuple(files),
            slots=("disk0", "disk1"),  # Without gaps in their numbers.
            sizes=("16M", "24M"),
            macs=tuple(f"fe:e1:ba:00:00:0{number}" for number in range(4)),
            ports=(),
        )

    def change(self, definition):
        text = self._host.text()
        self._host.write("/etc/vm.conf", text.replace('vm "web" {\n', f'vm "web" {{\n{definition}\n', 1))
        if self._host.call("vmctl", "reload").returncode != 0:
            self._host.write("/etc/vm.conf", text)
            self._host.well("vmctl", "reload")
        self.after_kill()

    def run(self, entries, check=False):
        native = [{"native": entry["native"]} for entry in entries if "native" in entry]
        driver, _params = driver_of(self._host, _Port(self._host, self.disturbance), name=["a"], **dict(*native[:1]))
        asked = [self._request(entry) for entry in entries]
        return run(driver, asked, check, clock=self._host.timer, probe=lambda *_probed: True)

    def described(self):
        driver, _params = driver_of(self._host, name=["a"])
        return report_vms(driver, {"describe": True}, "vmd", OPTIONS)["vms"]

    def _request(self, entry):
        given = {**entry, "disks": _without_gap(entry["disks"])} if "disks" in entry else entry
        named = {**given, "name": [given["name"]]} if "name" in given else given
        _driver, params = driver_of(self._host, controller_time=NOW, **named)
        (request,) = requests(in_full(params, OPTIONS, VMM), OPTIONS)
        return request

    def id_of(self, name):
        return name if name in self._blocks() else None

    def _blocks(self):
        return dict(_BLOCK.findall(self._host.text()))

    def state(self):
        known = [
            {key: vm.get(key) for key in ("name", "running", "paused", "memory", "disks", "interfaces")}
            for vm in self._host.state.look()["vms"]
        ]
        sizes = {path.name: path.read_bytes()[_SIZE_AT] for path in self._host.storage.iterdir() if path.is_file()}
        return self._host.text(), sorted(known, key=lambda vm: vm["name"]), sizes, self._host.files()

    def end_state(self):
        """A task that was killed after vmd has read the file leaves the keys of an incomplete VM in its mark. They do
        not count any more, because vmctl lists the VM, and the next change of the VM removes them.
        """
        text, known, *others = self.state()
        listed = {vm["name"] for vm in known}
        text = _MARK.sub(lambda found: _complete(found, listed), text)
        return comparable(repr((text, known, *others)), self.folder)

    def assert_sound(self):
        """Assert that the VM of the administrator is unchanged, and that vmd accepts the file."""
        assert self._host.states()["mail"] == "stopped"
        self._host.well("vmd", "-n")

    def after_kill(self):
        """Stop the VM of the administrator: vmd starts it at a reload, and a task that is killed does not stop it."""
        self._host.call("vmctl", "stop", "-fw", "mail")

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
    return disks if any(disk.get("slot", "disk0") == "disk0" for disk in disks) else [{"slot": "disk0"}, *disks]


class _Port(InProcess):
    """A call of a program of the host is disturbed."""

    def __init__(self, machine, disturbance):
        super().__init__(machine)
        self._disturbance = disturbance

    def run(self, argv, writes=False, **more):
        run = super().run
        return disturbed(self._disturbance, argv, writes, lambda counted: run(argv, writes=counted, **more))


def _complete(found, listed):
    """The line of a mark, without the keys of an incomplete VM if vmctl lists the VM."""
    mark = json.loads(found[1])
    incomplete = ("unfinished", "making") if mark["id"] in listed else ()
    return f"# polyvirt {json.dumps({key: value for key, value in mark.items() if key not in incomplete})}"
