# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest agent of a Proxmox VE VM, through the API.

Sources: the API viewer of Proxmox VE (/nodes/{node}/qemu/{vmid}/agent), and PVE/API2/Qemu/Agent.pm of qemu-server.
"""

from __future__ import annotations

import base64
import itertools
import shlex

from .._core.errors import ApiError, PolyvirtError, Refused
from .guest_agent import GuestAgent, NoAnswer, pieces

#: Bytes that a call writes: it accepts at most 61,440 characters of base64.
_WRITTEN = 45_000
#: The number of files that are appended with one command, which is limited by the length of a command line.
_AT_ONCE = 200
#: Bytes that a call reads; an answer of the API has at most 16 MiB, in which a byte takes up to six.
_READ = 1 << 20


def path_of(tool, vm):
    """The path of the agent of the running VM with this name or ID, from one call. Raises NoAnswer and Refused.

    The list is up to about ten seconds old, so a VM that it lacks may exist.
    """
    listed = [one for one in tool.get("/cluster/resources", type="vm") if one.get("type") == "qemu"]
    matches = [one for one in listed if str(one["vmid"]) == vm] or [one for one in listed if one.get("name") == vm]
    if not matches:
        raise NoAnswer("there is no VM with this name or ID.")
    if len(matches) > 1:
        ids = ", ".join(sorted(str(one["vmid"]) for one in matches))
        raise Refused(f"{vm}: several VMs have this name.", f"Set one of these IDs in the option vm: {ids}.")
    if matches[0].get("status") != "running":
        raise NoAnswer(f"the VM is {matches[0].get('status', 'unknown')}.")
    return f"/nodes/{matches[0]['node']}/qemu/{matches[0]['vmid']}/agent"


class AgentByApi(GuestAgent):
    """``tool`` is a Proxmox (proxmox.py), which makes the calls; ``path`` that of the agent, if it is known."""

    most_input = 65_536
    add_channel = 'Set native: {agent: "1"}; a VM that runs must be restarted.'

    def __init__(self, vm, clock, timeout, tool, path=None):
        super().__init__(str(vm), clock, timeout)
        self._tool, self._path = tool, path

    def close(self):
        """Nothing to close: each API call is independent."""

    def commands(self):
        try:
            self._path = self._path or path_of(self._tool, self.vm)
            result = self._tool.get(f"{self._path}/info")["result"]
        except ApiError as error:
            raise NoAnswer(error.message) from None
        if "error" in result:
            raise NoAnswer(result["error"].get("desc", "no reason given"))
        return {one["name"]: one["enabled"] for one in result["supported_commands"]}

    def takes(self, stdin):
        # Other bytes might be changed by the form encoding of the request.
        return super().takes(stdin) and stdin.isascii()

    def start(self, argv, stdin):
        more = {"input-data": stdin.decode("ascii")} if stdin else {}
        return self._tool.post(f"{self._path}/exec", command=argv, **more)["pid"]

    def status(self, pid):
        return self._tool.get(f"{self._path}/exec-status", pid=pid)

    def output(self, data):
        """The API returns each byte as the character with this code."""
        try:
            return data.encode("latin-1")
        except UnicodeEncodeError:
            return data.encode("utf-8")

    def write(self, parts, path):
        """Write a file in chunks. A call replaces a whole file, so later chunks are written to other files first."""
        chunks = pieces(parts, _WRITTEN)
        for chunk in itertools.islice(chunks, 1):
            self._replace(path, chunk)
        while True:
            several = list(itertools.islice(chunks, _AT_ONCE))
            if not several:
                break
            self._append(path, several)

    def _append(self, path, several):
        names = [f"{path}.{number}" for number in range(len(several))]
        listed = " ".join(map(shlex.quote, names))
        self._checked(self.run(f'umask 077 && for f in {listed}; do : > "$f" || exit; done'), path)
        try:
            for name, chunk in zip(names, several):
                self._replace(name, chunk)
            self._checked(self.run(f"cat -- {listed} >> {shlex.quote(path)}"), path)
        finally:
            self.run(f"rm -f -- {listed}")

    def _replace(self, path, content):
        encoded = base64.b64encode(content).decode("ascii")
        self._tool.post(f"{self._path}/file-write", file=path, content=encoded, encode=False)

    def fetch(self, path):
        """The content of a file, as an iterator over bytes. It is read by dd, because the API reads at most 16 MiB."""
        for number in itertools.count():
            # With a redirection, the shell's error contains the name of the file.
            read = self.run(f"exec < {shlex.quote(path)} && dd bs={_READ} skip={number} count=1")
            if read.rc:
                reason = " ".join(read.stderr.decode("utf-8", "replace").split())
                raise PolyvirtError(f"{self.vm}: {path} cannot be read: {reason}.")
            yield read.stdout
            if len(read.stdout) < _READ:
                break
