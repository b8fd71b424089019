# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that change definitions of networks wait for each other; a task that waits too long fails."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._tools import definition_lock as defined_lock


class _Clock:
    """Time passes by sleeping only; the other task ends its block after ``ends`` seconds."""

    def __init__(self, other=None, ends=0):
        self.time, self._other, self._ends = 0, other, ends

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds
        if self._other is not None and self.time >= self._ends:
            self._other.__exit__(None, None, None)
            self._other = None


def test_a_task_waits_for_another_one(tmp_path, monkeypatch):
    monkeypatch.setattr(defined_lock, "_RUN_FOLDER", str(tmp_path))
    other = files.held(str(tmp_path))
    assert other.__enter__()
    clock = _Clock(other, ends=2)
    with defined_lock.alone(clock):
        assert 2 <= clock.now() <= 2.1
        with files.held(str(tmp_path)) as is_free:
            assert not is_free


def test_a_task_fails_if_another_one_does_not_end(tmp_path, monkeypatch):
    """It never goes on without the lock: the other task would lose its change."""
    monkeypatch.setattr(defined_lock, "_RUN_FOLDER", str(tmp_path))
    other = files.held(str(tmp_path))
    assert other.__enter__()
    message = "Another task is changing networks or storage pools"
    with pytest.raises(Refused, match=message), defined_lock.alone(_Clock(other, ends=1000)):
        raise AssertionError("the block was carried out")


def test_without_libvirt_on_this_host_there_is_no_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(defined_lock, "_RUN_FOLDER", str(tmp_path / "none"))
    with defined_lock.alone(_Clock()), defined_lock.alone(_Clock()):
        pass
