# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small virsh, which shows and changes the VMs of the double's provider libvirt: what the driver uses of it."""

from __future__ import annotations

import os
import shlex
import sys
import uuid
import xml.etree.ElementTree as ET

from .registry import Registry

_STATES = {"shutoff": "shut off", "running": "running", "paused": "paused"}


class Failed(Exception):
    """A command failed with this text."""


class Virsh:
    """``registry`` has the VMs; all volumes are in one pool."""

    def __init__(self, registry):
        self._registry = registry
        self.pool = os.path.join(registry.folder, "pool")

    def __call__(self, argv, stdin=None):
        """(exit code, standard output, standard error) of a command line, or of a batch."""
        words = argv[argv.index("-c") + 2 :]
        if len(words) > 1:
            return self._one(words, stdin)
        out, err = "", ""
        for text in words[0].split("; "):
            _rc, more, errors = self._one(shlex.split(text), stdin)
            out, err = out + more, err + errors
        return 0, out, err

    def _one(self, words, stdin):
        if words[0] == "echo":
            return (0, "", f"{words[-1]}\n") if "--err" in words else (0, words[-1], "")
        command, *rest = words
        try:
            plain = [word for word in rest if not word.startswith("--")]
            return 0, getattr(self, f"_{command.replace('-', '_')}")(plain, rest, stdin), ""
        except Failed as failed:
            return 1, "", f"error: {failed}\n"

    def _machine(self, identifier):
        found = self._registry.read()["machines"]
        machine = found.get(identifier) or next((one for one in found.values() if one["name"] == identifier), None)
        if machine is None or "disks" not in machine:
            raise Failed(f"failed to get domain '{identifier}'")
        return machine

    def _change(self, identifier, **values):
        self._machine(identifier)
        with self._registry.open() as state:
            state["machines"][identifier].update(values)
        return ""

    def _list(self, _plain, flags, _stdin):
        if "--with-managed-save" in flags:
            return ""
        found = {key: one for key, one in self._registry.read()["machines"].items() if "disks" in one}
        if "--with-checkpoint" in flags:
            found = {key: one for key, one in found.items() if one.get("checkpoints")}
        lines = [one["name"] if "--name" in flags else identifier for identifier, one in found.items()]
        return "".join(f"{line}\n" for line in lines)

    def _domstate(self, plain, flags, _stdin):
        machine = self._machine(plain[0])
        reason = f" ({machine['reason']})" if "--reason" in flags else ""
        return f"{_STATES[machine['state']]}{reason}\n"

    def _dominfo(self, plain, _flags, _stdin):
        machine = self._machine(plain[0])
        size = {"cpus": 1, "memory": 128, **machine.get("size", {})}
        memory = f"Max memory:     {size['memory'] << 10} KiB\n"
        return f"Name:           {machine['name']}\nCPU(s):         {size['cpus']}\n{memory}"

    def _domifaddr(self, plain, _flags, _stdin):
        machine = self._machine(plain[0])
        if machine["state"] != "running" or not machine["nics"]:
            return ""
        return f" vnet0      52:54:00:80:72:a6    ipv4         {machine['address']}/24\n"

    def _domiflist(self, plain, _flags, _stdin):
        return "".join(
            " -  network  vagrant-libvirt  virtio  52:54:00:80:72:a6\n"
            for _nic in range(self._machine(plain[0])["nics"])
        )

    def _domblkinfo(self, plain, _flags, _stdin):
        sizes = [(one["target"], os.path.getsize(one["path"])) for one in self._machine(plain[0])["disks"]]
        return "".join(f" {target}      1073741824   {size}   {size}\n" for target, size in sizes)

    def _dumpxml(self, plain, _flags, _stdin):
        return self._xml(self._machine(plain[0]))

    def _xml(self, machine):
        disks = "".join(
            f"<disk type='file' device='{one['device']}'><source file='{one['path']}'/><target dev='{one['target']}'/>"
            + (f"<alias name='{one['alias']}'/></disk>" if one.get("alias") else "</disk>")
            for one in machine["disks"]
        )
        return f"<domain><name>{machine['name']}</name><devices>{disks}</devices></domain>\n"

    def _define(self, _plain, _flags, stdin):
        root = ET.fromstring(stdin)
        found = self._registry.read()["machines"]
        identifier = next(
            (key for key, one in found.items() if one["name"] == root.findtext("name")), str(uuid.uuid4())
        )
        disks = [
            {
                "path": one.find("source").get("file"),
                "target": one.find("target").get("dev"),
                "device": one.get("device"),
                "alias": next((alias.get("name") for alias in one.iterfind("alias")), ""),
            }
            for one in root.iterfind("devices/disk")
        ]
        new = {"name": root.findtext("name"), "state": "shutoff", "reason": "unknown", "nics": 1, "snapshots": [],
               "external": [], "address": ""}  # fmt: skip
        with self._registry.open() as state:
            state["machines"][identifier] = {**new, **found.get(identifier, {}), "disks": disks}
        return ""

    def _detach_disk(self, plain, _flags, _stdin):
        machine = self._machine(plain[0])
        left = [one for one in machine["disks"] if one["target"] != plain[1]]
        if len(left) == len(machine["disks"]):
            raise Failed(f"No disk found whose source path or target is {plain[1]}")
        return self._change(plain[0], disks=left)

    def _destroy(self, plain, _flags, _stdin):
        return self._change(plain[0], state="shutoff", reason="destroyed")

    _shutdown = _destroy

    def _snapshot_list(self, plain, _flags, _stdin):
        machine = self._machine(plain[0])
        return "".join(f"{name}\n" for name in [*(one[0] for one in machine["snapshots"]), *machine["external"]])

    def _snapshot_current(self, plain, _flags, _stdin):
        raise Failed("domain has no current snapshot")

    def _snapshot_dumpxml(self, plain, _flags, _stdin):
        machine, name = self._machine(plain[0]), plain[1]
        kind = "external" if name in machine["external"] else "internal"
        disks = f"<disks><disk name='vda' snapshot='{kind}'/></disks>"
        definition = self._xml({**machine, "disks": machine.get("disks_of", {}).get(name, machine["disks"])})
        return f"<domainsnapshot><name>{name}</name><state>shutoff</state>{disks}{definition}</domainsnapshot>\n"

    def _pool_list(self, _plain, _flags, _stdin):
        return "default\n"

    def _vol_list(self, _plain, _flags, _stdin):
        names = sorted(os.listdir(self.pool)) if os.path.isdir(self.pool) else []
        return "".join(f" {name}   {os.path.join(self.pool, name)}\n" for name in names)

    def _vol_delete(self, plain, _flags, _stdin):
        if os.path.dirname(plain[0]) != self.pool:
            raise Failed("Storage volume not found: no storage vol with matching path")
        os.unlink(plain[0])
        return ""


def main(folder, *words):
    """Run it as a program: ``python -m platforms.vagrant.double.virsh FOLDER WORD…``."""
    stdin = sys.stdin.read() if "/dev/stdin" in words else None
    code, out, err = Virsh(Registry(folder))(["virsh", *words], stdin)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
