# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serial ports that VirtualBox writes to a file."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox.in_process import driver_of, task


@pytest.fixture(name="console")
def _console(vbox):
    def console(*words):
        task(vbox, "web").succeeded()
        vbox.run("modifyvm", "web", *words)
        driver = driver_of(vbox)
        (vm,) = driver.observe(None, frozenset({"power"})).vms
        return driver.consoles([vm])[0]

    return console


def test_end_of_the_file_is_read(console, tmp_path):
    path = tmp_path / "a & \u00fc.log"
    path.write_bytes(b"booting\n")
    log = console("--uart1", "0x3f8", "4", "--uartmode1", "file", str(path))
    assert (log.file, log.data) == (str(path), b"booting\n")


@pytest.mark.parametrize("mode", [("disconnected",), ("server", "/run/pipe")])
def test_port_without_a_file(console, mode):
    log = console("--uart1", "0x3f8", "4", "--uartmode1", *mode)
    assert (log.file, log.data, log.how) == (None, None, "")
