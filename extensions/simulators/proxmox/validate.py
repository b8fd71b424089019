# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters against the schema, with the texts of the real validator."""

from __future__ import annotations

import re

from . import formats, propertystring
from .errors import ParameterError

_UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"
_MISSING = "property is missing and it is not optional"
_TYPES = {
    "boolean": r"[01]",
    "integer": r"[+-]?\d+",
    "number": r"[+-]?(?:\d+\.\d+|\d+\.|\.\d+|\d+)(?:[eE][+-]?\d+)?",
}


def parameters(schema, endpoint, values):
    """The parameters as strings (arrays as lists of strings). Raises ParameterError with all errors."""
    texts = {key: _text(value) for key, value in values.items()}
    rules = schema.parameters(endpoint)
    errors = {}
    _check_object(schema, rules, texts, "", errors)
    if errors:
        raise ParameterError.of(errors)
    return texts


def _text(value):
    if isinstance(value, (list, tuple)):
        return [_text(item) for item in value]
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, (str, dict)) else str(value)


def _check_object(schema, rules, values, prefix, errors):
    for key, rule in rules.items():
        if key in values:
            _check_requirement(rule, prefix + key, prefix, values, errors)
        elif not rule.get("optional") and "alias" not in rule:
            errors.setdefault(prefix + key, _MISSING)
    for key, value in values.items():
        rule = rules.get(key)
        problem = _UNKNOWN if rule is None else _problem(schema, rule, prefix + key, value)
        if problem:
            errors[prefix + key] = problem


def _check_requirement(rule, key, prefix, values, errors):
    needed = rule.get("requires")
    if needed and needed not in values:
        errors[prefix + needed] = f"missing property required by '{key}'"


def _problem(schema, rule, key, value):
    kind = rule.get("type", "string")
    if kind == "array":
        items = value if isinstance(value, list) else [value]
        return next(filter(None, (_problem(schema, rule.get("items", {}), key, item) for item in items)), None)
    if isinstance(value, (list, dict)):
        return f"type check ('{kind}') failed - got {'ARRAY' if isinstance(value, list) else 'HASH'}"
    if kind in _TYPES and not re.fullmatch(_TYPES[kind], value):
        return f"type check ('{kind}') failed - got '{value}'"
    if "format" in rule:
        problem = _format_problem(schema, rule["format"], key, value)
        if problem:
            return f"invalid format - {problem}"
    return _limit_problem(rule, value)


def _limit_problem(rule, value):
    # The server's patterns must match the whole value.
    if "pattern" in rule and not re.fullmatch(rule["pattern"], value):
        return "value does not match the regex pattern"
    if len(value) > rule.get("maxLength", len(value)):
        return f"value may only be {rule['maxLength']} characters long"
    if len(value) < rule.get("minLength", 0):
        return f"value must be at least {rule['minLength']} characters long"
    if rule.get("type") in ("integer", "number"):
        return _range_problem(rule, float(value))
    if rule.get("enum") and value not in rule["enum"]:
        return f"value '{value}' does not have a value in the enumeration '{', '.join(rule['enum'])}'"
    return None


def _range_problem(rule, number):
    if number < rule.get("minimum", number):
        return f"value must have a minimum value of {rule['minimum']}"
    if number > rule.get("maximum", number):
        return f"value must have a maximum value of {rule['maximum']}"
    return None


def _format_problem(schema, name, key, value):
    properties = schema.property_format(name)
    if properties is None:
        try:
            formats.check(name, value)
        except formats.Refused as refused:
            return str(refused)
        return None
    try:
        values = propertystring.parse(value, properties)
    except propertystring.Malformed as malformed:
        return str(malformed)
    errors = {}
    _check_object(schema, properties, values, f"{key}.", errors)
    if errors:
        return "format error\n" + "".join(f"{path}: {text}\n" for path, text in sorted(errors.items()))
    if name == "prune-backups" and values.get("keep-all") == "1" and len(values) > 1:
        return "keep-all cannot be set together with other options.\n"
    return _cpu_problem(schema, values) if name == "pve-vm-cpu-conf" else None


#: The flags that a VM may set itself; others are for custom models.
_CPU_FLAGS = (
    *("aes", "amd-no-ssb", "amd-ssbd", "hv-evmcs", "hv-tlbflush", "ibpb", "md-clear", "nested-virt", "pcid"),
    *("pdpe1gb", "spec-ctrl", "ssbd", "virt-ssbd"),
)


def _cpu_problem(schema, values):
    model = values.get("cputype")
    if model is None or model in schema.cpu_models or model.removeprefix("custom-") in schema.custom_cpu_models:
        flags = [flag[1:] for flag in values.get("flags", "").split(";") if flag]
        if all(flag in _CPU_FLAGS for flag in flags):
            return None
        return f"VM-specific CPU flags must be a subset of: {', '.join(_CPU_FLAGS)}\n"
    if model.startswith("custom-"):
        # The text is ASSUMED.
        return f"Custom cputype '{model.removeprefix('custom-')}' not found\n"
    return f"Built-in cputype '{model}' is not defined (missing 'custom-' prefix?)\n"
