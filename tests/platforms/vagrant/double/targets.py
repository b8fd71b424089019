# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs that a command works on, each with the provider that has it or will create it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import NamedTuple

from . import texts
from .output import Failure
from .project import Machine, forget, provider_of
from .providers import provider


class Target(NamedTuple):
    """``state`` is the provider's name of the state, such as "poweroff"; ``id`` is None if the VM does not exist."""

    machine: Machine
    provider: object
    id: str | None
    state: str


class Call:
    """One command: its arguments, the state of the double, the project and the output."""

    def __init__(self, registry, project, output, words):
        self.registry, self.project, self.output = registry, project, output
        self.plain = [word for word in words if not word.startswith("-")]
        self.flags = {word for word in words if word.startswith("-")}

    def targets(self, names, asked=None, reverse=False):
        """The VMs with these names, or all. Vagrant forgets a VM when it finds that its provider does not have it."""
        machines = {machine.name: machine for machine in self.project.machines()}
        for name in names:
            if name not in machines:
                raise Failure("MachineNotFound", texts.UNKNOWN_MACHINE.format(name=name))
        found = [self._target(machines[name], asked) for name in names or machines]
        for target in found:
            self.output.row("metadata", "provider", target.provider.name, target=target.machine.name)
        return found[::-1] if reverse else found

    def message(self, target, text, level="info"):
        self.output.message(text, level, target.machine.name)

    @contextmanager
    def action(self, target, name):
        """Hold the lock of a VM and write the rows for the begin and the end of an action."""
        with self.registry.locked(target.machine, name):
            self.output.row("action", name, "start", target=target.machine.name)
            yield
            self.output.row("action", name, "end", target=target.machine.name)

    def refreshed(self, target):
        """The same VM in its present state."""
        return self._target(target.machine, None)

    def _target(self, machine, asked):
        active, identifier = provider_of(machine)
        if active and asked and asked != active:
            text = texts.OTHER_PROVIDER.format(name=machine.name, active=active, asked=asked)
            raise Failure("ActiveMachineWithDifferentProvider", text)
        name = active or asked or machine.provider
        if not active:
            self._require(name, machine)
        backend = provider(self.registry, name)
        state = backend.state(identifier)
        if state == "not_created":  # Machine#state of machine.rb, whether it had an id or not.
            forget(machine, name)
            identifier = None
        return Target(machine, backend, identifier, state)

    def _require(self, name, machine):
        state = self.registry.read()
        if name not in [*state["known"], *state["usable"]]:
            known = ", ".join(state["known"])
            text = texts.UNKNOWN_PROVIDER.format(provider=name, name=machine.name, known=known)
            raise Failure("ProviderNotFound", text)
        if name not in state["usable"]:
            reason = texts.UNUSABLE.get(name, "It is not installed.")
            text = texts.UNUSABLE_PROVIDER.format(provider=name, name=machine.name, reason=reason)
            raise Failure("ProviderNotUsable", text)
