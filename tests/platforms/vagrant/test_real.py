# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The features of the real Vagrant on which the collection's tools rely, without a VM."""

from __future__ import annotations

import json
import uuid

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import (
    vagrant_folder,
    vagrant_output,
    vagrant_states,
    vagrantfile,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant import Vagrant
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_provider import EXPERIMENTS

from platforms.vagrant.session import PROJECT
from unit.module_utils._tools.vagrant_projects import rich

pytestmark = pytest.mark.full

FILE = "Vagrantfile.polyvirt"


def tool_of(found, environment=None, **options):
    given = {"VAGRANT_HOME": str(found.home), "VAGRANT_DEFAULT_PROVIDER": "libvirt", **(environment or {})}
    return Vagrant(Commands(), str(found.project), FILE, environment=given, **options)


def contents(folder):
    """{path: content} of all files below a folder."""
    # Every call writes the lock of the index and Ruby's loader.
    ignored = ("machine-index.lock", "lock.", "loader.rb", "checkpoint")
    found = (file for file in folder.rglob("*") if file.is_file() and not any(word in file.name for word in ignored))
    return {str(file): file.read_bytes() for file in found}


def write_lost_vm(found, index=None):
    """Write the files of a VM that `up` created and libvirt no longer has; returns its data directory."""
    index = index or uuid.uuid4().hex
    folder = found.project / ".vagrant" / "machines" / "web" / "libvirt"
    folder.mkdir(parents=True)
    texts = {"id": str(uuid.uuid4()), "index_uuid": index, "creator_uid": "0", "private_key": "secret"}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")
    entry = {
        "local_data_path": str(found.project / ".vagrant"),
        "name": "web",
        "provider": "libvirt",
        "state": "running",
        "vagrantfile_name": [FILE],
        "vagrantfile_path": str(found.project),
        "updated_at": None,
        "extra_data": {},
    }
    known = {"version": 1, "machines": {index: entry}}
    file = found.home / "data" / "machine-index" / "index"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(known), encoding="ascii")
    return folder


def test_status_of_a_copy_of_the_data_directory_changes_nothing(environment_of_its_own, tmp_path):
    found = environment_of_its_own
    found.write(vagrantfile.render(PROJECT))
    folder = write_lost_vm(found)
    # The first call creates the home directory.
    tool_of(found).read("box", "list")
    before = {**contents(found.project), **contents(found.home)}
    copy = tmp_path / "copy"
    vagrant_folder.copy(files, str(found.project / ".vagrant"), str(copy))
    output = tool_of(found, dotfile=str(copy)).read("status")
    assert vagrant_output.statuses(output)["web"].state == "not_created"
    assert {**contents(found.project), **contents(found.home)} == before
    tool_of(found).read("status")
    assert not (folder / "id").exists()
    assert {**contents(found.project), **contents(found.home)} != before


def test_vagrant_takes_a_name_for_the_beginning_of_an_id(environment_of_its_own):
    """The driver rejects such a name; it parses the machine index correctly."""
    found = environment_of_its_own
    found.write(vagrantfile.render({"machines": [{**PROJECT["machines"][0], "name": "a"}]}))
    folder = write_lost_vm(found, index="a" + 31 * "0")
    index = vagrant_states.read_index(files, str(found.home))
    assert index == {"a" + 31 * "0": ("web", str(found.project), FILE)}
    assert vagrant_states.vm_mistaken_for(index, "a", None)
    assert folder.exists()
    # Vagrant looks for web, which the file does not describe.
    with pytest.raises(CommandFailed, match="'web'"):
        tool_of(found).read("status", "a")


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox", "hyperv"])
def test_rendered_file_is_valid_for_vagrant(environment_of_its_own, provider, tmp_path):
    project = rich(provider)
    # Vagrant checks that these exist on the host.
    project["machines"][0]["shared_folders"] = [{"host_path": str(tmp_path), "guest_path": "/data", "type": "rsync"}]
    script = tmp_path / "set up.sh"
    script.write_text("true\n", encoding="ascii")
    project["machines"][0]["provisioners"][1]["path"] = str(script)
    environment_of_its_own.write(vagrantfile.render(project))
    tool_of(environment_of_its_own, EXPERIMENTS).read("validate", "--ignore-provider")
