# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: start, stop, pause and resume VMs. The functions send the request; the core waits for the result."""

from __future__ import annotations

from ..._core.errors import CommandFailed, NotFound
from ..._core.model import STOPPED, Target
from .edit import INCOMPLETE, Edit

#: The exit code of ssh itself: the command did not run, or the connection ended because the guest shut down.
_SSH_FAILED = 255
#: No list of known hosts, because vmd gives the address of a deleted VM to another one, and nothing secret is sent.
_SSH_SETTINGS = (
    "BatchMode=yes", "ConnectTimeout=10", "StrictHostKeyChecking=accept-new", "UserKnownHostsFile=/dev/null",
)  # fmt: skip
#: The warning of ssh about a host key that it has not seen before.
_NEW_KEY = "Warning: Permanently added "
#: A shell adds this to the number of the signal that ended a command.
_ENDED_BY_SIGNAL = 128
_ADDRESSES = frozenset({"power", "addresses"})


def start(driver, vm, step):
    """Start a VM with its settings in vm.conf; if vmd has not read them all, have it read the file first."""
    found = driver.read_found()
    is_unread = vm.name not in found.rows or vm.name in found.unread
    if is_unread or INCOMPLETE & (found.mark(vm.name) or {}).keys():
        edit = Edit(driver, starting={vm.name})
        edit.read_again(vm.name)
        edit.commit()
        found = driver.read_found()
    # vmd starts an enabled VM when it reads vm.conf, maybe only after others (busy).
    row = found.rows.get(vm.name)
    if row is None or (row.power == STOPPED and not row.busy):
        driver.tool.start(_vmctl_argument(driver, vm))
        driver.starting.add(vm.name)


def _vmctl_argument(driver, vm):
    """Return the name of a VM, or its number if the name has only digits: vmctl would take that for a VM number."""
    return str(driver.read_found().rows[vm.name].id) if vm.name.isdigit() else vm.name


def stop(driver, vm, step):
    """Ask the guest to shut down: by its driver vmmci(4), or by SSH if guest_shutdown is set."""
    if driver.options.get("guest_shutdown"):
        _shut_down_by_ssh(driver, vm)
    elif driver.read_found().power(vm.name) != STOPPED:
        driver.tool.stop(_vmctl_argument(driver, vm))


def _shut_down_by_ssh(driver, vm):
    options = driver.options["guest_shutdown"]
    observation = driver.observe([Target(vm.name)], _ADDRESSES)
    addresses = [address for observed in observation.vms for address in observed.addresses]
    if not addresses:
        raise NotFound(
            f"{vm.name}: guest_shutdown: the VM has no known address.",
            "Omit the option; then vmd may power off the VM.",
        )
    key = ["-i", options["key_file"]] if options.get("key_file") else []
    settings = [word for setting in _SSH_SETTINGS for word in ("-o", setting)]
    guest = f"{options['user']}@{addresses[0].address}"
    argv = [driver.commands.find("ssh"), *settings, *key, guest, options["command"]]
    completed = driver.commands.run(argv, writes=True)
    if not _has_begun(completed):
        lines = [line for line in completed.stderr.splitlines() if not line.startswith(_NEW_KEY)]
        error = "\n".join(lines).strip().rstrip(".") or "no error message"
        raise CommandFailed(
            argv,
            completed.rc,
            completed.stderr,
            message=f"{vm.name}: guest_shutdown: '{options['command']}' as {options['user']} failed with exit code"
            f" {completed.rc}: {error}.",
            remedy="Correct guest_shutdown, or omit it; then vmd may power off the VM.",
        )


def _has_begun(completed):
    """Return whether the guest shuts down. It may have ended the connection, or the command by a signal."""
    if completed.rc == _SSH_FAILED:
        return "closed by" in completed.stderr
    return completed.rc == 0 or completed.rc > _ENDED_BY_SIGNAL


def kill(driver, vm, step):
    if driver.read_found().power(vm.name) != STOPPED:
        wait = () if vm.persistent else ("-w",)
        driver.tool.stop(_vmctl_argument(driver, vm), "-f", *wait)
    if not vm.persistent:
        # If its block was removed from vm.conf, vmd knows the VM until it reads the file again.
        edit = Edit(driver)
        edit.remove(vm.name, ())
        edit.commit()


def pause(driver, vm, step):
    driver.tool.pause(_vmctl_argument(driver, vm))


def resume(driver, vm, step):
    driver.tool.unpause(_vmctl_argument(driver, vm))
