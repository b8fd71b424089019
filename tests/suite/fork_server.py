# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules in forks of one prepared process: ``python fork_server.py SOCKET``, with a pipe on standard input.

A module takes 0.3 s if Python starts for it, and 0.02 s in a fork. Each request gets its own process, which runs the
module's ``main()`` with its own environment, arguments and exit code, and can be killed without effect on others.

Request, one line of JSON: {module, arguments (a file), environment, stdout (a file), stderr (a file), clock}.
``clock`` is null for real time, or {url, authorization} of a double: its simulated time advances when a module sleeps.
forking.py describes the answer.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from collection_path import CHECKOUT, collections_path
from suite import forking
from suite.limits import scaled

#: An environment variable: each step of the task is sent twice.
TWICE = "POLYVIRT_TEST_SEND_TWICE"
#: An environment variable: the URL of a Windows host in Python, for modules that need a connection to one.
WINDOWS = "POLYVIRT_TEST_WINDOWS"
#: An environment variable: the architecture of the host on which the task runs, if it is not the real one.
ARCHITECTURE = "POLYVIRT_TEST_ARCHITECTURE"
#: An environment variable: the time of that host in seconds since 1970, if it is not the real one.
NOW = "POLYVIRT_TEST_NOW"
_COLLECTION = "ansible_collections.polyvirt.core.plugins"
_PLUGINS = CHECKOUT / "plugins"
#: Libraries that modules import only when they use them.
_LIBRARIES = ("ansible.module_utils.basic", "concurrent.futures", "proxmoxer", "requests", "ssl")


def _warm_up():
    """Import everything that modules import."""
    sys.path.insert(0, str(collections_path()))
    for library in _LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(library)
    for folder in ("module_utils", "modules"):
        for path in sorted((_PLUGINS / folder).rglob("*.py")):
            importlib.import_module(".".join((_COLLECTION, *path.relative_to(_PLUGINS).with_suffix("").parts)))


def _drive_clock(url, authorization):
    """Replace the time functions of modules by a double's simulated time."""
    clock = importlib.import_module(f"{_COLLECTION}.module_utils._ports.clock").Clock
    requests = importlib.import_module("requests")
    slept = [0.0]

    def sleep(_self, seconds):
        slept[0] += seconds
        done = requests.post(url, json={"seconds": seconds}, headers={"Authorization": authorization}, verify=False)
        done.raise_for_status()

    clock.sleep, clock.now = sleep, lambda _self: slept[0]


def _connect_windows(url):
    """Redirect calls for a Windows host to one in Python."""
    windows = importlib.import_module(f"{_COLLECTION}.module_utils._ports.windows")
    requests = importlib.import_module("requests")

    def send(text):
        try:
            return requests.post(f"{url}/request", data=text.encode(), timeout=scaled(60)).json()
        except OSError as error:
            raise windows.Lost(str(error)) from error

    def put(local, remote):
        try:
            requests.post(f"{url}/put", data=Path(local).read_bytes(), headers={"Path": remote}, timeout=scaled(60))
        except OSError as error:
            raise windows.Lost(str(error)) from error

    windows._task.windows = windows.Windows(send, reset=lambda: None, put=put)


def _send_twice():
    """Send every step to its driver twice, as after a lost answer."""
    module = importlib.import_module(f"{_COLLECTION}.module_utils._kit.one_by_one")
    module._carry_out = importlib.import_module("suite.sent_twice").twice(module._carry_out)


def _pretend_architecture(name):
    """Have modules read this architecture of their host."""
    importlib.import_module(f"{_COLLECTION}.module_utils._ports.host").architecture = lambda: name


def _set_time(now):
    """Have modules compare the clock of the controller with this time."""
    importlib.import_module(f"{_COLLECTION}.module_utils._engine.task").epoch = lambda: int(now)


def _run_module(request):
    """Run the module in this process, which ends with SystemExit or an exception like a module."""
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.argv = [request["module"], request["arguments"]]
    if os.environ.get(TWICE):
        _send_twice()
    if os.environ.get(WINDOWS):
        _connect_windows(os.environ[WINDOWS])
    if os.environ.get(ARCHITECTURE):
        _pretend_architecture(os.environ[ARCHITECTURE])
    if os.environ.get(NOW):
        _set_time(os.environ[NOW])
    if request["clock"]:
        _drive_clock(**request["clock"])
    importlib.import_module(f"{_COLLECTION}.modules.{request['module']}").main()


def _received(connection):
    return json.loads(connection.makefile(encoding="utf-8").readline())


def main():
    _warm_up()
    request = forking.serve(sys.argv[1], _received)
    if request is not None:
        forking.end_after(lambda: _run_module(request))


if __name__ == "__main__":
    main()
