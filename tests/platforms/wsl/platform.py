# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: a double of a Windows host, because Windows does not run here. Its time passes as modules sleep."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.traits import wsl_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import ABSENT, RUNNING, STOPPED

from platforms.adapter import Adapter
from platforms.windows.served import served
from platforms.wsl import own, reading
from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.double.host import Knobs, WslHost, is_write

#: The variable by which modules in other processes find the host.
SERVED_AT = "POLYVIRT_TEST_WINDOWS"
_TARBALL, _MEDIUM = "C:\\images\\base.tar", "C:\\images\\medium.iso"
#: Distributions of tests do not stop by themselves.
_FOREVER = 1e9


class Platform(Adapter):
    """A host with WSL 2.6.3, in this process."""

    name = "wsl"
    family = "polyvirt.core.wsl"
    word = "distro"
    finds = (ABSENT, STOPPED, RUNNING)
    disk_size = "1T"
    creation: ClassVar = {"image": {"source": _TARBALL}}
    #: What only one distribution can have, or what takes others away: they have tests of their own.
    unusable: ClassVar = frozenset({"version", "default", "install_location", "sparse", "export"})
    slots = ("disk0", "disk1")
    consent: ClassVar = {"allow_restart": True, "stop_mode": "force"}
    has_snapshots = handles_files = False
    grown_size, changed_by_clones = "3T", ("disks",)
    other_format = "vhd"
    native_values = (({"network.hostname": "one"}, "one"), ({"network.hostname": "two # three"}, "two # three"))

    def __init__(self, prefix="pvc-"):
        super().__init__(prefix)
        self.host = None

    @property
    def connection(self):
        return {}

    @property
    def clock(self):
        """What a module's sleep advances."""
        return {"url": f"{os.environ[SERVED_AT]}/sleep", "authorization": ""}

    @property
    def storage(self):
        return "C:\\WSL"

    @contextmanager
    def kept(self):
        """The host is served; at the end all is gone."""
        self._make_host()
        with served(lambda: self.host.windows) as url:
            os.environ[SERVED_AT] = url
            try:
                yield
            finally:
                del os.environ[SERVED_AT]

    def _make_host(self):
        self.host = WslHost(knobs=Knobs(idle_seconds=_FOREVER))
        self.host.files.put(_TARBALL, packed(FILES))
        self.host.files.put(_MEDIUM, b"iso")
        self._noted = 0

    def traits(self):
        return wsl_traits(None)

    def is_write(self, call):
        """Whether a noted call may have changed anything."""
        return is_write(tuple(call.argv))

    def recorded_calls(self):
        """All commands since the last time, with their arguments."""
        if self.host is None:
            return []  # In the process of ansible-playbook.
        noted = self.host.log[self._noted :]
        self._noted = len(self.host.log)
        return noted

    # Behind the module's back ---------------------------------------------------------------------------------------

    def medium(self):
        return _MEDIUM

    def all_names(self):
        return [distro.name for distro in self.host.distros.values()]

    def ids(self):
        """{name: id} of the machines in the namespace."""
        return {one.name: one.guid for one in self.host.distros.values() if one.name.startswith(self.prefix)}

    def truth(self, names):
        """How machines really stand: {name: {power, id, stored, running ...}}; absent ones are None."""
        found = {one.name: reading.vm_state(self.host, one) for one in self.host.distros.values()}
        return {name: found.get(name) for name in names}

    def settings(self, machine, which="stored"):
        """A machine's settings in the vocabulary's words; ``machine`` is from ``truth``."""
        return json.loads(machine[which])

    def base_of(self, name):
        return self.host.find(name).base

    def disk_of(self, name):
        return self.host.find(name).disk

    def disks_of(self, machine):
        return machine["disks"]

    def files(self):
        return sorted(path for path in self.host.files.contents if path != _MEDIUM.lower())

    def contents(self):
        """{disk: what is on it}."""
        return {distro.disk: repr(sorted(distro.files.items())) for distro in self.host.distros.values()}

    def write(self, name, byte, slot="disk0"):
        self.host.find(name).files["/root/data"] = bytes([byte])

    def holds(self, machine, byte, slot="disk0"):
        return self.host.distros[machine["id"]].files.get("/root/data") == bytes([byte])

    def identities(self, machine):
        """All that no two machines may share."""
        return {machine["id"], *machine["disks"].values()}

    def backing_files(self, machine):
        return set()

    def seeds_of(self, machine):
        return []

    # Bringing machines about -----------------------------------------------------------------------------------------

    def clean(self):
        self._make_host()

    def bring(self, names, obeying=()):
        """Make machines and bring each into a power: ``names`` is {name: power}."""
        for name, power in names.items():
            if power != ABSENT:
                self.define(name)
                self.move(name, power)

    def define(self, name):
        """A distribution that somebody else has registered."""
        self.host.add(name)

    def move(self, name, power):
        """Bring a machine into ``power``; one that runs has an open shell."""
        distro = self.host.find(name)
        if power == RUNNING and not distro.running:
            distro.start()
            distro.clients += 1
        elif power == STOPPED:
            self.host.stop(distro)

    def handle(self, name):
        """A word by which WSL knows this machine, though it is another one's name."""
        return self.ids()[name].strip("{}")

    def define_as(self, word):
        self.define(word)

    def remove_by_name(self, name):
        """It goes with all others when the next test begins."""

    def secret_options(self, secret):
        return {}

    # What only this platform has -------------------------------------------------------------------------------------

    def own_refusals(self, known, new):
        return own.refusals(self, known, new)

    def own_settings(self):
        return own.settings()
