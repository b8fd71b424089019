# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, stopping, pausing and suspending VMs; the first start creates the VM."""

from __future__ import annotations

from ..._lifecycle.errors import CommandFailed, PolyvirtError, Timeout
from ..._lifecycle.model import RUNNING, SUSPENDED
from ..._tools import vagrant as tool
from ..._tools import vagrant_output as output
from . import in_vagrant
from .in_vagrant import LONG
from .project import ssh_record
from .settings.port_forwards import clear as clear_forwards
from .settings.provisioners import automatic

#: Seconds that Vagrant gets to power a VM off before the provider's own tool does it.
_POWER_OFF = 2


def start(driver, vm, step):
    known = driver.known(vm.name)
    _clear_forwards(driver, known)
    try:
        driver.vagrant_for(vm.name).run("up", vm.name, *_flags_of_up(driver, vm, known))
    except (CommandFailed, Timeout) as error:
        if tool.is_locked(error):
            raise
        raise _explained(vm, error, driver.project) from error
    # A suspended VM is resumed with the settings that it was suspended with.
    if known.described is not None and vm.power != SUSPENDED:
        _record_start(driver, vm.name, known)


def _flags_of_up(driver, vm, known):
    if known.created is not None or driver.options.get("on_failure") == "keep":
        # Vagrant destroys a VM that does not answer, its disk too, even if it existed before.
        yield "--no-destroy-on-error"
    if known.described is not None and known.created is None:
        yield from ("--provider", known.described["provider"])
    # Vagrant marks a VM as provisioned before it provisions it, so after a failure it does not do it again by itself.
    ran = known.record.get("ran") or {}
    wanted = automatic((known.described or {}).get("provisioners"))
    is_provisioned = automatic(ran.get("provisioners")) == wanted
    if known.created is not None and vm.power != SUSPENDED and known.described and not is_provisioned:
        yield "--provision"


def _record_start(driver, name, known):
    """Record the settings it runs with, and how Vagrant connects by SSH, which the box decides: read once per VM."""
    driver.project.record(name, ran=dict(known.described))
    if "ssh" not in known.record:
        config = output.ssh_configs(driver.vagrant_for(name).read("ssh-config", name)).get(name)
        driver.project.record(name, ssh=ssh_record(config) if config else {})


def _clear_forwards(driver, known):
    """End the port forwards of a VM that has stopped without Vagrant, or is about to: they would keep their ports."""
    if known.created is not None and known.created.provider == "libvirt":
        clear_forwards(driver.commands, known.created.folder)


def stop(driver, vm, step):
    _clear_forwards(driver, driver.known(vm.name))
    driver.tool_for(vm).shut_down(vm.name, vm.id)


def kill(driver, vm, step):
    known = driver.known(vm.name)
    _clear_forwards(driver, known)
    provider_tool = driver.provider_tool_of(known)
    if vm.power == RUNNING or provider_tool is None:
        timeout = _POWER_OFF if provider_tool else in_vagrant.POWER_OFF
        try:
            driver.vagrant_for(vm.name).run("halt", "--force", vm.name, timeout=timeout)
            return
        except CommandFailed:
            if provider_tool is None:
                raise  # The VM may be only locked.
        except Timeout:
            pass  # The provider's tool is the last resort.
    driver.tool_for(vm).power_off(vm.name, vm.id, vm.power)


def pause(driver, vm, step):
    driver.vagrant_for(vm.name).run("suspend", vm.name, timeout=LONG)


def suspend(driver, vm, step):
    driver.vagrant_for(vm.name).run("suspend", vm.name, timeout=LONG)


def resume(driver, vm, step):
    _clear_forwards(driver, driver.known(vm.name))
    driver.vagrant_for(vm.name).run("resume", vm.name, timeout=LONG)


def _explained(vm, error, project):
    """No CommandFailed, after which only the VM's power counts: a guest may run and not be provisioned."""
    remedies = (
        (tool.is_box_missing, "Set a box that exists, or its location in box_url; the host needs access to it."),
        (tool.is_provider_missing, "Install the provider and Vagrant's plugin for it, or set another provider."),
        (tool.is_other_provider, "Delete the VM first (state: absent), or keep its provider."),
        (tool.is_boot_timeout, _UNANSWERED),
        (tool.is_no_project, f"Put a Vagrantfile at {project.path}, or set managed: true."),
        (tool.is_unknown_vm, f"Define it in {project.path}."),
    )
    unknown = error.remedy or "Vagrant reported nothing else; vagrant up --debug shows more."
    remedy = next((remedy for holds, remedy in remedies if holds(error)), unknown)
    return PolyvirtError(f"{vm.name}: {error.message}", remedy)


_UNANSWERED = (
    "Vagrant deletes a new VM that does not answer by SSH; on_failure: keep keeps it for inspection. A slow host"
    " needs native: {vm.boot_timeout: 900}."
)
