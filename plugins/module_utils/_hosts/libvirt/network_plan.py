# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: compute and check the steps from a network as it is to the options of a task. Changes nothing.

The stored definition gets all options by ``net-define``. The running network gets by ``net-update`` what libvirt can
change while it runs; each of the two is compared with the options separately, because a task may have been interrupted
between them. Everything else takes effect at the next start of the network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from ..._core.errors import Refused
from ..._core.frozen import field, replace
from ..._kit.native_paths import same_text
from ..._tools import virsh_network_running as running_side
from ..._tools import virsh_network_values as values
from ..._tools.domain_xml import Definition
from ..course import Step
from .defined_plan import ABSENT, DefinedState, absence, shown
from .network_checks import NetworkChecks
from .network_options import ISOLATED, NAT


class NetworkState(DefinedState):
    """One network, and what else the host has that matters for it. ``guests``: running VMs that use the network
    or its bridge, and other ports of the bridge.

    ``users``: all VMs with it in their definition. ``reserved``: {(MAC, address): VM} of the reservations that belong
    to VMs. ``used``: [(subnet, where)] of everything else on the host. ``bridges``: {bridge: other network that has
    it}; ``interfaces``: {interface: whether it is a bridge}, None if the host is another one. ``has_tftp``: whether the
    requested directory for TFTP exists, None if the host is another one.
    """

    users: tuple = ()
    reserved: Mapping = field(default_factory=dict)
    used: tuple = ()
    bridges: Mapping = field(default_factory=dict)
    interfaces: Any = None
    has_tftp: Any = None

    @property
    def values(self):
        return None if self.root is None else values.read(self.root)


def plan_network(wanted, state):
    """Return (steps, NetworkState after them). Raises Refused and NotFound before anything is changed."""
    if wanted["state"] == ABSENT:
        return absence("net", state, lambda network: _check_unused(network, "deleted"))
    return _Plan(wanted, state).steps()


def _check_unused(state, verb):
    if state.guests:
        raise Refused(
            f"{state.name}: the network cannot be {verb}: this would cut off {', '.join(state.guests)}.",
            "Stop them, or attach them to another network or bridge, first. Nothing was changed.",
        )


def text_of(value):
    """The text of a value of ``native``; None: it is removed."""
    return None if value is None else ("yes" if value is True else "no" if value is False else str(value))


class _Plan(NetworkChecks):
    """One requested network, and the network of this name, if there is one."""

    kind = "net"

    def __init__(self, wanted, state):
        super().__init__(wanted, state)
        base = state.root
        root = Element("network") if base is None else copy.deepcopy(base)
        if base is None:
            values.write(root, {"mode": wanted["mode"] or (NAT if wanted["addresses"] else ISOLATED)}, False, None)
            Definition.of(root).set("name", self._name)
        elif state.stored is None:
            root.attrib.pop("connections", None)
        self._before = state.values
        self._native_before = self._native(base)
        values.write(root, wanted, wanted["purge"], self._is_reserved)
        by_options = values.read(root)
        self._write_native(root)
        self._root, self._after = root, values.read(root)
        #: Options with another value because of ``native``.
        self._by_native = [name for name, value in by_options.items() if self._after[name] != value]

    def _is_reserved(self, entry):
        return (entry.get("mac"), entry["address"]) in self._state.reserved

    def _native(self, root):
        definition = Definition.of(Element("network") if root is None else root)
        return {path: definition.native(path) for path in self._wanted["native"] or {}}

    def _write_native(self, root):
        definition = Definition.of(root)
        for path, value in (self._wanted["native"] or {}).items():
            # An option may have removed it, such as mode.
            if not same_text(definition.native(path), text_of(value)):
                if path == "forward@dev":
                    # libvirt repeats the device there, and takes it from there.
                    values.remove_interfaces(root, self._native_before[path])
                definition.set_native(path, value)

    def _shown_of_new(self):
        return {**shown(self._after), **self._native(self._root)}

    def _values_before_and_after(self):
        native = self._native(self._root)
        return {
            **super()._values_before_and_after(),
            **{f"native.{path}": (self._native_before[path], native[path]) for path in native},
        }

    def _text(self):
        return Definition.of(self._root).text()

    def _definition_steps(self):
        """Entries of lists are stored one by one if nothing else changes: other tasks may change others meanwhile."""
        steps, stored = super()._definition_steps(), self._state.stored
        keys = {f"{self._name}.{option}": option for option in running_side.SECTIONS}
        if stored is None or any(step.key not in keys for step in steps):
            return steps
        return [
            replace(step, calls=self._update_calls(keys[step.key], stored, self._root, "--config")) for step in steps
        ]

    def _update_calls(self, option, before, after, side):
        section = running_side.SECTIONS[option]
        return tuple(
            ("net-update", self._name, command, section, text, *more, side)
            for command, text, more in running_side.updates(option, before, after)
        )

    # The running network ----------------------------------------------------------------------------------------------

    def _running_steps(self):
        running = self._state.running
        is_pending = running_side.start_content(self._root) != running_side.start_content(running)
        restart = [self._restart_step()] if is_pending else []
        if restart and not restart[0].waits:
            return restart
        return [*self._updates(running), *restart]

    def _updates(self, running):
        target = copy.deepcopy(running)
        values.write(target, self._wanted, self._wanted["purge"], self._is_reserved, tuple(running_side.SECTIONS))
        before, after = values.read(running), values.read(target)
        steps = []
        for option in running_side.SECTIONS:
            calls = self._update_calls(option, running, target, "--live")
            if calls:
                steps.append(Step(f"{self._name}.running.{option}", before[option], after[option], calls))
        return steps

    def _check_unused(self, verb):
        _check_unused(self._state, verb)
