# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both libvirt platforms share: plain ``virsh`` behind the module's back, and which of its words write.

Nothing of the code under test is used here but the driver's traits, which say what the platform is expected to refuse.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)

IMAGES = Path(os.environ.get("POLYVIRT_TEST_IMAGES", "/var/lib/libvirt/images"))
#: Only machines whose names begin so are ever touched.
PREFIX = "pvc-"
#: Words of virsh and qemu-img that read; every other word is taken for a write.
READS = {
    "virsh": {
        "version", "list", "domstate", "dominfo", "dumpxml", "domblkinfo", "domifaddr", "snapshot-list", "net-list",
        "capabilities", "managedsave-dumpxml", "echo",
    },
    "qemu-img": {"info", "compare"},
}  # fmt: skip
_COMMAND_OF_BATCH = re.compile(r"(?:^|; )([a-z][a-z-]*)")
_QUOTED = re.compile(r"'[^']*'")


class Libvirt:
    """A sandboxed part of one libvirt: machines named PREFIX..., files in a folder of their own."""

    module = "polyvirt.core.virsh_vm"
    commands = ("virsh", "qemu-img", "xorriso")
    uri = ""
    #: Powers a test can bring a machine into.
    finds = (ABSENT, STOPPED, RUNNING, PAUSED)
    #: What a new machine of this platform needs, and what one is made from.
    creation: dict = {}

    @property
    def storage(self):
        return IMAGES / f"pvc-{self.name}"

    @property
    def connection(self):
        return {"uri": self.uri, "storage_path": str(self.storage)}

    def traits(self):
        return make_driver({**self.connection, "executable": "virsh"}).traits()

    def is_write(self, call):
        """Whether a noted call may have changed anything."""
        command, *words = call.argv
        if command == "virsh":
            words = words[words.index("-c") + 2 :]
            words = _COMMAND_OF_BATCH.findall(_QUOTED.sub("''", words[0])) if len(words) == 1 else words[:1]
            return not set(words) <= READS["virsh"]
        return words[0] not in READS.get(command, ())

    # Behind the module's back ---------------------------------------------------------------------------------------

    def virsh(self, *words, stdin=None, check=True):
        """What plain virsh prints."""
        command = ["virsh", "-q", "-c", self.uri, *words]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"}
        )
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def ids(self):
        """{name: UUID} of the machines in the sandbox."""
        rows = [line.split(" ", 1) for line in self.virsh("list", "--all", "--uuid", "--name").split("\n") if line]
        return {name: uuid for uuid, name in rows if name.startswith(PREFIX)}

    def truth(self, names):
        """How machines really stand: {name: {power, id, stored, running, autostart}}; absent ones are None."""
        ids = self.ids()
        return {name: self._truth_of(ids[name]) if name in ids else None for name in names}

    def _truth_of(self, uuid):
        info = self.virsh("dominfo", uuid)
        state = self.virsh("domstate", uuid).strip()
        saved = re.search(r"^Managed save: +yes", info, re.M) is not None
        power = {"shut off": STOPPED, "running": RUNNING, "paused": PAUSED, "crashed": "failed"}.get(state, state)
        return {
            "id": uuid,
            "power": SUSPENDED if saved and power == STOPPED else power,
            "stored": self.virsh("dumpxml", uuid, "--inactive", "--security-info"),
            "running": self.virsh("dumpxml", uuid) if power in (RUNNING, PAUSED) else None,
            "autostart": re.search(r"^Autostart: +enable", info, re.M) is not None,
        }

    def files(self):
        """Names of all files in the sandbox's folder, but consoles, which the hypervisor writes."""
        return sorted(file.name for file in self.storage.iterdir() if not file.name.endswith(".console"))

    def clean(self):
        """No machine and no file of the sandbox is left."""
        for uuid in self.ids().values():
            self.virsh("destroy", uuid, check=False)
            self.virsh("managedsave-remove", uuid, check=False)
            self.virsh("undefine", uuid)
        shutil.rmtree(self.storage, ignore_errors=True)
        self.storage.mkdir()
        # The hypervisor's own user must reach what lies below, and nobody needs to list it.
        self.storage.chmod(0o711)

    def bring(self, names, ready=False):
        """Make machines and bring each into a power: ``names`` is {name: power}. ``ready``: guests hear the button."""
        for name, power in names.items():
            if power != ABSENT:
                self.define(name)
        on = {name: power for name, power in names.items() if power not in (ABSENT, STOPPED)}
        for name in on:
            self.virsh("start", name)
        if ready:
            self.wait_until_ready(on)
        for name, power in on.items():
            self.move(name, power)

    def define(self, name):
        raise NotImplementedError

    def wait_until_ready(self, names):
        """Wait until the guests obey the power button; without guests there is nothing to wait for."""

    def move(self, name, power):
        """Bring a running machine into ``power``."""
        if power == PAUSED:
            self.virsh("suspend", name)


def wait_until(happened, what, seconds=60):
    """Look until ``happened()`` is true."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)
