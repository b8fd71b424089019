# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of a Windows host in this process, because Windows does not run here. Its time passes as modules sleep."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager

from platforms.adapter import Adapter
from platforms.windows.served import served

#: The variable with the address at which modules in other processes reach the host.
SERVED_AT = "POLYVIRT_TEST_WINDOWS"


class WindowsAdapter(Adapter):
    """Platforms add ``new_host``, and the file of their ``medium``."""

    handles_files = False
    other_format = "vhd"

    def __init__(self, prefix="pvc-"):
        super().__init__(prefix)
        self.host = None

    def new_host(self):
        """The double of a host without VMs."""
        raise NotImplementedError

    @property
    def connection(self):
        return {}

    @property
    def clock(self):
        """What a module's sleep advances."""
        return {"url": f"{os.environ[SERVED_AT]}/sleep", "authorization": ""}

    @contextmanager
    def kept(self):
        """The host is served; at the end all is gone."""
        self.clean()
        with served(lambda: self.host.windows) as url:
            os.environ[SERVED_AT] = url
            try:
                yield
            finally:
                del os.environ[SERVED_AT]

    def clean(self):
        self.host = self.new_host()
        self._logged = 0

    def recorded_calls(self):
        """All commands since the last time, with their arguments."""
        if self.host is None:
            return []  # In the process of ansible-playbook.
        calls = self.host.log[self._logged :]
        self._logged = len(self.host.log)
        return calls

    # Reading and changing VMs without modules ------------------------------------------------------------------------

    def settings(self, machine, which="stored"):
        """A VM's settings as values of options; ``machine`` is from ``truth``."""
        return json.loads(machine[which])

    def disks_of(self, machine):
        return machine["disks"]

    def files(self):
        return sorted(path for path in self.host.files.contents if path != self.medium().lower())

    def define_as(self, word):
        self.define(word)

    def remove_by_name(self, name):
        """All VMs are removed when the next test begins."""
