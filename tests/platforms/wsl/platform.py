# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: a double of a Windows host, because Windows does not run here. Its clock advances when modules sleep."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.traits import wsl_traits

from platforms.windows.adapter import WindowsAdapter
from platforms.wsl import own, reading
from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.double.host import Knobs, WslHost, is_write

_TARBALL, _MEDIUM = "C:\\images\\base.tar", "C:\\images\\medium.iso"
#: The idle timeout in seconds: distributions of tests never stop because they are unused.
_FOREVER = 1e9


class Platform(WindowsAdapter):
    """A host with WSL 2.6.3, in this process."""

    name = "wsl"
    _own = own
    family = "polyvirt.core.wsl"
    word = "distro"
    finds = (ABSENT, STOPPED, RUNNING)
    disk_size = "1T"
    creation: ClassVar = {"image": {"source": _TARBALL}}
    #: A medium of the catalogue from which WSL itself creates a VM. The double's Debian reports version 12.
    own_medium: ClassVar = {
        "type": "wsl",
        "architecture": "amd64",
        "image": {"format": "online", "online_name": "Debian", "version_stated": False},
    }
    #: Options with their own tests: a value that only one distribution can have, or that the other settings exclude.
    unusable: ClassVar = frozenset({"version", "default", "install_location", "sparse", "export"})
    slots = ("disk0", "disk1")
    consent: ClassVar = {"allow_restart": True, "stop_mode": "force"}
    stored_format, image_firmware, links_images = "wsl", None, False
    #: The online list; and processor, directory and free space in one request.
    calls_to_find_an_image = 4
    has_snapshots = False
    grown_size, changed_by_clones = "3T", ("disks",)
    native_values = (({"network.hostname": "one"}, "one"), ({"network.hostname": "two # three"}, "two # three"))

    @contextmanager
    def hurried(self):
        """A context in which nothing takes time on the host, for modules that sleep without advancing its clock."""
        knobs = self.host.knobs
        self.host.knobs = replace(knobs, seconds=dict.fromkeys(knobs.seconds, 0.0))
        try:
            yield
        finally:
            self.host.knobs = knobs

    def whole_vm_tasks(self):
        return {"exported": {"export": "C:\\images\\backup.tar"}}

    def options(self, about):
        """WSL deletes the disks of a distribution with it, also of those that ``bring`` registers."""
        return {**self.connection, **({"delete_disks": "all"} if about == "vm" else {})}

    @property
    def storage(self):
        return "C:\\WSL"

    def published_archive(self):
        return packed(FILES)

    def offer(self, name):
        """The online list has the name of a distribution, and this version of it."""
        distribution, _dash, version = name.rpartition("-")
        about = f"ID={distribution}\nVERSION_ID={version}\n"
        self.host.online[distribution.title()] = {**FILES, "/etc/os-release": about.encode()}

    def new_host(self):
        host = WslHost(knobs=Knobs(idle_seconds=_FOREVER))
        host.files.put(_TARBALL, packed(FILES))
        host.files.put(_MEDIUM, b"iso")
        return host

    def traits(self):
        return wsl_traits(None)

    def is_write(self, call):
        """Whether a recorded call may have changed anything."""
        return is_write(tuple(call.argv))

    # Reading and changing VMs without modules ------------------------------------------------------------------------

    def medium(self):
        return _MEDIUM

    def all_names(self):
        return [distro.name for distro in self.host.distros.values()]

    def ids(self):
        """{name: id} of the VMs of this test."""
        return {one.name: one.guid for one in self.host.distros.values() if one.name.startswith(self.prefix)}

    def truth(self, names):
        """The actual state: {name: {power, id, stored, running ...}}; absent VMs are None."""
        found = {one.name: reading.vm_state(self.host, one) for one in self.host.distros.values()}
        return {name: found.get(name) for name in names}

    def base_of(self, name):
        return self.host.find(name).base

    def disk_of(self, name):
        return self.host.find(name).disk

    def contents(self):
        """{disk: its files} of all distributions."""
        return {distro.disk: repr(sorted(distro.files.items())) for distro in self.host.distros.values()}

    def write(self, name, byte, slot="disk0"):
        self.host.find(name).files["/root/data"] = bytes([byte])

    def holds(self, machine, byte, slot="disk0"):
        return self.host.distros[machine["id"]].files.get("/root/data") == bytes([byte])

    def identities(self, machine):
        """Values that no two VMs may share: id and disks."""
        return {machine["id"], *machine["disks"].values()}

    def backing_files(self, machine):
        return set()

    def seeds_of(self, machine):
        return []

    # Creating VMs, and changing their power, without modules ---------------------------------------------------------

    def bring(self, names, obeying=()):
        """Create distributions: ``names`` is {name: power state}."""
        for name, power in names.items():
            if power != ABSENT:
                self.define(name)
                self.move(name, power)

    def define(self, name):
        """Register a distribution without a module."""
        self.host.add(name)

    def move(self, name, power):
        """Change a distribution to the state ``power``; a running one has an open shell."""
        distro = self.host.find(name)
        if power == RUNNING and not distro.running:
            distro.start()
            distro.clients += 1
        elif power == STOPPED:
            self.host.stop(distro)

    def handle(self, name):
        """The id without braces, to be used as the name of another distribution."""
        return self.ids()[name].strip("{}")

    def secret_options(self, secret):
        return {}
