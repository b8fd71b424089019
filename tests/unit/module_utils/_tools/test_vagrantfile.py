# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed Vagrantfile as Ruby reads it, and settings that cannot be written to it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_native import native_lines
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_provider import PROVIDERS

from unit.module_utils._tools.ruby_values import HOSTILE, require_ruby
from unit.module_utils._tools.vagrant_projects import generated_projects, rich

#: Replaces Vagrant and records every call with its arguments.
RECORD_CALLS = """
require "json"
class Recorder < BasicObject
  def initialize(name, calls) = (@name, @calls = name, calls)
  def method_missing(name, *values, **named, &block)
    target = "#{@name}.#{name}"
    return ::Recorder.new(target, @calls) if values.empty? && named.empty? && !block
    @calls << [target, values, named]
    block.call(::Recorder.new(values[0].to_s.empty? ? target : "#{@name}[#{target}]", @calls)) if block
  end
end
module Vagrant
  def self.configure(_version) = yield(Recorder.new("config", $calls))
end
puts JSON.generate(JSON.parse(File.read("texts.json")).map { |text|
  $calls = []
  before = ENV.to_h
  eval(text)
  set = ENV.to_h.reject { |name, value| before[name] == value }
  ENV.replace(before)
  [set, $calls]
})
"""


@pytest.fixture(name="read_by_ruby", scope="module")
def _read_by_ruby(tmp_path_factory):
    """A function that returns [(environment, calls)] of several texts, executed by Ruby in one process."""
    require_ruby()
    folder = tmp_path_factory.mktemp("ruby")

    def run(texts):
        (folder / "texts.json").write_text(json.dumps(texts), encoding="ascii")
        argv = ["ruby", "-e", RECORD_CALLS]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr[:2000]
        assert [file.name for file in folder.iterdir()] == ["texts.json"], "a value was run"
        return json.loads(done.stdout)

    return run


READ_ONLY = [{"host_path": "/a", "guest_path": "/b", "read_only": True}]
#: Words of Ruby that may be names, too. No name can make the syntax invalid, so it is not checked before it is written.
RESERVED = (
    "alias", "and", "begin", "break", "case", "class", "def", "do", "else", "elsif", "end", "ensure", "false", "for",
    "if", "in", "module", "next", "nil", "not", "or", "redo", "rescue", "retry", "return", "self", "super", "then",
    "true", "undef", "unless", "until", "when", "while", "yield",
)  # fmt: skip
FORWARD = [{"name": "http", "host_port": 8080, "guest_port": 80}]
BRIDGED = {"type": "public", "bridge": "br0"}


def lines_of(**machine):
    project = {"machines": [{"name": "web", "provider": "virtualbox", **machine}]}
    return [line.strip() for line in vagrantfile.render(project).split("\n")]


@pytest.mark.parametrize(("provider", "mac"), [("virtualbox", "080027aabbcc"), ("libvirt", "08:00:27:aa:bb:cc")])
def test_mac_in_the_format_of_the_provider(provider, mac):
    lines = lines_of(provider=provider, networks=[{"type": "private", "mac": "08:00:27:aa:bb:cc"}])
    assert any(f'"{mac}"' in line for line in lines if "private_network" in line)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_project_with_all_settings(provider, read_by_ruby, checkout):
    text = vagrantfile.render(rich(provider))
    recorded = checkout / "tests/unit/fixtures/vagrant/rendered" / f"{provider}.rb"
    assert text == recorded.read_text(encoding="ascii")
    ((environment, calls),) = read_by_ruby([text])
    assert environment == {"https_proxy": "http://proxy.example:3128"}
    assert [call[1][0] for call in calls if call[0].endswith(".define")] == ["web", "db"]


def _texts_in(value):
    if isinstance(value, str):
        return Counter([value])
    if isinstance(value, dict):
        return sum((_texts_in(item) for item in value.values()), Counter())
    if isinstance(value, list):
        return sum((_texts_in(item) for item in value), Counter())
    return Counter()


def test_ruby_reads_all_values_of_generated_projects_and_runs_none(read_by_ruby, tmp_path):
    projects = generated_projects(300)
    texts = [vagrantfile.render(project) for project in projects]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.rb").write_text(text, encoding="ascii")
    done = subprocess.run(
        ["sh", "-c", "cat *.rb > all && ruby -c all"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[:2000]
    values = 0
    for project, (environment, calls) in zip(projects, read_by_ruby(texts)):
        read = _texts_in(environment) + sum((_texts_in(call[1:]) for call in calls), Counter())
        expected = _texts_in(project.get("environment") or {})
        for machine in project["machines"]:
            kinds = [network.pop("type") for network in machine.get("networks") or ()]
            assert {f"{kind}_network" for kind in kinds} <= set(read)
            expected += _texts_in(machine)
        values += expected.total()
        assert expected - read == Counter()
    assert values > 3_000


@pytest.mark.parametrize("provider", PROVIDERS)
def test_description_is_read_back_unless_the_file_was_changed(provider):
    text = vagrantfile.render(rich(provider))
    assert vagrantfile.description(text) == rich(provider)
    assert vagrantfile.description(text.replace("cpus", "CPUS", 1)) is None
    assert vagrantfile.description(f"{text}# mine\n") is None
    assert vagrantfile.description(text.replace('{"env', '{"nev')) is None
    assert vagrantfile.description("") is None
    for broken in (
        "[]",
        "{}",
        '{"machines": 1}',
        '{"machines": [{}]}',
        '{"machines": [1]}',
        "{",
        '{"machines": [{"n": 1}]}',
    ):
        assert vagrantfile.description(f"# polyvirt.core: {broken}\n") is None


def _with_reversed_keys(value):
    """The value with the keys of all dicts in reverse order."""
    if isinstance(value, dict):
        return {key: _with_reversed_keys(value[key]) for key in reversed(value)}
    return [_with_reversed_keys(item) for item in value] if isinstance(value, list) else value


def test_order_of_keys_does_not_matter():
    project = rich("libvirt")
    project["machines"][0]["provisioners"][0]["env"] = {"B": "1", "A": "2"}
    project["machines"][0]["networks"][0]["options"] = {"mtu": 9000, "auto_config": False}
    project["machines"][0]["native"]["storage"] = [[":file", {"size": "1G", "bus": "scsi"}]]
    turned = _with_reversed_keys(project)
    assert vagrantfile.description(vagrantfile.render(turned)) == project
    assert vagrantfile.render(turned) == vagrantfile.render(project)


def test_project_folder_is_shared_only_on_request():
    off = 'machine.vm.synced_folder ".", "/vagrant", disabled: true'
    assert off in lines_of()
    assert off in lines_of(shared_folders=[{"host_path": ".", "guest_path": "/src"}])
    shared = lines_of(shared_folders=[{"host_path": ".", "guest_path": "/vagrant", "read_only": True}])
    assert off not in shared
    first, last = shared.index("# BEGIN SYNCED FOLDERS"), shared.index("# END SYNCED FOLDERS")
    assert shared[first + 1 : last] == ['machine.vm.synced_folder ".", "/vagrant", mount_options: ["ro"]']


def test_empty_settings_are_not_written():
    assert lines_of(cpus=None, networks=[], hostname=None, native={}) == lines_of()
    network = {"type": "private", "address": None, "options": None}
    assert lines_of(networks=[network]) == lines_of(networks=[{"type": "private"}])
    assert vagrantfile.description(vagrantfile.render({"native": {"x": None}})) == {"native": {"x": None}}
    assert lines_of()[3:] == [
        'Vagrant.configure("2") do |config|',
        'config.vm.define "web" do |machine|',
        "# BEGIN SYNCED FOLDERS",
        'machine.vm.synced_folder ".", "/vagrant", disabled: true',
        "# END SYNCED FOLDERS",
        'machine.vm.provider "virtualbox" do |provider|',
        "end",
        "end",
        "end",
        "",
    ]


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"provider": "wsl"}, "provider wsl is not known.*virtualbox, libvirt"),
        ({"provider": "libvirt", "gui": True}, "libvirt of Vagrant does not support gui.*virtualbox, vmware_desktop"),
        ({"provider": "proxmox", "linked_clone": True}, "does not support linked_clone"),
        ({"provider": "libvirt", "linked_clone": False}, "always links"),
        ({"provider": "libvirt", "disk": 1000}, "1000 MiB is not a whole number of GiB"),
        ({"box_checksum": "0a1b"}, "'0a1b' has no algorithm in front"),
        (
            {"shared_folders": [{"host_path": "/a", "guest_path": "/b", "type": "rsync", "read_only": True}]},
            "/b is a copy",
        ),
        ({"provider": "libvirt", "shared_folders": READ_ONLY}, "/b has no type, and may be a copy.*nfs"),
        ({"provider": "hyperv", "shared_folders": READ_ONLY}, "/b has no type"),
        ({"provider": "hyperv", "port_forwards": FORWARD}, "hyperv of Vagrant does nothing with port_forwards"),
        ({"provider": "proxmox", "port_forwards": FORWARD}, "nothing with port_forwards.*own address"),
        ({"provider": "libvirt", "port_forwards": [{**FORWARD[0], "protocol": "udp"}]}, "nothing with.* udp"),
        ({"provider": "hyperv", "networks": [{"type": "private"}]}, "nothing with networks of type hostonly.*bridged"),
        ({"provider": "hyperv", "networks": [{**BRIDGED, "address": "192.168.56.4"}]}, "nothing with.* address"),
        ({"provider": "proxmox", "networks": [{**BRIDGED, "mac": "08:00:27:aa:bb:cc"}]}, "nothing with.* mac.*native"),
        ({"provider": "hyperv", "networks": [BRIDGED, BRIDGED]}, "nothing with more than one card"),
        ({"provider": "libvirt", "native": {"vm.cloud_init": []}}, "nothing with native: vm.cloud_init"),
        ({"native": {"a b": 1}}, "'a b' is not the name of a setting"),
        ({"native": {"x = exit\ny": 1}}, "not the name of a setting"),
        ({"native": {"x[1]; exit": 1}}, "not the name of a setting"),
        ({"native": {"a.b.c": 1}}, "not the name of a setting"),
        ({"native": {"customize": ["modifyvm"]}}, "not a list of calls"),
        ({"native": {"customize": [[]]}}, "not a command of VBoxManage"),
        ({"native": {"customize": [["post-boot"]]}}, "not a command of VBoxManage"),
        ({"native": {"customize": [["post-bot", ["modifyvm", ":id"]]]}}, "not a command of VBoxManage.*pre-boot"),
        ({"native": {"vm.disk": [[":disk", {"size: exit, x": 1}]]}}, "is not a keyword in Ruby"),
        ({"networks": [{"type": "private", "options": {"a, b": 1}}]}, "is not a keyword in Ruby"),
        ({"hostname": "caf\udce9"}, "not in UTF-8"),
    ],
)
def test_unsupported_settings_are_rejected(machine, message):
    with pytest.raises(errors.PolyvirtError, match=message):
        lines_of(**machine)


@pytest.mark.parametrize("name", ["", "/", "a/b", "../a", "-f", "/web/", 'a"; exit; "', "a b", "a\n", "ü"])
def test_invalid_vm_name_is_rejected(name):
    with pytest.raises(errors.InvalidInput, match="cannot be the name of a VM"):
        lines_of(name=name)


def test_variable_that_vagrant_reads_too_early_is_rejected():
    with pytest.raises(errors.InvalidInput, match="reads VAGRANT_HOME before"):
        vagrantfile.render({"machines": [], "environment": {"VAGRANT_HOME": "/v"}})


@pytest.mark.parametrize("variables", [{"A=B": "x"}, {"": "x"}, {"A": "x\0"}, {"A\n": "x"}])
def test_invalid_environment_variable_is_rejected(variables):
    with pytest.raises(errors.InvalidInput, match="is not a valid name or value of a variable"):
        vagrantfile.render({"machines": [], "environment": variables})


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("nested", True, "provider.nested = true"),
        ("vmx[a.b]", "1", 'provider.vmx["a.b"] = "1"'),
        ("instance_eval", "exit", 'provider.instance_eval = "exit"'),
        ("vm_type", ":qemu", "provider.vm_type = :qemu"),
        ("display", ":0", 'provider.display = ":0"'),
        ("x", {":a": [":b", "b"]}, 'provider.x = {:a => [:b, "b"]}'),
        ("customize", [["a", ":id"], ["b"]], 'provider.customize(["a", :id])\nprovider.customize(["b"])'),
        ("customize", [["post-boot", "a", ":id"]], 'provider.customize("post-boot", ["a", :id])'),
        ("customize", [[["a", ":id"]]], 'provider.customize(["a", :id])'),
        ("customize", [["post-boot", ["a"]]], 'provider.customize("post-boot", ["a"])'),
        ("qemuenv", [[{"A_B": "x", "0": "y"}]], 'provider.qemuenv("A_B": "x", "0": "y")'),
        ("storage", [[":file", {":size": "1G", "bus": "scsi"}]], 'provider.storage(:file, size: "1G", bus: "scsi")'),
        ("qemuargs", [[]], "provider.qemuargs()"),
    ],
)
def test_native(key, value, line):
    assert "\n".join(native_lines({key: value}, "provider")) == line
    assert list(native_lines({key: value}, "machine")) == []
    assert list(native_lines({"ssh.port": 1}, "machine")) == ["machine.ssh.port = 1"]


def test_values_and_keys_of_native_are_never_executed(read_by_ruby):
    values = {f"k{number}": text for number, text in enumerate(HOSTILE)}
    project = {
        "machines": [
            {"name": f"m{number}", "provider": "libvirt", "box": text, "native": {**values, "usb": [[text]]}}
            for number, text in enumerate(HOSTILE)
        ],
        "environment": {f"K{number}": text.replace("\0", "") for number, text in enumerate(HOSTILE)},
    }
    ((environment, calls),) = read_by_ruby([vagrantfile.render(project)])
    assert environment == project["environment"]
    assert [call[1][0] for call in calls if call[0].endswith(".box=")] == list(HOSTILE)
    assert [call[1][0] for call in calls if call[0].endswith(".usb")] == list(HOSTILE)


def test_names_may_be_reserved_words_of_ruby(read_by_ruby):
    native = {key: f":{word}" for word in RESERVED for key in (word, f"{word}[{word}]", f"{word}.{word}")}
    named = {name: 1 for word in RESERVED for name in (word, f"{word}_", word.upper())}
    machine = {"name": "if", "provider": "libvirt", "native": {**native, "usb": [[":end", named]]}}
    ((_environment, calls),) = read_by_ruby([vagrantfile.render({"machines": [machine]})])
    called = {call[0].rpartition("]")[2] for call in calls}
    assert {f".{word}.{word}=" for word in RESERVED} | {f".{word}=" for word in RESERVED} <= called
    assert [call[1:] for call in calls if call[0].endswith(".usb")] == [[["end"], named]]


def test_ruby_ignores_magic_comments_in_the_description():
    """Ruby interprets text between two -*- even in a comment; this one would make all strings immutable."""
    require_ruby()
    project = {
        "machines": [{"name": "web", "provider": "libvirt", "description": "-*- frozen_string_literal: true -*-"}]
    }
    text = vagrantfile.render(project)
    head = text.partition("Vagrant.configure")[0]
    done = subprocess.run(["ruby", "-"], input=f'{head}p "x".frozen?\n', capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "false\n"), done.stderr
    assert vagrantfile.description(text) == project
