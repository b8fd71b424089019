# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the mark in the definition: it names new files before they exist, so a file that exists proves nothing."""

from __future__ import annotations

from contextlib import contextmanager, suppress

from ..._core.errors import PolyvirtError
from ..._core.record.mark import making_mark, making_of, mark_for, reusable_of
from ..._ports import change_counter, files
from ..._tools.virsh import ConnectionLost
from .storage import check_no_file


def mark_to_add_to(vm, stored):
    """The mark in the stored definition, unless that is of another VM."""
    return mark_for(vm.id, stored if stored and stored.get("id") == vm.id else vm.mark)


@contextmanager
def recorded_first(driver, vm, definition, paths):
    """Store a mark that names new files before they exist: the next run knows by it that they are ours.

    If the step fails and none of them remains, the mark is again as before.
    """
    own, found, before = mark_to_add_to(vm, definition.mark), definition.mark, change_counter.count()
    added = [path for path in paths if path not in reusable_of(own, files.identity)]
    if not added:
        yield
        return
    for path in added:
        check_no_file(path)
    with driver.storage.reserved(added) as identities:
        definition.set_mark(making_mark(own, dict.fromkeys([*making_of(own), *added]), identities))
        driver.define(definition)
        try:
            yield
        except ConnectionLost:
            raise
        except PolyvirtError:
            if not any(files.exists(path) for path in added):
                with suppress(PolyvirtError):
                    put_back(driver, vm, found)
                    change_counter.set_back(before)
                    change_counter.note(doubtful=True)
            raise


def new_log(driver, vm_id, path, known=()):
    """The log that libvirt will create, to be recorded; empty if it exists, which only one of ``known`` may."""
    if not path or not driver.is_local or (path in known and files.exists(path)):
        return ""
    return by_libvirt(driver, vm_id, path)


def by_libvirt(driver, vm_id, path):
    """Note and return a file that libvirt will create at the next start: until then, one there is somebody else's."""
    if driver.is_local:
        check_no_file(path)
        driver.made_at_start.setdefault(vm_id, set()).add(path)
    return path


def put_back(driver, vm, mark):
    """Store a former mark (None: there was none) in the present definition."""
    definition = driver.definition(vm.id)
    definition.set_mark(mark)
    driver.define(definition)
