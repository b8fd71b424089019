# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest agent of a VM of Proxmox VE, by the API.

Sources: the API viewer of Proxmox VE (/nodes/{node}/qemu/{vmid}/agent), and PVE/API2/Qemu/Agent.pm of qemu-server.
"""

from __future__ import annotations

import base64
import itertools
import shlex

from .._lifecycle.errors import ApiError, PolyvirtError, Refused
from .guest_agent import GuestAgent, NoAnswer, pieces

#: A call writes at most 61,440 characters, which are base64 here.
_WRITTEN = 45_000
#: Files that are written before they are joined: a command line has room for these.
_AT_ONCE = 200
#: A read returns this much; the API answers with at most 16 MiB, in which a byte takes up to six.
_READ = 1 << 20


def path_of(tool, vm):
    """The path of the agent of the running VM with this name or ID, from one call. Raises NoAnswer and Refused.

    The list is up to about ten seconds old, so a VM that it lacks may exist.
    """
    listed = [one for one in tool.get("/cluster/resources", type="vm") if one.get("type") == "qemu"]
    meant = [one for one in listed if str(one["vmid"]) == vm] or [one for one in listed if one.get("name") == vm]
    if not meant:
        raise NoAnswer("there is no VM with this name or ID.")
    if len(meant) > 1:
        ids = ", ".join(sorted(str(one["vmid"]) for one in meant))
        raise Refused(f"{vm}: several VMs have this name.", f"Set one of these IDs in the option vm: {ids}.")
    if meant[0].get("status") != "running":
        raise NoAnswer(f"the VM is {meant[0].get('status', 'unknown')}.")
    return f"/nodes/{meant[0]['node']}/qemu/{meant[0]['vmid']}/agent"


class AgentByApi(GuestAgent):
    """``tool`` makes the calls."""

    most_input = 65_536

    def __init__(self, vm, clock, timeout, tool):
        super().__init__(str(vm), clock, timeout)
        self._tool, self._path = tool, None

    def close(self):
        """Each call is on its own."""

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
        # Bytes that are no text would have to survive the encoding of a form.
        return super().takes(stdin) and stdin.isascii()

    def start(self, argv, stdin):
        more = {"input-data": stdin.decode("ascii")} if stdin else {}
        return self._tool.post(f"{self._path}/exec", command=argv, **more)["pid"]

    def status(self, pid):
        return self._tool.get(f"{self._path}/exec-status", pid=pid)

    def output(self, data):
        """The API returns each byte as the character of this number."""
        try:
            return data.encode("latin-1")
        except UnicodeEncodeError:
            return data.encode("utf-8")

    def write(self, parts, path):
        """A call replaces a whole file, so what follows the first part is written beside it, and appended."""
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
        """The content of a file, as an iterator over bytes: a command reads any part, a call of the API only 16 MiB."""
        for number in itertools.count():
            # Reading from standard input names the file in the error of the shell.
            read = self.run(f"exec < {shlex.quote(path)} && dd bs={_READ} skip={number} count=1")
            if read.rc:
                said = " ".join(read.stderr.decode("utf-8", "replace").split())
                raise PolyvirtError(f"{self.vm}: {path} cannot be read: {said}.")
            yield read.stdout
            if len(read.stdout) < _READ:
                break
