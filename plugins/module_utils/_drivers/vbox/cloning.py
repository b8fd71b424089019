# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloning: VirtualBox makes the whole machine in one act; what makes it itself is put right afterwards."""

from __future__ import annotations

import os

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.model import SUSPENDED
from ..._lifecycle.plan_make import find_snapshot
from ..._tools.vboxmanage_file import settings_in
from . import storage
from .making import add_seed, begun, finish, is_complete, lost, undone_on_failure
from .mark import KEY, is_made_here, new_id, read_mark, write_mark
from .sight import SSH_RULE


def clone(driver, name, config, creation, source, networks=None):
    """Make a machine that is off, like ``source``."""
    if is_complete(driver, name):
        return
    sight = begun(driver, name) or _begin(driver, name, creation["clone"], source)
    driver.begun[name] = sight.uuid
    with driver.alone_with(name, sight.folder), undone_on_failure(driver, sight.uuid):
        # What it was cloned from may be moved or gone when it is completed later.
        sources_mark = source.mark if source.owned else {}
        _take_identity_away(driver, sight, (sources_mark or {}).get("files", ()))
        sight = driver.sight(sight.uuid)
        if sight.begun_mark != sight.mark:
            write_mark(driver, sight.uuid, sight.begun_mark)
        add_seed(driver, sight.uuid, name, creation, networks)
        _renew_ssh(driver, sight)
        finish(driver, sight.uuid, config, {"clone": source.id})


def _begin(driver, name, asked, source):
    uuid = new_id()
    words = ["clonevm", source.id, f"--name={name}", "--uuid", uuid, "--register"]
    taken = find_snapshot(source, asked.get("snapshot"))
    words += ["--snapshot", taken.id] if taken else []
    words += ["--options", "link"] if asked.get("linked") else []
    words += ["--basefolder", driver.storage_path] if driver.storage_path else []
    # Where no answer comes, it may have been created all the same.
    with undone_on_failure(driver, uuid):
        try:
            driver.run(source.id, *words)
        except CommandFailed as error:
            if not _remove_leftover(driver, error):
                raise
            driver.run(source.id, *words)
    sight = driver.sights().get(uuid) or begun(driver, name)
    if sight is None:
        raise lost(name)
    return sight


def _remove_leftover(driver, error):
    """Of a run that was cut off a settings file may be left that VirtualBox does not know, with half of its disks."""
    begin, end = "Machine settings file '", "' already exists"
    path = error.stderr.partition(begin)[2].partition(end)[0] if end in error.stderr else ""
    file = settings_in(path) if path else None
    mark = read_mark(file.extra_data.get(KEY)) if file else None
    if file is None or not is_made_here(file.uuid) or (mark or {}).get("id") == file.uuid:
        return False
    if file.uuid in driver.sights():
        return False
    driver.run(None, "registervm", path)
    driver.run(None, "unregistervm", file.uuid, "--delete")
    return True


def _take_identity_away(driver, sight, sources_files):
    """What two machines cannot share: saved memory, forwarded ports, the seed that tells who the source is."""
    if sight.state.power == SUSPENDED:
        driver.run(sight.uuid, "discardstate", sight.uuid)
    rules = [word for name, (card, _rule) in sight.rules.items() if name != SSH_RULE for word in _delete(card, name)]
    off = ["--autostart-enabled", "off"] if sight.values.get("autostart-enabled") == "on" else []
    if rules or off:
        driver.run(sight.uuid, "modifyvm", sight.uuid, *rules, *off)
    for slot in sight.drives:
        if os.path.basename(slot.medium) in sources_files:
            storage.remove_drive(driver, sight, slot)


def _delete(card, name):
    return [f"--natpf{card}", "delete", name]


def _renew_ssh(driver, sight):
    """The forward of the source, on a port of the clone's own."""
    from . import forwards

    if SSH_RULE not in sight.rules:
        return
    sights = driver.sights()
    _card, rule = sight.rules[SSH_RULE]
    if rule.host_port in forwards.taken_ports(sights.values(), sight.uuid):
        driver.run(sight.uuid, "modifyvm", sight.uuid, *forwards.words_for_fresh_ssh(sights, sight, driver.ports))
