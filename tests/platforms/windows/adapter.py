# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common part of platforms on a Windows host, which is a double in this process: modules advance its clock."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager

from platforms.adapter import Adapter
from platforms.windows.failures import Failed
from platforms.windows.served import served
from suite.sentinels import CONTENTS
from suite.sentinels import NAME as THEIRS

#: The environment variable with the URL of the host, for modules in other processes.
SERVED_AT = "POLYVIRT_TEST_WINDOWS"
_IMAGES = "C:\\pvc-images"


class WindowsAdapter(Adapter):
    """A platform on a Windows host. Subclasses define ``new_host`` and ``medium``."""

    handles_files = False
    images_by_controller = True
    #: The format in which images are stored.
    stored_format = ""
    other_format = "vhd"

    def __init__(self, prefix="pvc-"):
        super().__init__(prefix)
        self.host = None

    def new_host(self):
        """A new double of a host without VMs."""
        raise NotImplementedError

    @property
    def connection(self):
        return {}

    def put_image(self, path):
        self.host.files.put(path, b"")

    def image_options(self, folder):
        """Options of a VM from an image by name; the controller has its own directory."""
        return {"image_directory": _IMAGES}

    def stored_images(self, folder):
        paths = [path for path in self.host.files.contents if path.startswith(f"{_IMAGES}\\".lower())]
        return [path for path in paths if not path.endswith(".json")]

    def leave_unfinished(self, folder):
        name = f"tests-1-{'0' * 12}.{self.stored_format}.{'0' * 12}.{'0' * 8}.part"
        self.host.files.put(f"{_IMAGES}\\{name}", b"of a killed copy")

    @property
    def clock(self):
        """The address of the host's clock, which a module's sleep advances."""
        return {"url": f"{os.environ[SERVED_AT]}/sleep", "authorization": ""}

    @contextmanager
    def kept(self):
        """A context in which modules in other processes can connect to the host."""
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
        """All commands since the last call of this method, with their arguments."""
        if self.host is None:
            return []  # In the process of ansible-playbook, which has no host.
        calls = self.host.log[self._logged :]
        self._logged = len(self.host.log)
        return calls

    def count_calls(self, run):
        before = self.host.windows.faults.calls
        run()
        return self.host.windows.faults.calls - before

    def fail_call(self, shim, number):
        error = Failed("InvalidOperation,Test", "InvalidOperation", "This call fails in a test.")
        self.host.windows.faults.plan(kind="fail", call=number, error=error)

    def fail_no_call(self, shim):
        self.host.windows.faults.planned.clear()

    # Reading and changing VMs without modules ------------------------------------------------------------------------

    def settings(self, machine, which="stored"):
        """A VM's settings by option name; ``machine`` is from ``truth``."""
        return json.loads(machine[which])

    def disks_of(self, machine):
        return machine["disks"]

    def files(self):
        paths = (path for path in self.host.files.contents if path != self.medium().lower())
        return sorted(path for path in paths if not path.rpartition("\\")[2].startswith(THEIRS))

    def put_sentinels(self):
        self._with_theirs = self.host
        for suffix, content in CONTENTS.items():
            self.host.files.put(f"{self.storage}\\{THEIRS}{suffix}", content)

    def sentinels(self):
        files = self._with_theirs.files.contents
        return {suffix: files.get(f"{self.storage}\\{THEIRS}{suffix}".lower()) for suffix in CONTENTS}

    def define_as(self, word):
        self.define(word)

    def remove_by_name(self, name):
        """Do nothing: the next test begins with a new host."""
