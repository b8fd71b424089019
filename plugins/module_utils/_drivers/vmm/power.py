# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power: each function asks vmd, and the core waits for the result."""

from __future__ import annotations

from ..._lifecycle.errors import CommandFailed, NotFound
from ..._lifecycle.model import STOPPED, Target
from .edit import INCOMPLETE, Edit

#: ssh's own exit code: the command did not run, or the connection ended with the guest.
_SSH_FAILED, _CONNECT_TIMEOUT = 255, 10
_ADDRESSES = frozenset({"power", "addresses"})


def start(driver, vm, step):
    """Start a VM as vm.conf defines it now: what was changed while it ran, or by a killed task, is read first."""
    found = driver.look()
    if INCOMPLETE & (found.mark(vm.name) or {}).keys() or vm.name not in found.rows:
        edit = Edit(driver, starting={vm.name})
        edit.read_again(vm.name)
        edit.commit()
        found = driver.look()
    # vmd itself starts a VM that is enabled when it reads vm.conf, perhaps after others.
    row = found.rows.get(vm.name)
    if row is None or (row.power == STOPPED and not row.busy):
        driver.tool.start(_address(driver, vm))


def _address(driver, vm):
    """vmctl takes a name of digits for the number of a VM, perhaps of another one."""
    return str(driver.look().rows[vm.name].id) if vm.name.isdigit() else vm.name


def stop(driver, vm, step):
    """Ask the guest to shut down: by its driver vmmci, or by SSH if the task has a connection."""
    if driver.options.get("guest_shutdown"):
        _ask_by_ssh(driver, vm)
    elif driver.look().power(vm.name) != STOPPED:
        driver.tool.stop(_address(driver, vm))


def _ask_by_ssh(driver, vm):
    asked = driver.options["guest_shutdown"]
    addresses = [one for found in driver.observe([Target(vm.name)], _ADDRESSES).vms for one in found.addresses]
    if not addresses:
        raise NotFound(
            f"{vm.name}: guest_shutdown: the VM has no known address.", "Omit the option: then the VM may be cut off."
        )
    key = ["-i", asked["key_file"]] if asked.get("key_file") else []
    argv = [
        driver.commands.find("ssh"),
        "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_TIMEOUT}", "-o", "StrictHostKeyChecking=accept-new",
        *key, f"{asked['user']}@{addresses[0].address}", asked["command"],
    ]  # fmt: skip
    completed = driver.commands.run(argv, writes=True)
    if completed.rc == _SSH_FAILED and "closed by" not in completed.stderr:
        raise CommandFailed(
            argv, completed.rc, completed.stderr, remedy="Correct guest_shutdown, or omit it: then the VM is cut off."
        )


def kill(driver, vm, step):
    if driver.look().power(vm.name) != STOPPED:
        driver.tool.stop(_address(driver, vm), "-f")


def pause(driver, vm, step):
    driver.tool.pause(_address(driver, vm))


def resume(driver, vm, step):
    driver.tool.unpause(_address(driver, vm))
