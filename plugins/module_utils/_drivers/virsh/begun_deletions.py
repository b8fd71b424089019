# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: records of deletions, which remain if a task is killed after libvirt has let the VM go.

A record is in the directory of new disks. The next ``state: absent`` of this name on the same connection finds the VM
by it, with those files that have not changed since, and deletes them as those of any other VM. A record proves nothing
as long as libvirt has the VM: a task can be killed before libvirt lets it go, and somebody can rename the VM then.
"""

from __future__ import annotations

import json
import os

from ..._core.errors import CommandFailed, PolyvirtError
from ..._core.frozen import replace
from ..._core.model import STOPPED, Vm
from ..._core.record.mark import UNFINISHED
from ..._core.record.reader import Damaged, is_mapping, is_text, read
from ..._ports import files, folders, permits
from ..._tools import virsh as tool
from ..._tools.domain_xml import Definition, without_secrets
from .own_files import files_of

_VERSION = 1
_SCHEMA = {"uri": is_text, "definition": is_text, "files": is_mapping}


def begin(driver, name, definition, paths):
    """Record that a deletion is about to remove ``paths``; without a place for it, only a kill can leave them."""
    path = _place(driver.storage.folder, name)
    if not paths or not _is_ours_alone(path):
        return
    versions = {one: files.version(one) for one in paths}
    text = without_secrets(definition.text())
    record = {"v": _VERSION, "uri": driver.virsh.uri, "definition": text, "files": versions}
    with permits.also([path]):
        files.write_atomically(path, json.dumps(record).encode())
    driver.begun.add(name)


def end(driver, name):
    """Remove the records of a deletion, whose files are gone, or which has failed."""
    driver.begun.discard(name)
    for path in _places(driver, name):
        with permits.also([path]):
            files.remove(path)


def with_begun(driver, observation, names):
    """Add the VMs among those with these names that libvirt has let go, and of which files are left."""
    known = {vm.name for vm in observation.vms}
    found = [vm for name in names if name and name not in known for vm in _left(driver, name)]
    return replace(observation, vms=[*observation.vms, *found]) if found else observation


def definition_now(driver, vm):
    """The definition now, by the UUID, whatever the name is; None if the VM is gone."""
    try:
        return driver.definition(vm.id)
    except CommandFailed as error:
        if not tool.is_not_found(error.stderr):
            raise
        return None


def _left(driver, name):
    for path in _places(driver, name):
        try:
            record = read(files.read(path).decode("utf-8", "replace"), _SCHEMA, (_VERSION,))
            definition = Definition(record["definition"])
        except (PolyvirtError, Damaged, SyntaxError):
            continue
        vm = Vm(name, id=definition.uuid, power=STOPPED, reason=UNFINISHED, mark=definition.mark)
        left = [one for one in files_of(vm, [definition], is_local=True) if _is_same(one.path, record["files"])]
        # Another connection has other VMs, and does not know whether this one exists.
        if left and record["uri"] == driver.virsh.uri and definition_now(driver, vm) is None:
            yield vm.having(files=tuple(left))


def _is_same(path, versions):
    return path in versions and files.version(path) == versions[path]


def _places(driver, name):
    paths = {_place(folder, name) for folder in (driver.storage.folder, driver.default_folder)}
    return [path for path in sorted(paths) if files.is_file(path) and _is_ours_alone(path)]


def _place(folder, name):
    return os.path.join(folder, f".{name}.polyvirt-deletion.json")


def _is_ours_alone(path):
    """Return whether nobody else could write a record there, which would have this user delete files."""
    folder = os.path.dirname(path)
    return files.is_folder(folder) and files.is_writable(folder) and folders.shared_folder(folder) is None
