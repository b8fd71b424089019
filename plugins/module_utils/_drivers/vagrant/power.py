# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: starts, stops, pauses and suspends VMs; the first start creates the VM."""

from __future__ import annotations

from contextlib import contextmanager, suppress

from ..._core.errors import CommandFailed, PolyvirtError, Refused, Timeout
from ..._core.model import RUNNING, STOPPED, SUSPENDED
from ..._ports import change_counter, permits
from ..._tools import vagrant as tool
from ..._tools import vagrant_output as output
from . import in_vagrant
from .delete import destroy
from .guards import check_name_is_free
from .in_vagrant import LONG
from .needed import is_half_made
from .project import ssh_record
from .settings.port_forwards import clear as clear_forwards
from .settings.table import automatic

#: Timeout in seconds of powering off with Vagrant, after which the provider's own tool does it.
_POWER_OFF = 2


def start(driver, vm, step):
    project_vm = _without_remains(driver, vm)
    _clear_forwards(driver, project_vm)
    try:
        with _first_start_recorded(driver, project_vm):
            driver.vagrant_for(vm.name).run("up", vm.name, *_flags_of_up(driver, vm, project_vm))
    except (CommandFailed, Timeout) as error:
        if tool.is_locked(error):
            raise
        if isinstance(error, CommandFailed) and _lists_its_disks(driver, project_vm):
            with suppress(PolyvirtError):  # Why the start has failed matters more than why the VM remains.
                _undo_first_start(driver, vm.name)
        raise _explained(vm, error, driver.project) from error
    # A suspended VM resumes with its former settings, so nothing is recorded.
    if project_vm.described is not None and vm.power != SUSPENDED:
        _record_start(driver, vm.name, project_vm)


@contextmanager
def _first_start_recorded(driver, project_vm):
    """Record that the first start begins; take that back if it has failed before Vagrant created anything."""
    if project_vm.described is None or project_vm.created is not None:
        yield
        return
    name, before = project_vm.name, change_counter.count()
    driver.project.begin_first_start(name, driver.place_of(project_vm))
    begun = change_counter.count()
    try:
        yield
    except (CommandFailed, Timeout) as error:
        nothing_done = change_counter.count() == begun
        # Another process that holds the lock may be starting it for the first time.
        if not tool.is_locked(error) and driver.project_vm(name).created is None:
            driver.project.end_first_start(name)
        if nothing_done:
            change_counter.set_back(before)
        raise


def _lists_its_disks(driver, project_vm):
    """Whether a new VM of a managed project can be deleted here, so that Vagrant must not do it unseen."""
    if project_vm.created is not None or project_vm.described is None or driver.options.get("on_failure") == "keep":
        return False
    described = project_vm.described
    return driver.tool_of_new(described["provider"], described.get("native") or {}) is not None


def _undo_first_start(driver, name):
    """Delete a new VM that never answered, as Vagrant would, but nothing that somebody attached to it."""
    project_vm = driver.project_vm(name)
    provider_tool = driver.provider_tool_of(project_vm)
    if provider_tool is None or project_vm.created.is_provisioned:
        return
    identifier = project_vm.created.id
    found = provider_tool.observe([identifier], frozenset()).get(identifier)
    if found is not None and found.power != STOPPED:
        provider_tool.power_off(name, identifier, found.power)
    destroy(driver, project_vm)
    driver.project.end_first_start(name)


def _without_remains(driver, vm):
    """The ProjectVm, after what a killed task has left of a VM that was never started is removed."""
    project_vm = driver.project_vm(vm.name)
    if not project_vm.begun or vm.id is not None:
        return project_vm
    if project_vm.created is not None and not driver.is_gone(project_vm):
        _check_half_made(driver, project_vm)
        destroy(driver, project_vm)
    elif project_vm.created is None and project_vm.described["provider"] == "libvirt":
        # vagrant-libvirt creates the disk before the VM, and removes such a disk here, whoever uses it.
        check_name_is_free(driver, project_vm, project_vm.described)
        thing = ("volume", vm.name)
        with permits.also(things=[thing]):
            driver.vagrant_for(vm.name).run("destroy", "-f", vm.name, timeout=LONG, loses=thing)
    return driver.project_vm(vm.name)


def _check_half_made(driver, project_vm):
    """Raise Refused if another task, or a user, has started the VM in the meantime."""
    identifier = project_vm.created.id
    found = driver.provider_tool_of(project_vm).observe([identifier], frozenset(), [identifier]).get(identifier)
    if found is not None and not is_half_made(driver.project_vm(project_vm.name), found):
        raise Refused(f"{project_vm.name}: it was started meanwhile.", "Run the task again.")


def _flags_of_up(driver, vm, project_vm):
    is_kept = project_vm.created is not None or driver.options.get("on_failure") == "keep"
    if is_kept or _lists_its_disks(driver, project_vm):
        # Without this option, Vagrant destroys a VM that does not answer, with its disk, even if it existed before.
        yield "--no-destroy-on-error"
    if project_vm.described is not None and project_vm.created is None:
        yield from ("--provider", project_vm.described["provider"])
    # Vagrant marks a VM as provisioned before it provisions it, so after a failure it needs this option to do it again.
    ran = project_vm.record.get("ran") or {}
    requested = automatic((project_vm.described or {}).get("provisioners"))
    is_provisioned = automatic(ran.get("provisioners")) == requested
    if project_vm.created is not None and vm.power != SUSPENDED and project_vm.described and not is_provisioned:
        yield "--provision"


def _record_start(driver, name, project_vm):
    """Record the settings of this start, and the SSH connection, which depends on the box and is read once per VM."""
    driver.project.record(name, ran=dict(project_vm.described), place=driver.place_of(project_vm))
    driver.project.end_first_start(name)
    if "ssh" not in project_vm.record:
        config = output.ssh_configs(driver.vagrant_for(name).read("ssh-config", name)).get(name)
        driver.project.record(name, ssh=ssh_record(config) if config else {})


def _clear_forwards(driver, project_vm):
    """End the port forwards of a VM that is, or will be, stopped without Vagrant: they would keep their ports."""
    if project_vm.created is not None and project_vm.created.provider == "libvirt":
        clear_forwards(driver.commands, project_vm.created.folder)


def stop(driver, vm, step):
    _clear_forwards(driver, driver.project_vm(vm.name))
    driver.tool_for(vm).shut_down(vm.name, vm.id)


def kill(driver, vm, step):
    project_vm = driver.project_vm(vm.name)
    _clear_forwards(driver, project_vm)
    provider_tool = driver.provider_tool_of(project_vm)
    if vm.power == RUNNING or provider_tool is None:
        timeout = _POWER_OFF if provider_tool else in_vagrant.POWER_OFF
        try:
            driver.vagrant_for(vm.name).run("halt", "--force", vm.name, timeout=timeout)
            return
        except CommandFailed:
            if provider_tool is None:
                raise  # The VM may only be locked.
        except Timeout:
            pass  # The provider's tool is the last resort.
    driver.tool_for(vm).power_off(vm.name, vm.id, vm.power)


def pause(driver, vm, step):
    driver.vagrant_for(vm.name).run("suspend", vm.name, timeout=LONG)


def suspend(driver, vm, step):
    driver.vagrant_for(vm.name).run("suspend", vm.name, timeout=LONG)


def resume(driver, vm, step):
    _clear_forwards(driver, driver.project_vm(vm.name))
    driver.vagrant_for(vm.name).run("resume", vm.name, timeout=LONG)


def _explained(vm, error, project):
    """A PolyvirtError with a remedy. After a CommandFailed, the core would only check the power state, but a guest may
    be running and not be provisioned.
    """
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
    "A new VM that does not answer by SSH is deleted; on_failure: keep keeps it for inspection. A slow host needs"
    " native: {vm.boot_timeout: 900}."
)
