# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bind the arguments of a call to the parameters of a command, as PowerShell does, by the command's signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from platforms.windows.conversions import ANY, Inconvertible, Types, base_name
from platforms.windows.objects import as_text

COMMON = {
    "Verbose": ["vb"],
    "Debug": ["db"],
    "ErrorAction": ["ea"],
    "WarningAction": ["wa"],
    "InformationAction": ["infa"],
    "ProgressAction": ["proga"],
    "ErrorVariable": ["ev"],
    "WarningVariable": ["wv"],
    "InformationVariable": ["iv"],
    "OutVariable": ["ov"],
    "OutBuffer": ["ob"],
    "PipelineVariable": ["pv"],
}
SHOULD_PROCESS = {"WhatIf": ["wi"], "Confirm": ["cf"]}
#: Parameters that windows_calls adds to a call if the command has them.
ADDED = ("ErrorAction", "WarningAction", "WarningVariable", "Confirm")
_VALIDATION = "ParameterArgumentValidationError"
#: {error id: (category, type of the exception)}; the first entry is that of all other ids.
_KINDS = {
    "": ("InvalidArgument", "ParameterBindingException"),
    "ParameterBindingFailed": ("WriteError", "ParameterBindingException"),
    "ParameterArgumentTransformationError": ("InvalidData", "ParameterBindingArgumentTransformationException"),
    **{
        _VALIDATION + what: ("InvalidData", "ParameterBindingValidationException")
        for what in ("", "NullNotAllowed", "EmptyStringNotAllowed", "EmptyArrayNotAllowed")
    },
}


class BindingError(Exception):
    """The arguments of a call cannot be bound."""

    def __init__(self, id_, parameter=None, kind=None):
        self.id, self.parameter = id_, parameter
        self.category, self.type = kind or _KINDS.get(id_, _KINDS[""])
        super().__init__(f"{id_}: {parameter}" if parameter else id_)


@dataclass(frozen=True)
class Bound:
    """The result of binding: the name of the parameter set, and {parameter: converted value}."""

    set: str
    values: Mapping


@dataclass(frozen=True)
class Command:
    """A command; ``signature`` is an entry of the recorded signatures.

    ``compiled`` is False for functions, which convert values in another way than compiled cmdlets. ``owner`` is the
    part after the comma in the ids of the command's errors.
    """

    name: str
    signature: Mapping
    types: Types = field(default_factory=Types)
    compiled: bool = True
    module: str = ""
    owner: str = ""

    @property
    def parameters(self):
        switch = {"type": "switch", "sets": {"*": {}}}
        declared = {"as_job": "AsJob", "passthru": "Passthru"}
        more = {name: switch for key, name in declared.items() if self.signature.get(key)}
        return {**self.signature["parameters"], **more}

    @property
    def common(self):
        return {**COMMON, **(SHOULD_PROCESS if self.signature.get("impact") else {})}


def bind(command, arguments, added=ADDED):
    """Bind a call; returns Bound. ``arguments`` are values, not the texts of a request. Raises BindingError."""
    more = {name: None for name in added if name in command.common}
    overwritten = {name.lower() for name in more}
    given = {name: value for name, value in arguments.items() if name.lower() not in overwritten}
    return _Binding(command).bind({**given, **more}, added)


class _Binding:
    def __init__(self, command):
        self.command, self.types = command, command.types
        self.parameters, self.common = command.parameters, command.common
        self.default = command.signature.get("default_set")
        names = [name for one in self.parameters.values() for name in one["sets"] if name != "*"]
        self.all_sets = list(dict.fromkeys(([self.default] if self.default else []) + names))
        #: The names of the parameter sets that are still possible, or None as long as no argument excluded one.
        self.left = None
        self.bound = {}

    def bind(self, arguments, added):
        is_unknown = False
        for name, value in arguments.items():
            owner = self._find(name)
            if owner is None:
                is_unknown = name
            else:
                self._bind_one(owner, value)
        self._narrow(is_early=True)
        if is_unknown:
            raise BindingError("NamedParameterNotFound", is_unknown)
        self._narrow(is_early=False)
        self._check_mandatory()
        chosen = self.left[0] if self.left else self.default or "__AllParameterSets"
        return Bound(chosen, {name: value for name, value in self.bound.items() if name not in added})

    def _find(self, name):
        """The parameter with this name or alias, else the only one with a name or alias that begins with it."""
        texts = [(one, one) for one in (*self.parameters, *self.common)]
        texts += [(alias, one) for one, about in self.parameters.items() for alias in about.get("aliases", ())]
        texts += [(alias, one) for one, aliases in self.common.items() for alias in aliases]
        low = name.lower()
        whole = [owner for text, owner in texts if text.lower() == low]
        if whole:
            return whole[0]
        found = {owner for text, owner in texts if text.lower().startswith(low)}
        # The command's own parameters win over the common parameters.
        own = found.intersection(self.parameters) if len(found) > 1 else found
        if found and len(own) != 1:
            raise BindingError("AmbiguousParameter", name)
        return next(iter(own), None)

    def _bind_one(self, name, value):
        if name in self.bound:
            raise BindingError("ParameterAlreadyBound", name)
        if name not in self.parameters:
            self.bound[name] = value
            return
        about = self.parameters[name]
        converted = self._converted(name, value, about["type"])
        _validate(name, converted, about)
        if converted is None and self.types.is_value(about["type"]):
            raise BindingError("ParameterBindingFailed", name)
        self.bound[name] = converted
        own = [one for one in about["sets"] if one != "*"]
        if own:
            self.left = [one for one in (self.all_sets if self.left is None else self.left) if one in own]

    def _converted(self, name, value, type_):
        if self.command.compiled:
            return _Compiled(self.types, name, type_).convert(value)
        try:
            return _as_function(self.types, value, type_)
        except Inconvertible:
            raise BindingError("ParameterArgumentTransformationError", name) from None

    def _narrow(self, is_early):
        """Choose among the possible parameter sets. If ``is_early``, do not choose if a pipeline could still decide."""
        if self.left is not None and not self.left:
            raise BindingError("AmbiguousParameterSet")
        wide = self.all_sets if self.left is None else self.left
        if self.default and (self.left is None or self.default in self.left):
            self.left = self.left if is_early else [self.default]
            return
        if len(wide) < 2:
            return
        unbound = self._unbound()
        if is_early and any(_takes_pipeline(how) and one in (*wide, "*") for one, how in unbound):
            return
        lacking = {one for one, how in unbound if how.get("mandatory")}
        complete = [one for one in wide if one not in lacking]
        if len(complete) != 1:
            raise BindingError("AmbiguousParameterSet")
        self.left = complete

    def _unbound(self):
        return [
            (one, how)
            for name, about in self.parameters.items()
            if name not in self.bound
            for one, how in about["sets"].items()
        ]

    def _check_mandatory(self):
        for one, how in self._unbound():
            if how.get("mandatory") and (one == "*" or self.left is None or one in self.left):
                raise BindingError("MissingMandatoryParameter")


def _takes_pipeline(how):
    return how.get("pipeline") or how.get("pipeline_by_name")


def _as_function(types, value, type_):
    """Convert a value for a function, which converts null like any other value."""
    name = base_name(type_)
    if type_.endswith("[]"):
        items = value if isinstance(value, list) else [value]
        return None if value is None else [types.convert(item, name) for item in items]
    if value is None and type_.endswith("?"):
        return None
    if name == "string" and isinstance(value, list):
        raise Inconvertible
    return types.convert(value, name)


@dataclass(frozen=True)
class _Compiled:
    """Conversion for compiled cmdlets: they do not convert null, and accept lists only as lists or enums."""

    types: Types
    parameter: str
    type: str

    def convert(self, value):
        name, is_list = base_name(self.type), self.type.endswith("[]")
        if value is None:
            return self._null()
        items = value if isinstance(value, list) else [value]
        is_nested = any(isinstance(item, list) for item in items) if is_list else isinstance(value, list)
        takes_list = name in ANY or (name in self.types.enums and not self.type.endswith("?"))
        if is_nested and not takes_list:
            raise BindingError("CannotConvertArgument", self.parameter)
        try:
            if is_list:
                return [self._item(item, name) for item in items]
            return self.types.convert(value, "bool" if name == "switch" else name)
        except Inconvertible:
            is_flag = name in ("bool", "switch")
            id_ = "CannotConvertArgument" if is_flag else "CannotConvertArgumentNoMessage"
            raise BindingError(id_, self.parameter) from None

    def _null(self):
        if self.type == "bool":
            raise BindingError(f"{_VALIDATION}NullNotAllowed", self.parameter, _KINDS[""])
        return True if self.type == "switch" else None

    def _item(self, item, name):
        if item is not None:
            return self.types.convert(item, name)
        return 0 if self.types.is_value(name) else None


def _validate(name, value, about):
    """Check ValidateSet and ValidateRange, then null and empty values of a parameter that is mandatory in any set."""
    is_list = about["type"].endswith("[]") and isinstance(value, list)
    items = value if is_list else [value]
    if not all(_is_listed(item, about) and _is_in_range(item, about) for item in items) or (
        value is None and ("range" in about or _listed(about))
    ):
        raise BindingError(_VALIDATION, name)
    is_mandatory = any(how.get("mandatory") for how in about["sets"].values())
    if not is_mandatory or (value is None and about["type"] == "bool?"):
        return
    if is_list and not items:
        raise BindingError(f"{_VALIDATION}EmptyArrayNotAllowed", name)
    if None in items:
        raise BindingError(f"{_VALIDATION}NullNotAllowed", name)
    if "" in items and base_name(about["type"]) == "string":
        raise BindingError(f"{_VALIDATION}EmptyStringNotAllowed", name)


def _listed(about):
    """The values of a ValidateSet in lower case. A list of sizes is only documentation."""
    values = about.get("values", ())
    return [] if any("GB" in one for one in values) else [one.strip().lower() for one in values]


def _is_listed(item, about):
    listed = _listed(about)
    return not listed or as_text(item).lower() in listed


def _is_in_range(item, about):
    if not about.get("range"):
        return True
    low, high = about["range"]
    return item is not None and low <= item <= high
