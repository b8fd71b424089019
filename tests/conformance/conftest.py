# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conformance suite's ground: one platform at a time, its namespace empty before and after."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from conformance.direct import run_tasks
from conformance.platforms import libvirt_qemu, libvirt_test, proxmox, vagrant, virtualbox
from conformance.playbook import play
from conformance.shim import Shim
from conformance.ssh import Key
from host_state import host_state, left_behind

_MODULES = (libvirt_test, libvirt_qemu, virtualbox, vagrant, proxmox)
PLATFORMS = {module.Platform.name: module.Platform for module in _MODULES}
_HERE = Path(__file__).resolve().parent
#: The fixtures that each have a namespace of their own.
NAMESPACES = ("platform", "qemu", "aside", "box")
COMMANDS = sorted({command for platform in PLATFORMS.values() for command in platform.commands})


@pytest.hookimpl(tryfirst=True)  # xdist's own hook reads the marks.
def pytest_collection_modifyitems(items):
    """With several processes (``--dist loadgroup``) all tests in one namespace run in one of them, in their order."""
    for item in items:
        # What names the group of a platform itself shares pools and networks of the host with it.
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_namespace(item)))


def _namespace(item):
    # Other tests, such as VirtualBox's own, share nothing.
    names = NAMESPACES if _HERE in item.path.parents else ()
    fixture = next((name for name in names if name in item.fixturenames), None)
    which = item.callspec.params.get(fixture, "") if hasattr(item, "callspec") else ""
    return f"{fixture} {which}" if fixture else item.nodeid


@pytest.fixture(scope="session", params=PLATFORMS)
def platform(request):
    """Every platform in turn."""
    with _prepared(PLATFORMS[request.param]()) as ready:
        yield ready


@pytest.fixture(scope="session")
def qemu():
    """The one platform with real guests, for what only a guest can show."""
    with _prepared(libvirt_qemu.Platform(prefix="pvg-")) as ready:
        yield ready


@pytest.fixture(scope="session", params=("libvirt_qemu", "virtualbox"))
def aside(request):
    """Those with real guests in another namespace, for what runs beside the other tests."""
    with _prepared(PLATFORMS[request.param](prefix="pvk-")) as ready:
        yield ready


@pytest.fixture(scope="session", name="box")
def _virtualbox():
    """VirtualBox alone, for what only it can show."""
    with _prepared(virtualbox.Platform(prefix="pvb-")) as ready:
        yield ready


@contextmanager
def _prepared(platform):
    """A platform with an empty namespace; what holds its state is held, and nothing is left behind on the host."""
    with ExitStack() as stack:
        stack.enter_context(platform.kept())
        platform.clean()
        before = host_state()
        stack.callback(_assert_nothing_left, platform, before)
        stack.callback(platform.clean)
        yield platform


def _assert_nothing_left(platform, before):
    """Of this namespace: other tests may run at the same time, and what they make is theirs."""
    left = [line for line in left_behind(before) if any(trace in line for trace in platform.traces)]
    assert not left, "\n".join(left)


@pytest.fixture
def key(tmp_path):
    """A fresh SSH key."""
    return Key(tmp_path)


@pytest.fixture
def shim(tmp_path):
    """The backends' commands, noting how they are called."""
    return Shim(tmp_path / "shim", COMMANDS)


@pytest.fixture
def playing(shim, tmp_path):
    """Runs tasks on a platform: ``playing(platform, tasks, machines)``."""

    def run(platform, tasks, machines=()):
        return play(platform, shim, tmp_path, tasks, machines)

    return run


@pytest.fixture
def running(shim, tmp_path):
    """The same without ansible-playbook, for scenarios of many tasks of which only the modules are in question."""

    def run(platform, tasks, machines=()):
        return run_tasks(platform, shim, tmp_path, tasks, machines)

    return run
