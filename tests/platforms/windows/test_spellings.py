# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V and WSL ignore the case of names: an entry means the same VM in each spelling."""

from __future__ import annotations

import pytest

from platforms.hyperv import tasks as hyperv
from platforms.hyperv.counts import host_with
from platforms.wsl import tasks as wsl


class _Platform:
    """A platform with a host; ``new`` are the options of a new VM."""

    def __init__(self, tasks, host, new, **options):
        self._tasks, self.host, self.new, self._options = tasks, host, new, options

    def run(self, *entries, check=False, **options):
        return self._tasks.run(self.host, check=check, machines=list(entries), **self._options, **options)

    def names(self):
        vms = self.host.vms if hasattr(self.host, "vms") else self.host.distros.values()
        return sorted(vm.name for vm in vms)

    def rejected(self, *entries, **options):
        """The message of a task that is rejected, in check mode and without it."""
        check, real = (self.run(*entries, check=check, **options) for check in (True, False))
        assert (check["failed"], real["failed"], real["changed"]) == (True, True, False)
        assert check["msg"] == real["msg"]
        return real["msg"]


@pytest.fixture(params=["hyperv", "wsl"])
def platform(request):
    """A platform with the VM web."""
    if request.param == "hyperv":
        found = _Platform(hyperv, host_with(), {"disks": [{"size": "1G"}]}, memory="512M", networks=[])
    else:
        found = _Platform(wsl, wsl.host_with_image(), {"image": wsl.TAR})
    assert not found.run({"name": "web", **found.new})["failed"]
    return found


def test_clone_is_created_after_its_source(platform):
    assert not platform.run({"name": "copy", "clone": "BASE"}, {"name": "base", **platform.new})["failed"]
    assert platform.names() == ["base", "copy", "web"]


def test_source_that_the_task_deletes_is_not_cloned(platform):
    message = platform.rejected({"name": "web", "state": "absent"}, {"name": "copy", "clone": "WEB"})
    assert "copy: clone.source: this task deletes 'web'" in message
    assert platform.names() == ["web"]


def test_one_source_has_two_clones(platform):
    assert not platform.run({"name": "one", "clone": "web"}, {"name": "two", "clone": "Web"})["failed"]
    assert platform.names() == ["one", "two", "web"]


def test_vm_that_is_listed_in_two_spellings_is_listed_twice(platform):
    message = platform.rejected({"name": "Web", **platform.new}, {"name": "WEB", "state": "started"})
    assert message == "WEB: the VM is listed twice, as Web and WEB. List each VM once."


def test_listed_vm_is_not_pruned(platform):
    assert not platform.run({"name": "web"}, {"name": "old", **platform.new}, fleet="www")["failed"]
    result = platform.run({"name": "WEB"}, fleet="www", prune=True, prune_max=1)
    assert (result["failed"], platform.names()) == (False, ["web"]), result["msg"]


def test_id_that_no_vm_has_is_not_that_of_a_new_vm(platform):
    vm_id = "{00000000-0000-0000-0000-000000000000}"
    message = platform.rejected({"name": "WEB", "id": vm_id, **platform.new})
    assert "the VM of this name has another ID" in message


def test_base_is_deleted_after_its_linked_clone():
    host = host_with()
    hyperv.done(host, name=["base"], memory="512M", disks=[{"size": "1G"}], networks=[])
    hyperv.done(host, name=["copy"], clone={"source": "base", "linked": True})
    hyperv.done(host, machines=[{"name": "BASE", "state": "absent"}, {"name": "COPY", "state": "absent"}])
    assert [path for path in host.files.contents if path.endswith("-0.vhdx")] == []
