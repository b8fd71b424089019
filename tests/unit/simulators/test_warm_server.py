# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server for the executables of doubles answers until the tests end."""

from __future__ import annotations

import multiprocessing
import subprocess

import pytest

from platforms import warm


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_server_outlives_a_process_that_multiprocessing_forks(tmp_path):
    executable = tmp_path / "vmctl"
    executable.write_text(warm.script("platforms.vmm.double.commands"), encoding="utf-8")
    executable.chmod(0o700)
    forked = multiprocessing.get_context("fork").Process(target=int)
    forked.start()
    forked.join()
    done = subprocess.run([executable], capture_output=True, text=True, check=False)
    assert "FileNotFoundError" not in done.stderr
