# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe an existing VM as the task of ``polyvirt.core.vm`` that keeps it as it is. Pure.

The planner decides what the task can hold: a setting is left out, with the reason, if a task with it would fail or
change anything, or if it would not be compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional

from ..errors import PolyvirtError
from ..frozen import Frozen
from ..model import ABSENT, COLLECTIONS, PAUSED, RUNNING, STOPPED, SUSPENDED, Field, Secret
from ..options.option import CONNECTION, PLACE, SETTING, TOGETHER, VM
from ..options.request import check_names, requests
from ..planner.drives import as_one_option
from ..planner.plan import plan
from ..record.document_secrets import secrets_in_document
from ..record.mark import UNFINISHED, image_of, own_disks, recorded_inputs
from ..units import human_size
from .vm_result import in_nic_order

#: Why a setting is not in the task.
DEFAULT, IDENTITY, SECRET, CREATION, UNSUPPORTED = "default", "identity", "secret", "creation", "unsupported"
_REASONS = {
    DEFAULT: "It has the default value. A task without the option does not report a change of it.",
    IDENTITY: "The platform or this collection chooses it for each new VM.",
    SECRET: "It is a secret. Use a variable, and keep its value in a vault.",
    CREATION: "It is used at creation only, and its value is not stored with the VM.",
    UNSUPPORTED: "No option sets it.",
}
_STATES = {RUNNING: "started", STOPPED: "stopped", PAUSED: "paused", SUSPENDED: "suspended"}
#: In a task even if they are the default: readers look for them, and defaults of later versions may differ.
_ALWAYS = (("cpus",), ("memory",))
_NOTHING = (None, False, "", (), {})


class Part(Frozen):
    """One value of a task. ``path`` is (option), (option, attribute), (option, entry) or (option, entry, attribute).

    The value of an entry is {required attribute: value}; other values have the form of ``Vm.config``.
    """

    path: tuple
    value: object


class Omission(Frozen):
    """A setting that the task cannot hold. ``variable`` is the name of a variable for a secret."""

    path: tuple
    kind: str
    reason: str = ""
    variable: Optional[str] = None

    def shown(self):
        """Return the entry of ``not_described``."""
        path, reason = ".".join(map(str, self.path)), self.reason or _REASONS[self.kind]
        return {"path": path, "kind": self.kind, "reason": reason, "variable": self.variable}


def task_of(vm, traits, options, connection=None, with_id=False):
    """Return (task, not described) of a VM as JSON types; without a complete VM, the task is None.

    ``options`` are those of the module that changes VMs of this platform, ``connection`` the parameters of the info
    module. ``with_id``: the name alone does not select the VM.
    """
    if vm.power == ABSENT or vm.reason == UNFINISHED:
        why = "The VM does not exist." if vm.power == ABSENT else "The VM is not completely created."
        return None, [Omission(("state",), CREATION, why).shown()]
    subject = _Subject(vm.having(busy=None), traits, options, with_id or not _can_be_named(vm.name))
    parts, omitted = subject.parts()
    kept, rejected = subject.confirmed(parts)
    given, secrets = _connection(vm, connection or {}, options)
    task = _nested({**subject.task(kept), **given})
    return {"platform": traits.platform, **task}, [one.shown() for one in [*omitted, *rejected, *secrets]]


def _can_be_named(name):
    """Return whether the module accepts the name, and Ansible passes it on as it is."""
    try:
        check_names([name], None)
    except PolyvirtError:
        return False
    return name.isprintable() and "," not in name


def _nested(task):
    """Return the task of ``vm``: options of one platform are below ``options``."""
    own = {name: value for name, value in task.items() if name not in VM}
    return {**{name: value for name, value in task.items() if name in VM}, **({"options": own} if own else {})}


def _connection(vm, given, options):
    """Return ({option: value}, omitted secrets) of the connection that was set to read the VM."""
    names = [name for name, one in options.items() if one.role == CONNECTION and name not in VM]
    used = [name for name in names if given.get(name) not in (None, options[name].default) and not options[name].hidden]
    secrets = [Omission((name,), SECRET, variable=_variable("", (name,))) for name in used if options[name].secret]
    return {name: given[name] for name in used if not options[name].secret}, secrets


def _variable(label, path):
    """Return the name of a variable for a secret of a VM."""
    name = re.sub(r"\W+", "_", "_".join([label, *path]), flags=re.ASCII).strip("_").lower()
    return name if name[:1].isalpha() else f"vm_{name}"


class _Subject(Frozen):
    """The VM to describe, and what its platform supports."""

    vm: object
    traits: object
    options: Mapping
    with_id: bool

    # What the task may hold -------------------------------------------------------------------------------------------

    def parts(self):
        """Return ([Part], [Omission]) of all settings, before the planner is asked."""
        config = as_one_option(self.traits.as_options(self.vm, self.vm.config))
        found = [Part(("state",), _STATES.get(self.vm.power, "present")), *self._settings(config)]
        parts, omitted = [], []
        for part in found:
            why = self._omitted(part, config)
            if why is None:
                parts.append(part)
            else:
                omitted.append(why)
        gone = {one.path for one in omitted}
        kept = [part for part in parts if not any(part.path[:length] in gone for length in (1, 2))]
        created, others = self._created_from(kept)
        unknown = [Omission((name,), UNSUPPORTED, why) for name, why in self.vm.not_modelled().items()]
        return [*kept, *created, *self._complete_lists(config, kept)], [*omitted, *others, *unknown]

    def _settings(self, config):
        """Yield the Part of each setting that the platform reports, in the order of the options."""
        names = [name for name in self.options if name in config]
        for name in [*names, *sorted(set(config) - set(names))]:
            value = config[name]
            if name in COLLECTIONS and value:
                for key, entry in in_nic_order(value) if name == "networks" else sorted(value.items()):
                    yield from self._entry(name, key, entry)
            elif isinstance(value, Mapping) and value:
                yield from (Part((name, attribute), one) for attribute, one in value.items() if one is not None)
            elif value is not None and (name, value) != ("native", {}):
                yield Part((name,), value)

    def _entry(self, name, key, entry):
        suboptions = self.options[name].options if name in self.options else {}
        together = self._key(name) == TOGETHER
        required = [one for one, option in suboptions.items() if (option.required or together) and one in entry]
        yield Part((name, key), {one: entry[one] for one in required})
        rest = {attribute: value for attribute, value in entry.items() if attribute not in required}
        unreadable = [Part((name, key, "size"), None)] if name == "disks" and rest.get("size", 0) is None else []
        yield from [*unreadable, *(Part((name, key, one), value) for one, value in rest.items() if value is not None)]

    def _option(self, path):
        """Return the Option that sets the value at a path, or None."""
        option = self.options.get(path[0])
        if option is None or option.role != SETTING:
            return None
        attribute = path[-1] if len(path) == (3 if path[0] in COLLECTIONS else 2) else None
        return option.options.get(attribute) if attribute and option.options else option

    def _omitted(self, part, config):
        """Return the Omission of a value that no task may or can hold, or None."""
        path, value = part.path, part.value
        if path == ("state",):
            return None
        option = self._option(path)
        if self._is_identity(path, config):
            return Omission(path, IDENTITY)
        if option is None:
            return Omission(path, UNSUPPORTED)
        if value is None:
            return Omission(path, UNSUPPORTED, "It cannot be read.")
        if len(path) != 2 and value in _NOTHING and self._is_default(path, value, option):
            return Omission(path, DEFAULT)
        if option.secret or _is_secret(path[-1], value):
            return Omission(path, SECRET, variable=_variable(self.vm.name, path))
        if self._is_default(path, value, option):
            return Omission(path, DEFAULT)
        return self._not_a_choice(path, value, option)

    def _is_default(self, path, value, option):
        name = path[0]
        if name == "native" or path in _ALWAYS:
            return False
        if name in COLLECTIONS and len(path) < 3:
            return value == {} and len(path) == 1 and not self.traits.defaults.get(name)
        field = self.traits.fields.get(".".join([name, *path[-1:]] if len(path) > 1 else path), Field())
        default = None if len(path) == 3 else self.traits.defaults.get(name)
        if len(path) == 2:
            default = (default or {}).get(path[1])
        if default is None:
            default = option.default if field.unset is None else field.unset
        return value in _NOTHING if default is None else field.same(value, default)

    def _is_identity(self, path, config):
        """Whether the value only identifies a part of this VM: a new VM gets another one."""
        if len(path) < 3:
            return False
        entry = config[path[0]][path[1]]
        if (path[0], path[2]) == ("networks", "mac"):
            # A reservation of DHCP is for this MAC address.
            return not entry.get("address")
        return (path[0], path[2]) == ("disks", "source") and entry.get("source") in own_disks(self.vm)

    def _not_a_choice(self, path, value, option):
        values = value if isinstance(value, (tuple, list)) else [value]
        other = [one for one in values if option.choices and one not in option.choices]
        return Omission(path, UNSUPPORTED, f"The value {other[0]} cannot be set.") if other else None

    def _created_from(self, parts):
        """Return ([Part], [Omission]) of the inputs of the creation, as far as they are known."""
        image, slot = image_of(self.vm), recorded_inputs(self.vm).get("slot")
        # The slot as the task names it, such as sata0 for sda.
        slots = [part.path[1] for part in parts if part.path[0] == "disks" and len(part.path) > 1]
        named = next((one for one in slots if self.traits.slot_meant(one) == slot), slot)
        first = ("disks", named or self.traits.slot(0), "source")
        omitted = [Omission(("cloud_init",), CREATION)] if recorded_inputs(self.vm).get("cloud_init") else []
        if image is None or "image" not in self.options:
            return [], omitted
        if any(part.path == first for part in parts):
            return [], [Omission(("image",), CREATION, "The task sets the disk that was created from it."), *omitted]
        return [Part(("image",), {"source": image["name"], "slot": named} if slot else image["name"])], omitted

    def _complete_lists(self, config, parts):
        """Return the Part for each list that would have to be complete, so that further entries are reported."""
        purge = self.options.get("purge")
        named = {part.path[0] for part in parts}
        return [Part(("purge", name), name) for name in (purge.choices if purge else ()) if name in named]

    # What the planner confirms ----------------------------------------------------------------------------------------

    def confirmed(self, parts):
        """Return (those of ``parts`` with which a task changes nothing, [Omission] of the others)."""
        if self._problem(parts, self.task(parts)) is None:
            return parts, []
        kept, omitted = [], []
        # Of two options that exclude each other, native says more.
        for part in sorted(parts, key=lambda part: part.path[0] != "native"):
            if any(one.path == part.path[: len(one.path)] for one in omitted):
                continue
            problem = self._rejected(part, kept)
            if problem is None:
                kept.append(part)
            else:
                omitted.append(Omission(part.path, UNSUPPORTED, problem))
        return [part for part in parts if part in kept], omitted

    def _rejected(self, part, kept):
        """Return why a part cannot be added to the task, or None."""
        problem = self._problem([*kept, part], self.task([*kept, part]))
        if problem and part.path[0] == "purge":
            return f"The list {part.value} cannot be complete, so a task does not report an entry that is added."
        return problem

    def _key(self, name):
        return self.options[name].key if name in self.options else ""

    def _problem(self, parts, task):
        """Return why the task does more, or compares less, than to keep the VM as it is; None if it does not."""
        try:
            (request,) = requests(_with_defaults(self.options, task), self.options)
        except PolyvirtError as error:
            return self._without_name(str(error))
        planned = plan(self.vm, request, self.traits)
        if planned.refusal is not None:
            return self._without_name(planned.refusal.message)
        if planned.changed:
            paths = [change.path for step in planned.steps for change in step.changes]
            return f"A task with it would change {', '.join(paths) or 'the power state'}."
        unread = [path for path in planned.not_compared if path not in request.creation]
        return f"{unread[0]} cannot be read back." if unread else None

    def _without_name(self, message):
        prefix = f"{self.vm.name}: "
        return message[len(prefix) :] if message.startswith(prefix) else message

    # The task ---------------------------------------------------------------------------------------------------------

    def task(self, parts):
        """Return the task with these parts, as a user writes it."""
        selection = {"id": self.vm.id} if self.with_id else {}
        task = {**({"name": self.vm.name} if _can_be_named(self.vm.name) else {}), **selection}
        for part in parts:
            name = part.path[0]
            if name in COLLECTIONS:
                self._add_entry(task.setdefault(name, {}), part)
            elif name == "purge":
                task.setdefault(name, []).append(part.value)
            elif len(part.path) == 2:
                task.setdefault(name, {})[part.path[1]] = self._written(part.path, part.value)
            else:
                task[name] = self._written(part.path, part.value)
        return {name: self._listed(name, value) if name in COLLECTIONS else value for name, value in task.items()}

    def _add_entry(self, entries, part):
        if len(part.path) == 1:
            return
        key = part.path[1]
        if len(part.path) == 2:
            entries[key] = {name: self._written((*part.path, name), one) for name, one in part.value.items()}
        else:
            entries[key][part.path[2]] = self._written(part.path, part.value)

    def _listed(self, name, entries):
        key = self._key(name)
        return [entry if key in (PLACE, TOGETHER) else {key: place, **entry} for place, entry in entries.items()]

    def _written(self, path, value):
        option = self._option(path)
        if option is not None and option.unit and isinstance(value, int):
            return human_size(value)
        return _plain(value)


def _plain(value):
    """Return a value as JSON types."""
    if isinstance(value, (tuple, list, set, frozenset)):
        return [_plain(one) for one in value]
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, Mapping) else value


def _is_secret(name, value):
    """Whether a value is a secret, or contains one."""
    if isinstance(value, Secret):
        return True
    if isinstance(value, Mapping):
        return any(_is_secret(key, one) for key, one in value.items())
    if isinstance(value, (tuple, list)):
        return any(_is_secret(name, one) for one in value)
    return isinstance(value, str) and bool(secrets_in_document({name: value}))


def _with_defaults(options, task):
    """Return the parameters of a module as Ansible passes them, for a task with valid types."""
    params = {name: option.default for name, option in options.items()} | task
    params["name"] = [task["name"]] if task.get("name") else None
    if "controller_time" in options:
        # The VM has the expiry of the task, which no time of a run moves. Without a time, a duration is an error.
        params["controller_time"] = 0
    for name, option in options.items():
        if params.get(name) is None or not option.options:
            continue
        if option.short:
            params[name] = option.in_full(params[name], name)
        value = params[name]
        params[name] = [_filled(option, one) for one in value] if isinstance(value, list) else _filled(option, value)
    return params


def _filled(option, entry):
    return {name: one.default for name, one in option.options.items()} | entry
