# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that another program has open: what is neither deleted, changed nor copied, on a platform in memory."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import Backup
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, SUSPENDED, Step
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.file_checks import check_files
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.needed_files import FILE, Image
from ansible_collections.polyvirt.core.plugins.module_utils._kit.space import ReservedSpace

from unit.module_utils._core.sharing.test_file_checks import (
    GIB,
    HOST,
    Host,
    add,
    change,
    checked,
    clone,
    create,
    delete,
    from_image,
    grow,
    plan,
)

_OPEN = "/vms/d is open in another program, so it cannot be"
_END = "Close /vms/d in that program first; a shared directory can be in use on another host, too, or"
OPENED = [
    (delete("/vms/other", "/vms/d"), f"{_OPEN} deleted. {_END} keep it (delete_disks: none)."),
    (delete("/vms/d", verb="finish_restore"), f"{_OPEN} replaced. {_END} restore the backup as another VM (new_name)."),
    (grow(source="/vms/d")[0], "disks.vda.size: /vms/d is open in another program, so it cannot be enlarged. Close"),
    (add(source="/vms/d"), "disks.vdb.source: /vms/d is open in another program, so it cannot be att"),
    (create(disks={"vda": {"source": "/vms/d"}}), "disks.vda.source: /vms/d is open in another program"),
    (Step("restore", arguments={"name": "s"}), "snapshots: /vms/d is open in another program, so it cannot be changed"),
    (Step("snapshot", arguments={"name": "s"}), "disks.vda: /vms/d is open in another program, so it cannot be chan"),
    (Step("drop_snapshot", arguments={"names": "s"}), "snapshots.s: /vms/frozen is open in another program"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "text"), OPENED, ids=[f"{step.verb}: {text[:20]}" for step, text in OPENED])
def test_file_that_another_program_has_open_is_neither_deleted_nor_changed(step, text):
    disk, config = {"/vms/d": Image("qcow2", GIB)}, grow(source="/vms/d")[1]
    with pytest.raises(Refused) as caught:
        checked(step, files=disk, config=config, opened=["/vms/d", "/vms/frozen"])
    assert str(caught.value).startswith(f"web: {text}")
    checked(step, files=disk, config=config)


_BACKUP = Step("backup", arguments={"made": Backup("b", "web", "w", 0, excluded=("vdb",))})
WRITTEN = [
    (from_image(), "image.source: /images/a.qcow2", "copied"),
    (from_image(linked=True), "image.source: /images/a.qcow2", "linked to"),
    (clone(True), "clone.source: /vms/base-vda.qcow2", "linked to"),
    (clone(False), "clone.source: /vms/base-vda.qcow2", "copied"),
    (_BACKUP, "/vms/d", "copied"),
]


@pytest.mark.parametrize(("step", "text", "done"), WRITTEN, ids=[f"{row[0].verb}-{row[2]}" for row in WRITTEN])
def test_file_that_another_program_writes_is_not_copied(step, text, done):
    disks = {"vda": {"source": "/vms/d"}, "vdb": {"source": "/vms/excluded"}, "vdc": {}}
    one = plan(step, config={"disks": disks})
    facts = Host(one, dict(HOST), written=[text.split()[-1], "/vms/excluded"])
    with pytest.raises(Refused) as caught:
        check_files(facts, ReservedSpace(), frozenset())
    assert str(caught.value).startswith(f"web: {text} is open in another program, so it cannot be {done}.")
    facts.written = ["/vms/excluded"]
    check_files(facts, ReservedSpace(), frozenset())


@pytest.mark.parametrize(("power", "is_own"), [(RUNNING, True), (SUSPENDED, False)])
def test_vm_that_is_on_backs_up_its_own_disks(power, is_own):
    one = plan(_BACKUP, config={"disks": {"vda": {"source": "/vms/d"}}})
    facts = Host(replace(one, before=one.before.having(power=power)), dict(HOST), written=["/vms/d"])
    if is_own:
        check_files(facts, ReservedSpace(), frozenset())
        return
    with pytest.raises(Refused, match="so it cannot be copied"):
        check_files(facts, ReservedSpace(), frozenset())


#: A VM that is on writes to its disks itself; what is only read, and a new file, cannot be damaged.
UNAFFECTED = [
    (grow(source="/vms/d")[0], "running"),
    (Step("snapshot", arguments={"name": "s"}), "running"),
    (Step("drop_snapshot", arguments={"names": "s"}), "running"),
    (Step("start"), "stopped"),
    (change("iso", "/images/a.iso"), "stopped"),
    (from_image(), "absent"),
    (clone(True), "absent"),
]


@pytest.mark.parametrize(("step", "power"), UNAFFECTED, ids=[f"{step.verb}-{power}" for step, power in UNAFFECTED])
def test_lock_of_other_files_does_not_matter(step, power):
    files = {**HOST, "/vms/d": Image("qcow2", GIB), "/vms/web-vda.qcow2": FILE}
    one = plan(step, config=grow(source="/vms/d")[1])
    facts = Host(replace(one, before=one.before.having(power=power)), files, opened=[*files, "/vms/frozen"])
    if step.verb in ("create", "clone"):
        facts.files.pop("/vms/web-vda.qcow2")
    check_files(facts, ReservedSpace(), frozenset())
