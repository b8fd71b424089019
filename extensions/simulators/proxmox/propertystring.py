# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the form ``local-lvm:32,discard=on``: parsed by their format, and printed as the server prints them."""

from __future__ import annotations

_TRUE, _FALSE = {"1", "on", "yes", "true"}, {"0", "off", "no", "false"}


class Malformed(Exception):
    """The text does not have the form of a property string."""


def parse(text, schema):
    """{key: value} with aliases resolved and booleans converted to 0 and 1; unknown keys are kept."""
    found = {}
    for part in text.split(","):
        if part.strip():
            key, value = _pair(part, schema)
            key, extra = _resolved(key, value, schema)
            for name in (key, *extra):
                if name in found:
                    raise Malformed(f"duplicate key in comma-separated list property: {name}\n")
            found[key] = _worded(value, schema.get(key, {}))
            found.update(extra)
    return found


def printed(values, schema):
    """The canonical text: first the value of the default key, then the others as key=value. For NICs, the model is
    the key and the MAC address its value.
    """
    rest = dict(values)
    first = default_key(schema)
    head = []
    if first in rest:
        head.append(_headed(rest, first, schema))
    return ",".join([*head, *(f"{key}={rest[key]}" for key in sorted(rest))])


def default_key(schema):
    return next((key for key, rule in schema.items() if rule.get("default_key")), None)


def _headed(rest, first, schema):
    value = rest.pop(first)
    # For NICs, the model is the key and the MAC address its value: virtio=BC:24:11:...
    if schema.get(value, {}).get("keyAlias") == first:
        address = rest.pop(schema[value]["alias"], None)
        return f"{value}={address}" if address else value
    return value


def _pair(part, schema):
    key, mark, value = part.partition("=")
    if mark and key and value:
        return key.strip(), value
    if mark:
        raise Malformed("missing key in comma-separated list property\n")
    if default_key(schema) is None:
        raise Malformed("value without key, but schema does not define a default key\n")
    return default_key(schema), part


def _resolved(key, value, schema):
    rule = schema.get(key, {})
    if "keyAlias" in rule:
        return rule["alias"], {rule["keyAlias"]: key}
    return rule.get("alias", key), {}


def _worded(value, rule):
    if rule.get("type") != "boolean":
        return value
    if value.lower() in _TRUE:
        return "1"
    return "0" if value.lower() in _FALSE else value
