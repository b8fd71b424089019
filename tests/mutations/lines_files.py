# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what is proven about files: the record before the file, and the lock of another program."""

from __future__ import annotations

from mutations.mutation import Mutation

_CHECKS, _NEEDED, _LOCKS = "_core/sharing/file_checks.py", "_core/sharing/needed_files.py", "_ports/locks.py"
_CORE = ["tests/unit/module_utils/_core/sharing/test_file_checks.py"]
_PORT = ["tests/unit/module_utils/_ports/test_locks.py"]
_UNIT = "tests/unit/module_utils/_drivers/virsh"
_CONFIGURE, _FACTS = [f"{_UNIT}/test_configure.py"], [f"{_UNIT}/test_needed.py"]
_SNAPSHOTS, _OWN = [f"{_UNIT}/test_snapshots.py"], [f"{_UNIT}/test_own_files.py"]

MUTATIONS = (
    # The lock.
    Mutation("lock-is-not-checked", _CHECKS, "in_use(path)", "False", _CORE),
    Mutation("locked-file-is-deleted", _NEEDED, 'verb == "delete"', "False", _CORE),
    Mutation("locked-file-is-attached", _NEEDED, "item.purpose == DISK", "False", _CORE),
    Mutation("locked-file-is-enlarged", _NEEDED, "item.purpose == GROWN and item.path and not vm.on", "False", _CORE),
    Mutation(
        "own-lock-of-a-running-vm-counts", _NEEDED, "_1 == GROWN and _2 and not vm.on", "_1 == GROWN and _2", _CORE
    ),
    Mutation("locked-file-is-restored", _NEEDED, 'verb == "restore"', "False", _CORE),
    Mutation("locked-file-is-merged", _NEEDED, "mode in (MERGE, SNAPSHOT)", "mode == SNAPSHOT", _CORE),
    Mutation("lock-is-asked-at-another-place", _LOCKS, "(100, 200)", "(0, 100)", _PORT),
    Mutation("reader-of-a-base-is-no-user", _LOCKS, "(100, 200)", "(101, 199)", _PORT),
    Mutation("short-read-is-a-use", _LOCKS, "(101, 199)", "(100, 200)", _PORT),
    Mutation("lock-of-others-is-free", _LOCKS, "_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK", "False", _PORT),
    Mutation("lock-of-a-whole-file-is-free", _LOCKS, "errno.EWOULDBLOCK", "errno.EAGAIN + 1000", _PORT),
    Mutation(
        "lock-is-not-asked-again",
        "_drivers/virsh/delete.py",
        "check_deletable(*_)",
        "pass",
        [f"{_UNIT}/test_create.py"],
    ),
    Mutation(
        "own-running-vm-is-another-program",
        "_drivers/virsh/needed.py",
        "self.identity(path) not in own and locks.is_locked_by_qemu(path)",
        "locks.is_locked_by_qemu(path)",
        _FACTS,
    ),
    Mutation(
        "new-file-in-use-is-removed",
        "_drivers/virsh/storage.py",
        "os.path.realpath(path) not in used and not locks.is_locked_by_qemu(path)",
        "os.path.realpath(path) not in used",
        [f"{_UNIT}/test_create.py"],
    ),
    # The record.
    Mutation(
        "hot-plugged-disk-is-ours",
        "_drivers/virsh/settings/disks.py",
        "source or expected in making",
        "True",
        _CONFIGURE,
    ),
    Mutation(
        "any-hot-plugged-disk-is-the-requested-one",
        "_drivers/virsh/settings/disks.py",
        "files.identity(path) == files.identity(expected)",
        "True",
        _CONFIGURE,
    ),
    Mutation("exchanged-disk-is-changed", "_drivers/virsh/settings/disks.py", "found != known", "False", _CONFIGURE),
    Mutation(
        "file-exists-before-its-record",
        "_drivers/virsh/mark.py::recorded_first",
        "driver.define(definition)",
        "pass",
        _CONFIGURE,
    ),
    Mutation(
        "new-vm-has-files-before-its-record",
        "_drivers/virsh/create.py",
        "_begin(driver, *_)",
        "pass",
        [f"{_UNIT}/test_create.py"],
    ),
    Mutation(
        "begun-vm-of-another-task-is-replaced",
        "_drivers/virsh/create.py::store_new",
        "name in driver.unfinished and _is_finished(_)",
        "False",
        [f"{_UNIT}/test_create.py::test_vm_that_another_task_has_completed_is_not_stored_again"],
    ),
    Mutation(
        "file-of-others-is-in-a-new-vm",
        "_drivers/virsh/create.py",
        "check_no_file(path)",
        "pass",
        [f"{_UNIT}/test_create.py"],
    ),
    Mutation(
        "unfinished-vm-is-a-vm",
        "_drivers/virsh/observe.py",
        "vm.owned and is_unfinished(vm.mark)",
        "False",
        [f"{_UNIT}/test_observe.py"],
    ),
    Mutation("existing-file-gets-a-record", "_drivers/virsh/mark.py", "check_no_file(path)", "pass", _CONFIGURE),
    Mutation("record-of-no-file-remains", "_drivers/virsh/mark.py", "put_back(driver, vm, found)", "pass", _CONFIGURE),
    Mutation(
        "finished-file-is-still-being-created",
        "_drivers/virsh/configure.py",
        "[path for path in making_of(own) if path not in done]",
        "list(making_of(own))",
        _CONFIGURE,
    ),
    Mutation("log-is-not-recorded", "_drivers/virsh/configure.py", "[log] if log else []", "[]", _CONFIGURE),
    Mutation("existing-log-is-ours", "_drivers/virsh/mark.py", "not files.exists(path)", "True", _CONFIGURE),
    Mutation(
        "unfinished-disk-remains",
        "_drivers/virsh/own_files.py",
        '(*vm.mark.get("disks", ()), *making_of(vm.mark))',
        'vm.mark.get("disks", ())',
        _OWN,
    ),
    Mutation(
        "overlay-of-others-is-ours",
        "_drivers/virsh/snapshots.py",
        'vm.created or vm.config["disks"][slot]["source"] in own_disks(vm)',
        "True",
        _SNAPSHOTS,
    ),
    Mutation(
        "memory-file-is-not-recorded",
        "_drivers/virsh/snapshots.py",
        "vm.owned or any(added.values())",
        "vm.owned",
        _SNAPSHOTS,
    ),
    Mutation(
        "remaining-memory-file-is-not-named",
        "_drivers/virsh/snapshots.py",
        "memory and memory not in own_files",
        "False",
        _SNAPSHOTS,
    ),
)
