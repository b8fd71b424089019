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
OWN = {
    option_name
    for path in MODULES
    for option_name, its in importlib.import_module(
        f"ansible_collections.polyvirt.core.plugins.modules.{path}"
    ).MODULE.options.items()
    if not its.hidden
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8WOE0cSv6Z4L9w9A1PvGs9YV3Tgk3XrYzVtB9Jc2oQ user@host"
#: One for all tasks, as in a run of Ansible: it keeps what it has read.
_LOADER = DataLoader()
_USE = re.compile(r"Use (.+) instead(?:: (.+))?\.$|[Ss]et (options: .+)\.$")
#: Values of each type, and of words that mean the opposite.
VALUES = (True, False, 20480, "off", "text", "<cpu mode='host'/>", ["a"], {"cores": 2}, None)
#: What an error says that an option takes, and a value of that kind.
KINDS = {"true or false": True, "a whole number": 2, "one text": "web1", "a size such as 4G": "4G"}
#: Values for "..." in a remedy, by suboption; of others, the type decides.
SAMPLES = {
    "mac": "52:54:00:12:34:56", "checksum": f"sha256:{'0' * 64}", "id": "0000:01:00.0", "host_path": "/srv/data",
    "source": "/srv/a.qcow2", "trunk": ["1-5"], "ip_config": ["ip=dhcp"], "answer_drivers": "/srv", "directory": "/srv",
    "ssh_authorized_keys": [KEY], "http": "/", "user_data": {}, "owner": "anna", "name": "web",
}  # fmt: skip
#: The beginnings and parts of Ansible's own errors about values.
_RAW = ("is of type", "cannot be converted", "must be one of", "must be a list", "unable to", "Unsupported parameters")
_NOT_OPTIONS = ("not an option", "Unsupported parameters", "not supported on", "value of")


def declaration_of(name):
    return importlib.import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}").MODULE


def error_of(name, arguments):
    """The message of a task of a module, before it is carried out; empty without an error."""

    class Task(Action):
        module = declaration_of(name)

        def __init__(self, **task):
            super().__init__(**task)
            self._loader = _LOADER

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
    text = found and (found[1] or found[3])
    return yaml.safe_load(text) if text and ":" in text else text


def with_value(remedy, options, value):
    """The arguments of a task that follows a remedy; ``value`` is what the task has set for the word."""
    use, kind = followed(remedy), _USE.search(remedy)[2]
    if isinstance(use, dict):
        return {name: without_gaps(one, options[name]) for name, one in use.items()}
    if kind is None:
        return {use: value}
    example = kind.removeprefix("one of ").partition("such as ")
    example = KINDS.get(kind) or yaml.safe_load(example[2] or example[0].partition(", ")[0])
    return {use: without_gaps(example, options[use])}


def without_gaps(value, option, name=""):
    """The value of a remedy with an example for each "..."."""
    if isinstance(value, dict):
        return {one: without_gaps(value[one], option.options.get(one, option), one) for one in value}
    if isinstance(value, list):
        return [without_gaps(one, option) for one in value]
    if value != "...":
        return value
    if option.choices or option.type == "dict":
        return next(iter(option.choices), {})
    kinds = {"bool": True, "int": 2, "list": ["a"]}
    return (
        SAMPLES.get(name)
        or next(iter(option.choices), None)
        or kinds.get(option.type)
        or ("4G" if option.unit else "a")
    )


@pytest.mark.parametrize("name", MODULES)
def test_each_word_has_a_remedy_that_the_module_accepts(name, record_property):
    """Whatever the value: what the remedy names is no error of Ansible's, and an example of a remedy is no error."""
    module, words, values = declaration_of(name), 0, 0
    aliases = {alias for its in module.options.values() for alias in its.aliases}
    needed = {one: without_gaps("...", its, one) for one, its in module.options.items() if its.required}
    for place, word in enumerate(WORDS):
        known = {*module.options, *aliases, *module.platform.lacks}
        if word in known or not other_words.instead_of(word, module.options):
            continue
        # Each word with three of them, in turn: all of them with each option.
        for value in VALUES[place % 3 :: 3]:
            error = module.platform.rejected({word: value}, module.options)
            assert error.message == f"{word} is not an option of this module."
            if error.remedy.startswith("Did you mean "):
                continue
            use = with_value(error.remedy, module.options, value)
            message = _message(name, yaml.safe_dump({**needed, **use}))
            assert not [part for part in _RAW if part in message], (word, value, error.remedy, message)
            assert not message or isinstance(followed(error.remedy), str), (word, value, error.remedy, message)
            values += 1
        words += 1
    record_property("summary", f"words of other tools with a remedy in {name}: {words}, with {values} values")


@cache
def _message(name, text):
    return error_of(name, yaml.safe_load(re.sub(r"'\{\{ lookup.*\}\}'|\{\{ lookup.*\}\}", KEY, text)))


@pytest.mark.parametrize("option_name", other_words.SUBOPTIONS)
def test_each_word_for_a_suboption_names_a_suboption(option_name):
    suboptions = option.VM[option_name].options
    for name, words in other_words.SUBOPTIONS[option_name].items():
        assert name in suboptions
        assert not set(words.split()) & set(suboptions)
        for word in words.split():
            (unknown,) = option_errors.unknown_options({option_name: {word: "x"}}, option.VM)
            assert unknown[0] == f"{option_name}.{word}"
            assert unknown[1].startswith(f"Use {option_name}.{name} instead")


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
            advice = r"Did you mean \w+\?|is an option of|its task runs|See: ansible-doc"
            assert re.search(advice, caught.value.remedy), caught.value


@pytest.mark.parametrize("name", MODULES)
def test_option_of_another_module_has_its_equivalent_or_that_module_as_remedy(name, record_property):
    module, count = declaration_of(name), 0
    aliases = {alias for its in module.options.values() for alias in its.aliases}
    for other in OWN - {*module.options, *aliases}:
        message = error_of(name, {other: "text"})
        assert re.search(
            rf"^{other}: .* is not supported on|^{other} is not supported on|Use |Did you mean |of poly|its task runs",
            message,
        )
        remedy = re.search(rf"{other} is an option of polyvirt\.core\.(\w+)\.$", message)
        assert not remedy or other in declaration_of(remedy[1]).options, message
        count += 1
    record_property("summary", f"options of other modules in {name}: {count}")


@pytest.mark.parametrize(
    ("word", "value", "use"),
    [
        ("running", False, "state: stopped"),
        ("running", True, "state: started"),
        ("power_state", "off", "state: stopped"),
        ("powered_on", False, "state: stopped"),
        ("command", "shutdown", "state: stopped"),
        ("bios", "seabios", "firmware: bios"),
        ("bios", "ovmf", "firmware: uefi"),
        ("generation", 1, "firmware: bios"),
        ("force", False, "stop_mode: graceful"),
        ("wait_for_lease", False, "wait_for: state"),
        ("full_clone", False, "clone: {source: NAME, linked: true}"),
        ("remove_all_storage", False, "delete_disks: none"),
        ("localtime", False, "rtc: utc"),
        ("disk_gb", 30, "disks: [{size: 30G}]"),
        ("disk", "30G", "disks: [{size: 30G}]"),
        ("disk_size_mb", 20480, "disks: [{size: 20480M}]"),
        ("disk_size", 20480, "disks: [{size: 40G}]"),
        ("memory_gb", 4, "memory: 4G"),
        ("memory_startup_bytes", 2147483648, "memory: 2147483648B"),
        ("ram", 2048, "memory"),
        ("ram", [1], "memory instead: a size such as 4G"),
        ("cpu", "host", "cpus instead: a whole number"),
        ("xml", "<domain/>", "native instead: a dictionary, such as {KEY: ...}"),
        ("checksum", "x", "image: {source: ..., checksum: ...}"),
        ("image_storage", "/x", "image_directory"),
    ],
)
def test_value_of_a_word_counts(word, value, use):
    remedy = option_errors.remedy_for(word, declaration_of("virsh_vm").options, value=value)
    assert remedy == f"Use {use}{'' if ' instead: ' in use else ' instead'}."


@pytest.mark.parametrize(("state", "filtered"), [("running", "running"), ("stopped", "stopped"), (["a"], "running")])
def test_state_in_a_task_that_only_reads_is_a_filter(state, filtered):
    remedy = option_errors.remedy_for("state", declaration_of("vm_info").options, value=state)
    assert remedy == f"Use filters: {{state: [{filtered}]}} instead."


@pytest.mark.parametrize(
    ("name", "uri"), [("virsh_vm", ", or uri: qemu+ssh://HOST/system"), ("vbox_vm", ""), ("hyperv_snapshot", "")]
)
def test_host_is_where_the_task_runs_and_no_option_of_a_pool(name, uri):
    remedy = f"A module works on the host on which its task runs: set hosts of the play or delegate_to{uri}."
    assert error_of(name, {"name": "web1", "host": "kvm1"}) == f"host is not an option of this module. {remedy}"


@pytest.mark.parametrize(("word", "use"), [("server", "host"), ("source_host", "host"), ("source", "export")])
def test_words_of_a_pool_name_its_server_and_its_export(word, use):
    assert option_errors.remedy_for(word, declaration_of("virsh_pool").options, value="x") == f"Use {use} instead."


@pytest.mark.parametrize("name", MODULES)
def test_options_of_the_collection_itself_are_in_no_message(name):
    module = declaration_of(name)
    validated = ArgumentSpecValidator(module.argument_spec).validate({"zzz": 1, "image": {"source": "a", "zzz": 1}})
    (*_missing, message) = option_errors.error_messages(validated)
    hidden = [one for one, its in {**module.options, **option.LOOKED_UP}.items() if its.hidden]
    assert "zzz" in message
    assert not [one for one in hidden if re.search(rf"\b{one}\b", message)], message
