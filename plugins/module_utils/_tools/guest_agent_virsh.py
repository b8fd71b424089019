# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest agent of a libvirt VM, through ``virsh qemu-agent-command``.

One virsh process executes all requests, which it reads from standard input, because they contain passwords and files.
"""

from __future__ import annotations

import base64
import json
import os

from .._core.errors import CommandFailed, PolyvirtError, Timeout
from .guest_agent import GuestAgent, NoAnswer, pieces
from .virsh import quoted

#: Bytes per write request. virsh reads its input byte by byte, about 300 KB per second; requests are short, so that a
#: slow one is not taken for one that hangs.
_WRITTEN = 48 * 1024
#: Bytes per read request. libvirt passes on answers of at most 4 MiB, in which the content is base64.
_READ = 1 << 20
_BYTES_IN_A_SECOND = 20_000
#: Readline must neither break lines nor store what it reads in a file.
_ENVIRONMENT = {"TERM": "dumb", "VIRSH_HISTSIZE": "0", "INPUTRC": os.devnull}


class AgentByVirsh(GuestAgent):
    """``dialogue`` is an interactive virsh process, connected to libvirt."""

    most_input = 512 * 1024
    environment = _ENVIRONMENT
    add_channel = (
        "Add it (virsh edit: <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>), and"
        " restart the VM."
    )

    def __init__(self, vm, clock, timeout, dialogue):
        super().__init__(vm, clock, timeout)
        self._dialogue, self._number, self._mark = dialogue, 0, f"polyvirt-{os.urandom(8).hex()}"

    def close(self):
        self._dialogue.close()

    def commands(self):
        listed = self._ask("guest-info")["supported_commands"]
        return {one["name"]: one["enabled"] for one in listed}

    def start(self, argv, stdin):
        arguments = {"path": argv[0], "arg": argv[1:], "capture-output": True}
        if stdin:
            arguments["input-data"] = _encoded(stdin)
        return self._ask("guest-exec", **arguments)["pid"]

    def status(self, pid):
        return self._ask("guest-exec-status", pid=pid)

    def output(self, data):
        return base64.b64decode(data)

    def write(self, parts, path):
        handle = self._ask("guest-file-open", path=path, mode="w")
        try:
            for piece in pieces(parts, _WRITTEN):
                while piece:
                    done = self._ask("guest-file-write", handle=handle, **{"buf-b64": _encoded(piece)})
                    piece = piece[done["count"] :]
        finally:
            self._ask("guest-file-close", handle=handle)

    def fetch(self, path):
        """The content of a file, as an iterator over bytes."""
        handle = self._ask("guest-file-open", path=path, mode="r")
        try:
            while True:
                read = self._ask("guest-file-read", handle=handle, count=_READ)
                yield base64.b64decode(read["buf-b64"])
                if read["eof"]:
                    break
        finally:
            self._ask("guest-file-close", handle=handle)

    def _ask(self, name, **arguments):
        """The agent's answer to one request. Raises NoAnswer, and PolyvirtError with the agent's error."""
        request = json.dumps({"execute": name, "arguments": arguments} if arguments else {"execute": name})
        words = ["qemu-agent-command", f"--domain={self.vm}", f"--timeout={self.timeout}", f"--cmd={request}"]
        self._number += 1
        # Readline repeats its input on standard output. The mark is quoted in two parts, so that it is not found there.
        mark, mark_in_parts = f"{self._mark}-{self._number};", f"'{self._mark}''-{self._number};'"
        lines = f"{' '.join(map(quoted, words))}\necho --err {mark_in_parts}\necho {mark_in_parts}\n".encode()
        try:
            stdout, stderr = self._dialogue.ask(
                lines, mark.encode(), 2 * self.timeout + 5 + len(lines) // _BYTES_IN_A_SECOND
            )
        except (Timeout, CommandFailed) as error:
            raise NoAnswer(str(error)) from None
        return self._returned(name, stdout, stderr.decode("utf-8", "replace"))

    def _returned(self, name, stdout, stderr):
        for line in stdout.splitlines():
            if line.startswith(b'{"return"'):
                return json.loads(line)["return"]
        reason = " ".join(stderr.replace("error: ", "").split()) or "no answer"
        if name == "guest-info":
            raise NoAnswer(reason)
        if name == "guest-exec-status":
            raise PolyvirtError(
                f"{self.vm}: the result of the command cannot be read: {reason}.",
                "If its output is larger than 3 MB, write it to a file, and fetch the file.",
            )
        raise PolyvirtError(f"{self.vm}: the guest agent failed ({name}): {reason}.")


def _encoded(data):
    return base64.b64encode(data).decode("ascii")
