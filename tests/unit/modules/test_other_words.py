# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of other tools: each module names what to write instead, and accepts exactly that."""

from __future__ import annotations

import importlib
import re
from functools import cache

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option, option_errors, other_words
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.platforms import parts_of
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

from collection_path import CHECKOUT
from unit.plugin_utils.test_in_process import Action

MODULES = sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py"))
WORDS = sorted({word for words in other_words.WORDS.values() for word in words.split()})
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8WOE0cSv6Z4L9w9A1PvGs9YV3Tgk3XrYzVtB9Jc2oQ user@host"
_USE = re.compile(r"Use (.+) instead\.$|[Ss]et (options: .+)\.$")
_NOT_OPTIONS = ("not an option", "Unsupported parameters", "not supported on", "value of")


def declaration_of(name):
    return importlib.import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}").MODULE


def error_of(name, arguments):
    """The message of a task of a module, before it is carried out; empty without an error."""

    class Task(Action):
        module = declaration_of(name)

        def __init__(self, **task):
            super().__init__(**task)
            self._loader = DataLoader()

        def _run_here(self, params):
            full = in_full(params, self.module.options, self.module.platform)
            if "machines" in self.module.options and params.get("name"):
                assert requests(full, self.module.options)
            return {"msg": ""}

    try:
        return Task(args=arguments, action=f"polyvirt.core.{name}").done()["msg"]
    except PolyvirtError as error:
        return f"not an option or a value: {error}"


@cache
def _is_rejected(name, text):
    # Ansible reads the file of the key.
    arguments = yaml.safe_load(re.sub(r"'\{\{ lookup.*\}\}'|\{\{ lookup.*\}\}", KEY, text))
    return any(part in error_of(name, arguments) for part in _NOT_OPTIONS)


def is_rejected(name, arguments):
    """Whether the module does not have these options or values."""
    return _is_rejected(name, yaml.safe_dump(arguments))


def followed(remedy):
    """The arguments that a remedy names, or the name of the option alone."""
    found = _USE.search(remedy)
    text = found and (found[1] or found[2])
    return yaml.safe_load(text) if text and ":" in text else text


@pytest.mark.parametrize("name", MODULES)
def test_each_word_has_a_remedy_that_the_module_accepts(name, record_property):
    module, count = declaration_of(name), 0
    for word in WORDS:
        error = module.platform.rejected({word: "x"}, module.options)
        aliases = {alias for its in module.options.values() for alias in its.aliases}
        if word in {*module.options, *aliases} or not other_words.instead_of(word, module.options):
            continue
        assert error.message == f"{word} is not an option of this module."
        use = followed(error.remedy)
        if isinstance(use, dict):
            assert not is_rejected(name, use), error
        else:
            assert use in module.options, error
        count += 1
    record_property("summary", f"words of other tools with a remedy in {name}: {count}")


@pytest.mark.parametrize("option_name", other_words.SUBOPTIONS)
def test_each_word_for_a_suboption_names_a_suboption(option_name):
    suboptions = option.VM[option_name].options
    for name, words in other_words.SUBOPTIONS[option_name].items():
        assert name in suboptions
        assert not set(words.split()) & set(suboptions)
        for word in words.split():
            unknown = option_errors.unknown_option({option_name: {word: "x"}}, option.VM)
            assert unknown == (f"{option_name}.{word}", f"Use {option_name}.{name} instead.")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_word_in_a_task_for_all_platforms_gets_what_this_platform_accepts(platform):
    """An option of the platform alone belongs in ``options``; no remedy names another one there."""
    module = PLATFORMS[platform].vm
    shared, own = declaration_of("vm").options, declaration_of(module).options

    def parts(**given):
        return parts_of("vm", {"name": "web1", "platform": platform, **given}, shared, None, lambda name: own)[0]

    for word in sorted({*WORDS, "vmid", "uri", "nonsense"} - set(shared)):
        with pytest.raises(InvalidInput) as caught:
            parts(**{word: "x"})
        use = followed(caught.value.remedy)
        if isinstance(use, dict) and "options" in use:
            assert set(use["options"]) <= set(own) - set(shared), caught.value
        elif isinstance(use, dict):
            (part,) = parts(**use)
            assert not is_rejected(module, part.arguments), caught.value
        elif use:
            assert use in shared, caught.value
        else:
            assert re.search(r"Did you mean \w+\?|See: ansible-doc", caught.value.remedy), caught.value


@pytest.mark.parametrize("name", MODULES)
def test_options_of_the_collection_itself_are_in_no_message(name):
    module = declaration_of(name)
    validated = ArgumentSpecValidator(module.argument_spec).validate({"zzz": 1, "image": {"source": "a", "zzz": 1}})
    (*_missing, message) = option_errors.error_messages(validated)
    hidden = [one for one, its in {**module.options, **option.LOOKED_UP}.items() if its.hidden]
    assert "zzz" in message
    assert not [one for one in hidden if re.search(rf"\b{one}\b", message)], message
