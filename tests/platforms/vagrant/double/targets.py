# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines that a call is about, each with the provider that has it or shall have it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import NamedTuple

from . import texts
from .project import Machine, forget, provider_of
from .providers import provider
from .speech import Failure


class Target(NamedTuple):
    machine: Machine
    provider: object
    id: str | None
    word: str


class Call:
    """One call: what it was given, what it knows, and how it speaks."""

    def __init__(self, registry, project, speech, words):
        self.registry, self.project, self.speech = registry, project, speech
        self.plain = [word for word in words if not word.startswith("-")]
        self.flags = {word for word in words if word.startswith("-")}

    def targets(self, names, asked=None, reverse=False):
        """The machines of these names, or all of them; looking at one makes Vagrant forget it if its provider did."""
        machines = {machine.name: machine for machine in self.project.machines()}
        for name in names:
            if name not in machines:
                raise Failure("MachineNotFound", texts.UNKNOWN_MACHINE.format(name=name))
        found = [self._target(machines[name], asked) for name in names or machines]
        for target in found:
            self.speech.row("metadata", "provider", target.provider.name, target=target.machine.name)
        return found[::-1] if reverse else found

    def tell(self, target, text, level="info"):
        self.speech.say(text, level, target.machine.name)

    @contextmanager
    def action(self, target, name):
        """What is done to a machine, with its lock held."""
        with self.registry.held(target.machine, name):
            self.speech.row("action", name, "start", target=target.machine.name)
            yield
            self.speech.row("action", name, "end", target=target.machine.name)

    def again(self, target):
        """The same machine as it is now."""
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
        word = backend.word(identifier)
        if identifier and word == "not_created":
            forget(machine, name)
            identifier = None
        return Target(machine, backend, identifier, word)

    def _require(self, name, machine):
        state = self.registry.look()
        if name not in [*state["known"], *state["usable"]]:
            known = ", ".join(state["known"])
            text = texts.UNKNOWN_PROVIDER.format(provider=name, name=machine.name, known=known)
            raise Failure("ProviderNotFound", text)
        if name not in state["usable"]:
            reason = texts.UNUSABLE.get(name, "It is not installed.")
            text = texts.UNUSABLE_PROVIDER.format(provider=name, name=machine.name, reason=reason)
            raise Failure("ProviderNotUsable", text)
