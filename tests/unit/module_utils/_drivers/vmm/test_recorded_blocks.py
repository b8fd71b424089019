# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each VM in the recorded files is changed in place and written as a whole; vmd reads it with nothing else changed."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import MIB
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.definition import definition_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.settings.table import config_of, with_config
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._tools.marked_block import changed_block
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vm_conf import read

from unit.module_utils._tools.test_vm_conf import NOT_READ
from unit.simulators.recorded_vm_conf import GOLDEN, recorded_files, recorded_folder, registered

VALID = [case for case in GOLDEN["cases"] if case["load"]["rc"] == 0 and case["id"] not in NOT_READ]
MEMORY, MORE = 512 * MIB, 777 * MIB


@pytest.fixture(name="folder", scope="module")
def _folder():
    with recorded_folder() as folder:
        yield folder


def outcomes(folder, rewritten):
    """Yield (case, name, text of vm.conf before, afterwards, its VMs before, afterwards) for each VM in its own block.

    ``rewritten(text, block, definition)`` returns the changed text of the block.
    """
    for case in VALID:
        with recorded_files(case, folder) as path:
            text, (_verdict, known) = path.read_bytes().decode("latin-1"), registered(path)
            found = read(str(path), files.read_latin1)
            names = [block.name for block in found.listed]
            for block in found.blocks.values():
                is_template = any(one.parent == block.name for one in found.listed)
                if block.file != str(path) or names.count(block.name) > 1 or is_template:
                    continue
                changed = rewritten(text, block, definition_of(block, found.blocks))
                path.write_bytes((text[: block.start] + changed + text[block.end :]).encode("latin-1"))
                verdict, registry = registered(path)
                assert verdict.is_good, (case["id"], verdict.messages, changed)
                yield case, block, changed, known.vms, registry.vms


def of(vms, name, **changed):
    return [{**vm, **(changed if vm["name"] == name else {})} for vm in vms]


def with_memory(definition):
    """Return the Definition that a task with ``memory`` writes."""
    before = config_of(definition, None, lambda _path: (None, None))
    return with_config(definition, {**before, "memory": MORE}, definition.disks, (), before)


def test_changed_memory_changes_nothing_else(folder):
    def rewritten(text, block, definition):
        return changed_block(text, block, definition.statements(), with_memory(definition).statements())

    count = 0
    for case, block, changed, before, after in outcomes(folder, rewritten):
        count += 1
        assert after == of(before, block.name, memory=MORE), (case["id"], changed)
        written = [one for one in block.statements if one.keyword != "memory"]
        source = case["text"].replace("@DIR@", str(folder))
        assert all(source[one.start : one.end] in changed for one in written), (case["id"], changed)
    assert count > 450


def test_block_that_is_written_as_a_whole_has_the_same_vm(folder):
    def rewritten(_text, _block, definition):
        return definition.printed().rstrip("\n")

    for case, _block, changed, before, after in outcomes(folder, rewritten):
        assert after == before, (case["id"], changed)
