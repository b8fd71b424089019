# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the suite: one platform at a time, empty before and after, and the way to run tasks on it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import pytest

from host_state import host_state, left_behind
from platforms import PLATFORMS
from suite.carry import carry as carry_tasks
from suite.carry import carry_one
from suite.shim import Shim
from suite.ssh import Key

COMMANDS = sorted({command for platform in PLATFORMS.values() for command in platform.commands})


@pytest.fixture(scope="session", params=PLATFORMS)
def platform(request):
    """Every platform in turn."""
    with _prepared(PLATFORMS[request.param]()) as ready:
        yield ready


@pytest.fixture(scope="session")
def qemu():
    """The one platform with real guests, for what only a guest can show."""
    with _prepared(PLATFORMS["libvirt_qemu"](prefix="pvg-")) as ready:
        yield ready


@pytest.fixture(scope="session", params=("libvirt_qemu", "virtualbox"))
def aside(request):
    """Those with real guests, for tasks that are killed."""
    with _prepared(PLATFORMS[request.param](prefix="pvk-")) as ready:
        yield ready


@pytest.fixture(scope="session")
def box():
    """VirtualBox alone, for what only it can show."""
    with _prepared(PLATFORMS["virtualbox"](prefix="pvb-")) as ready:
        yield ready


@contextmanager
def _prepared(platform):
    """A platform without VMs; what holds its state is held, and nothing is left behind in this worker's world."""
    with ExitStack() as stack:
        stack.callback(_assert_nothing_left, host_state())
        stack.enter_context(platform.kept())
        platform.clean()
        stack.callback(platform.clean)
        yield platform


def _assert_nothing_left(before):
    left = left_behind(before)
    assert not left, "\n".join(left)


@pytest.fixture
def key(tmp_path):
    """A fresh SSH key."""
    return Key(tmp_path)


@pytest.fixture
def shim(tmp_path):
    """The backends' commands, which record their calls."""
    return Shim(tmp_path / "shim", COMMANDS)


@pytest.fixture
def carry(shim, tmp_path):
    """Runs tasks on a platform: ``carry(platform, tasks, machines)`` returns {label: Answer}."""

    def run(platform, tasks, machines=(), by="forked"):
        return carry_tasks(platform, shim, tmp_path, tasks, machines, by)

    return run


@pytest.fixture
def one(shim, tmp_path):
    """Runs one module: ``one(platform, options, about)`` returns its Answer, without the truth."""

    def run(platform, options, about="vm", check=False):
        return carry_one(platform, shim, tmp_path, options, about, check)

    return run
