# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Document the shared options as one platform supports them: types from the code, texts from option_texts.yml."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import yaml

_TEXTS = Path(__file__).with_name("option_texts.yml")
#: O(name), O(name[].suboption=value): references in texts.
_REFERENCE = re.compile(r"O\(([a-z_.\[\]]+)(?:=(\w+))?\)")
_CHOICE = re.compile(r"V\((\w+)\)")
_UNITS = {2**20: "MiB", 2**30: "GiB"}
_WIDTH = 120


def option_lines(shared, supported, platforms=()):
    """Return YAML lines of the ``shared`` options that are in ``supported`` (all options of the module).

    For options of several platforms, ``platforms`` are {name: paths of options, suboptions and choices that it lacks}.
    """
    texts = yaml.safe_load(_TEXTS.read_text(encoding="utf-8"))
    lacking = {name: set(paths) for name, paths in dict(platforms).items()}
    kept = {name: supported[name] for name in shared if name in supported}
    return [line for name in kept for line in _lines(name, name, shared[name], kept[name], supported, texts, lacking)]


def _lines(path, name, shared, option, supported, texts, lacking):
    paragraphs = [texts[path]] if isinstance(texts[path], str) else texts[path]
    items = [item for item in paragraphs if _applies(item, shared, option, supported)]
    items += [*_derived_sentences(path, option), *_platform_sentences(path, option, lacking)]
    spec = {key: value for key, value in option.spec().items() if key in ("type", "elements", "required", "default")}
    spec.update(
        {key: list(value) for key, value in (("choices", option.choices), ("aliases", option.aliases)) if value}
    )
    lines = [f"{name}:", *_indented(["description:", *(f"  {line}" for item in items for line in wrapped_item(item))])]
    lines += _indented([f"{key}: {_value(value)}" for key, value in spec.items()])
    if option.options:
        suboptions = [
            line
            for key, one in option.options.items()
            for line in _lines(f"{path}.{key}", key, shared.options[key], one, supported, texts, lacking)
        ]
        lines += _indented(["suboptions:", *_indented(suboptions)])
    return lines


def _applies(item, shared, option, supported):
    """Return whether a paragraph applies: it refers only to supported options, and does not explain another choice."""
    choice = _CHOICE.match(item)
    is_other_choice = choice and choice[1] in _choices(shared) and choice[1] not in _choices(option)
    return not is_other_choice and all(
        _is_supported(path, value, supported) for path, value in _REFERENCE.findall(item)
    )


def _choices(option):
    """Return the choices of an option as they are written."""
    known = option.choices or ((True, False) if option.type == "bool" else ())
    return [str(one).lower() if isinstance(one, bool) else one for one in known]


def _is_supported(path, value, options):
    name, _dot, suboptions = path.replace("[]", "").partition(".")
    option = options.get(name)
    if option is None:
        return False
    if suboptions:
        return _is_supported(suboptions, value, option.options)
    return not value or not _choices(option) or value in _choices(option)


def _derived_sentences(path, option):
    """Return the sentences that are derived from the properties of the option."""
    if option.options and option.short:
        return [f"A dictionary, or only the value of O({path}.{option.short})."]
    if option.unit:
        return [
            "A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in"
            f" {_UNITS[option.unit]}."
        ]
    return []


def _platform_sentences(path, option, lacking):
    """Return the sentences about the platforms that have an option and its choices."""
    yield from _platform_sentence("Supported", "Not supported", path.rpartition(".")[0], path, lacking)
    for choice in _choices(option):
        about = f"V({choice}) is "
        yield from _platform_sentence(f"{about}supported", f"{about}not supported", path, f"{path}={choice}", lacking)


def _platform_sentence(only, without, whole, path, lacking):
    """Return the sentence about the platforms that lack ``path``, but not the option or suboption ``whole``."""
    of_whole = [name for name, paths in lacking.items() if not any(f"{whole}.".startswith(f"{one}.") for one in paths)]
    of_path = [name for name in of_whole if path not in lacking[name]]
    others = [f"V({name})" for name in of_whole if name not in of_path]
    if others and len(of_path) <= len(others):
        yield f"{only} only on {_joined([f'V({name})' for name in of_path])}."
    elif others:
        yield f"{without} on {_joined(others)}."


def _joined(words):
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def wrapped_item(text):
    return textwrap.wrap(
        _quoted(text), _WIDTH - 14, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
    )


def _quoted(text):
    """Return the text, in quotes if YAML needs them."""
    return text if ": " not in text and yaml.safe_load(f"- {text}") == [text] else "'" + text.replace("'", "''") + "'"


def _value(value):
    """Return a value as YAML on one line: [a, b], false, 300."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def _indented(lines):
    return [f"  {line}" for line in lines]
