# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a simulated Windows host with WinRM on loopback in its own process, for scenarios of molecule.

``served_host.py start hyperv|wsl FOLDER`` returns when the host answers. It writes the files ``port`` and ``pid`` to
FOLDER, and ``state.json`` after each request. ``served_host.py stop FOLDER`` ends the process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from platforms.hyperv.double.host import HyperV
from platforms.windows.machine import Machine
from platforms.windows.winrm_server import WinRMServer, through
from platforms.wsl.host_setup import SetupHost

WSLCONFIG = "C:\\Users\\admin\\.wslconfig"


def _state(host):
    """The part of the state that a scenario verifies, read without the collection."""
    if isinstance(host, SetupHost):
        content = host.files.file(WSLCONFIG) or b""
        return {"features": host.features, "version": host.flavour, "config": content.decode("latin-1")}
    return {
        "features": host.features.states,
        "switches": [[one.name, one.type, one.adapter] for one in host.switches],
        "addresses": [f"{one.alias} {one.address}/{one.prefix}" for one in host.host_addresses],
        "nats": [[name, about["InternalIPInterfaceAddressPrefix"]] for name, about in host.nats],
        "disk_path": host.settings["VirtualHardDiskPath"],
    }


class _Recorded:
    """A Machine that writes its state to a file after each request."""

    def __init__(self, machine, folder):
        self._machine, self._file, self._lock = machine, folder / "state.json", threading.Lock()

    def answer(self, text):
        with self._lock:
            try:
                return self._machine.answer(text)
            finally:
                state = {**_state(self._machine.host), "restarts": self._machine.restarts}
                self._file.write_text(json.dumps(state), encoding="utf-8")


def _serve(kind, folder):
    host = HyperV(enabled=False) if kind == "hyperv" else SetupHost()
    # Only requests advance its clock, so each takes long enough that a restart needs few of them.
    machine = Machine(host, request=20.0, down=30.0)
    with WinRMServer(through(_Recorded(machine, folder))) as server:
        (folder / "pid").write_text(str(os.getpid()), encoding="utf-8")
        (folder / "port").write_text(str(server.port), encoding="utf-8")
        print(server.port, flush=True)
        signal.sigwait({signal.SIGTERM})


def _start(kind, folder):
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, __file__, "serve", kind, str(folder)]
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    # The process prints the port, or nothing if it could not start.
    return 0 if process.stdout.readline().strip() else 1


def _stop(folder):
    if (folder / "pid").exists():
        try:
            os.kill(int((folder / "pid").read_text(encoding="utf-8")), signal.SIGTERM)
        except ProcessLookupError:
            pass
        (folder / "pid").unlink()
    return 0


if __name__ == "__main__":
    action, *given = sys.argv[1:]
    if action == "serve":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        _serve(given[0], Path(given[1]))
    else:
        sys.exit(_start(given[0], Path(given[1])) if action == "start" else _stop(Path(given[0])))
