# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host behind an inventory source, for playbooks that read the sources themselves."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager

from platforms.windows.winrm_server import WinRMServer, through


def set_clock(windows):
    """Set the clock of a double, which stands still; modules compare that of the host with the controller's."""
    windows.about["now"] = time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z", time.gmtime())


@contextmanager
def host_of(platform):
    """The variables of the connection to the platform's host."""
    windows = getattr(getattr(platform, "host", None), "windows", None)
    if windows is None:
        yield {"ansible_connection": "local"}
        return
    set_clock(windows)
    with WinRMServer(through(windows)) as server:
        yield dict(server.variables)


def write_sources(folder, source, host, **keys):
    """Write an inventory: the host ``hypervisor`` with its variables, and a file with one source."""
    folder.mkdir()
    inventory = {"all": {"hosts": {"hypervisor": host}}}
    (folder / "1-hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
    sources = {"plugin": "polyvirt.core.vms", "sources": [{**source, "host": "hypervisor"}], **keys}
    (folder / "2.polyvirt.yml").write_text(json.dumps(sources), encoding="utf-8")
