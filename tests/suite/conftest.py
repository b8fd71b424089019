# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the suite: one platform at a time, empty before and after, and the function that runs tasks."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from host_state import host_state, left_behind
from platforms.known import PLATFORMS, WITH_GUESTS
from suite.belts import is_deep
from suite.carry import carry as carry_tasks
from suite.media_server import vendor_of
from suite.own_world import require_world
from suite.sentinels import Sentinels
from suite.shim import Shim
from suite.ssh import Key
from unit.module_utils._media.server import Server

_KNOWN = {**PLATFORMS, **{one.name: one for one in WITH_GUESTS.values()}}
COMMANDS = sorted({command for platform in PLATFORMS.values() for command in platform.commands})


class Ground:
    """The one platform that is open in this process: empty at the begin, and without remains at the end."""

    def __init__(self):
        self._open, self._stack, self.sentinels = None, ExitStack(), None

    def open(self, name, prefix):
        """The platform with VMs named by ``prefix``; another one that is open closes first."""
        require_world()
        if self._open != (name, prefix):
            self.close()
            platform = _KNOWN[name](prefix=prefix)
            self._stack.callback(self._assert_nothing_left, name, host_state())
            self._stack.enter_context(platform.kept())
            self._stack.callback(platform.clean)
            self.sentinels = Sentinels(platform)
            platform.clean()
            self._stack.callback(self.sentinels.remove)
            self._open, self.platform = (name, prefix), platform
        return self.platform

    def close(self):
        self._open = self.sentinels = None
        self._stack.close()

    def _assert_nothing_left(self, name, before):
        left = left_behind(before)
        assert not left, f"tests on {name} left behind: {left}"


@pytest.fixture(scope="session")
def ground():
    """The open platform; it is closed when the next test uses another one."""
    found = Ground()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _sentinels(ground):
    """What others have is as before, whatever a test has done."""
    yield
    if ground.sentinels is not None:
        ground.sentinels.compare()


@pytest.fixture(scope="session", params=PLATFORMS)
def platform_name(request):
    """Every platform in turn. pytest sorts tests by this parameter, so that each platform is opened once."""
    return request.param


@pytest.fixture
def platform(platform_name, ground):
    """Every platform in turn."""
    return ground.open(platform_name, "pvc-")


def pytest_generate_tests(metafunc):
    """In a deep run, tests with the mark ``guest`` run with guests of each architecture, otherwise of amd64."""
    if metafunc.definition.get_closest_marker("guest") and is_deep(metafunc.config):
        # The usual one is not in the name of the test, which is then the same in each run.
        first, *others = WITH_GUESTS
        metafunc.parametrize("qemu", [pytest.param(first, id=pytest.HIDDEN_PARAM), *others], indirect=True)


@pytest.fixture
def qemu(request, ground):
    """The platform with real guests, of amd64 unless the test names another architecture."""
    return ground.open(WITH_GUESTS[getattr(request, "param", "amd64")].name, "pvg-")


@pytest.fixture
def place():
    """A directory for backups that QEMU's user can enter, and no VM uses."""
    place = Path("/var/lib/pvg-backups")
    shutil.rmtree(place, ignore_errors=True)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def aside(request, ground):
    """A platform for tasks that are interrupted; scenarios/interrupted.py lists them."""
    return ground.open(request.param, "pvk-")


@pytest.fixture
def box(ground):
    """VirtualBox, for tests of this platform only."""
    return ground.open("virtualbox", "pvb-")


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

    def run(platform, tasks, machines=(), **ways):
        return carry_tasks(platform, shim, tmp_path, tasks, machines, **ways)

    return run


# Images ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(name="vendor")
def _vendor(platform, server_of_vendor):
    if not server_of_vendor.content:
        pytest.skip("the platform itself downloads images, or it has none")
    return server_of_vendor


@pytest.fixture(name="server_of_vendor")
def _server_of_vendor(platform, monkeypatch, tmp_path):
    """A Vendor, without an image if the platform itself downloads its images."""
    platform.clean()
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    vendor = vendor_of(platform, ["debian-13"], tmp_path)
    yield vendor
    vendor.close()


@pytest.fixture(name="store")
def _store(platform, tmp_path, monkeypatch):
    """A directory for images; VirtualBox's server has a /tmp of its own.

    Of Windows and Proxmox VE, it is that of the host of the task, from which images are copied there.
    """
    store = Path(getattr(platform, "storage", tmp_path) if platform.handles_files else tmp_path) / "pvc-images"
    if platform.images_by_controller or not platform.resumes_downloads:
        monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(store))
    yield store
    shutil.rmtree(store, ignore_errors=True)


@pytest.fixture(name="made")
def _made(platform, vendor, store):
    """Options of a VM from the image."""
    creation = {key: value for key, value in platform.creation.items() if key not in ("disks", "image", "iso")}
    return {**creation, "name": ["pvc-named"], "image": vendor.image(), **platform.image_options(store)}


@pytest.fixture
def server():
    """A web server without files."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def role(qemu, tmp_path, ansible_playbook):
    """The role unattended_install for Windows, by its own medium."""
    from windows_guests.install_role import Role  # Few tests install Windows.

    qemu.clean()
    found = Role(qemu, tmp_path, ansible_playbook)
    yield found
    found.iso.unlink(missing_ok=True)
