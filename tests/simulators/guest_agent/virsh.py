# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""virsh with one domain, ``web1``; its guest agent runs commands on this host.

Like the real virsh, it prints its input after a prompt, passes on at most 4 MiB of an answer, and stores its input in a
history file unless VIRSH_HISTSIZE is 0. POLYVIRT_TEST_AGENT is the directory of its log and its settings.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "extensions"))

from simulators.guest_agent.agent import Agent
from simulators.proxmox.errors import AgentError

_LARGEST_ANSWER = 4 * 1024 * 1024
#: Used instead of shlex, which takes a second for a request with a file.
_WORD = re.compile(r"(?:[^\s'\\]|'[^']*'|\\.)+")
_PART = re.compile(r"'([^']*)'|\\(.)|([^'\\]+)")
_NOT_CONNECTED = "Guest agent is not responding: QEMU guest agent is not connected"


def _unquoted(word):
    return "".join("".join(parts) for parts in _PART.findall(word))


class Virsh:
    """One process of virsh, with the settings of a test."""

    def __init__(self, folder):
        self._folder = folder
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        self._agent, self._trouble = Agent(settings.get("disabled", ())), settings.get("trouble")

    def run(self):
        history = Path(os.environ.get("XDG_CACHE_HOME", self._folder / "cache"), "history")
        while True:
            print("virsh # ", end="", flush=True)
            line = sys.stdin.readline()
            if not line:
                break
            if os.environ.get("VIRSH_HISTSIZE") != "0":
                with history.open("a", encoding="utf-8") as file:
                    file.write(line)
            print(line[:60].rstrip("\n"), flush=True)
            self._carry_out([_unquoted(word) for word in _WORD.findall(line)])

    def _carry_out(self, words):
        if words[0] == "echo":
            text = " ".join(word for word in words[1:] if word != "--err")
            print(text, end="\n" if "--err" in words else "", file=sys.stderr if "--err" in words else sys.stdout)
            sys.stderr.flush()
            return
        options = dict(word.removeprefix("--").split("=", 1) for word in words[1:])
        try:
            print(self._answer(options))
        except AgentError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)

    def _answer(self, options):
        if options["domain"] != "web1":
            raise AgentError(f"failed to get domain '{options['domain']}'")
        if self._trouble == "hangs":
            time.sleep(600)
        if self._trouble == "not connected" or self._is_starting():
            raise AgentError(_NOT_CONNECTED)
        request = json.loads(options["cmd"])
        with (self._folder / "asked").open("a", encoding="utf-8") as log:
            log.write(f"{request['execute']}\n")
        try:
            answer = json.dumps({"return": self._agent.ask(request)}, separators=(",", ":"))
        except AgentError as error:
            text = f"internal error: unable to execute QEMU agent command '{request['execute']}': {error}"
            raise AgentError(text) from None
        if len(answer) > _LARGEST_ANSWER:
            raise AgentError("Unable to encode message payload")
        return answer

    def _is_starting(self):
        """An agent that answers only from the third request on."""
        if self._trouble != "starting":
            return False
        counter = self._folder / "tries"
        tries = int(counter.read_text(encoding="utf-8")) if counter.exists() else 0
        counter.write_text(str(tries + 1), encoding="utf-8")
        return tries < 2


if __name__ == "__main__":
    with Path(os.environ["POLYVIRT_TEST_AGENT"], "argv").open("a", encoding="utf-8") as arguments:
        arguments.write(f"{shlex.join(sys.argv[1:])}\n")
    Virsh(Path(os.environ["POLYVIRT_TEST_AGENT"])).run()
