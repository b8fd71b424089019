# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered files, read by the configuration classes of the installed providers."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_native import native_lines
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_provider import EXPERIMENTS

from suite.limits import scaled
from unit.module_utils._tools.ruby_values import require_ruby
from unit.module_utils._tools.vagrant_projects import rich

pytestmark = pytest.mark.full

#: {provider: (path of the class's file below Vagrant's directory or a gem's, name of the module)}.
CLASSES = {
    "virtualbox": ("plugins/providers/virtualbox/config", "ProviderVirtualBox"),
    "hyperv": ("plugins/providers/hyperv/config", "HyperV"),
    "libvirt": ("vagrant-libvirt/config", "ProviderLibvirt"),
}
#: Exit code of the programs below if they do not find the class.
NOT_INSTALLED = 77
#: A Ruby program that evaluates the provider's part of each text with an object of the provider's class. It prints the
#: class's errors (unknown settings), the values of the attributes ``asked``, and the names of the class's methods.
ASK = """
require "json"
begin
  require "vagrant"
  file, name, asked, texts = JSON.parse(STDIN.read)
  require File.exist?(Vagrant.source_root.join("#{file}.rb")) ? Vagrant.source_root.join(file).to_s : file
rescue LoadError => error
  warn error.message
  exit 77
end
KIND = VagrantPlugins.const_get(name)::Config
class Configured < BasicObject
  def initialize(config) = @config = config
  def method_missing(name, *_values, **_named, &block) = block ? block.call(name == :provider ? @config : self) : self
end
def plain(value)
  case value
  when Symbol then ":#{value}"
  when Array then value.map { |one| plain(one) }
  when Hash then value.to_h { |key, one| [plain(key), plain(one)] }
  else value
  end
end
Networks = Struct.new(:networks)
Vm = Struct.new(:vm)
Machine = Struct.new(:config)
answers = texts.map { |text|
  config = KIND.new
  Vagrant.define_singleton_method(:configure) { |_version, &block| block.call(Configured.new(config)) }
  eval(text)
  errors = config.send(:_detected_errors)
  # Other providers' validation reads the host.
  errors += config.validate(Machine.new(Vm.new(Networks.new([])))).values.flatten if name == "ProviderVirtualBox"
  {errors: errors, values: asked.map { |one| plain(config.public_send(one)) }}
}
own = KIND.public_instance_methods(false).map(&:to_s)
puts JSON.generate([answers, own])
"""


def ask(provider, natives, *asked):
    """([(errors, values of the attributes ``asked``) for each native], names of the class's methods)."""
    require_ruby()
    whole = rich(provider)
    texts = []
    for native in natives:
        machine = {"name": "web", "provider": provider, "native": native}
        texts.append(vagrantfile.render(whole if native is None else {"machines": [machine]}))
    answers, methods = json.loads(_run(ASK, json.dumps([*CLASSES[provider], asked, texts])))
    return [(one["errors"], *one["values"]) for one in answers], methods


def _run(program, given, environment=None):
    done = subprocess.run(
        ["ruby", "-e", program],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=scaled(120),
        env={**os.environ, **(environment or {})},
    )
    if done.returncode == NOT_INSTALLED:
        pytest.skip(f"not available: ruby does not load this class of Vagrant: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr[:2000]
    return done.stdout


@pytest.mark.parametrize("provider", CLASSES)
def test_provider_knows_every_setting_of_a_rendered_file(provider):
    (((errors, *_values),), _methods) = ask(provider, [None])
    assert errors == []


COMMAND = ["modifyvm", ":id", "--vram", "16"]


@pytest.mark.parametrize(
    ("call", "event"),
    [
        (COMMAND, "pre-boot"),
        (["post-boot", *COMMAND], "post-boot"),
        # Values as they are written in Ruby.
        ([COMMAND], "pre-boot"),
        (["pre-boot", COMMAND], "pre-boot"),
        (["post-comm", COMMAND], "post-comm"),
    ],
)
def test_a_command_of_vboxmanage_is_given_whole_and_when_it_is_meant(call, event):
    (((errors, commands),), _methods) = ask("virtualbox", [{"customize": [call]}], "customizations")
    assert (errors, commands) == ([], [[event, COMMAND]])


def test_settings_of_libvirt_that_are_methods():
    native = {
        "disk_driver": [[{"cache": "none", "io": "threads"}]],
        "cpuaffinitiy": [[{"0": "0-4", "1": "5"}]],
        "qemuenv": [[{"QEMU_AUDIO_DRV": "pa"}]],
    }
    ((values,), _methods) = ask("libvirt", [native], "disk_driver_opts", "cpu_affinity", "qemu_env")
    driver, affinity = {":cache": "none", ":io": "threads"}, {":0": "0-4", ":1": "5"}
    assert values == ([], driver, affinity, {":QEMU_AUDIO_DRV": "pa"})


def test_vagrant_accepts_its_experimental_settings():
    """Without VAGRANT_EXPERIMENTAL, Vagrant ignores them and reports this only in its log."""
    require_ruby()
    program = """
    begin
      require "vagrant"
    rescue LoadError => error
      warn error.message
      exit 77
    end
    require Vagrant.source_root.join("plugins/kernel_v2/config/vm").to_s
    machine = Struct.new(:vm).new(VagrantPlugins::Kernel_V2::VMConfig.new)
    eval(STDIN.read)
    puts machine.vm.cloud_init_configs.size, machine.vm.disks.size
    """
    native = {"vm.cloud_init": [[{"inline": "x"}]], "vm.disk": [[":disk", {"name": "a", "size": "1GB"}]]}
    text = "\n".join(native_lines(native, "machine"))
    for environment, taken in (({}, "0\n0\n"), (EXPERIMENTS, "1\n1\n")):
        assert _run(program, text, {"VAGRANT_EXPERIMENTAL": "", **environment}) == taken


#: Methods that Vagrant itself calls, or that only return values.
_NOT_FOR_USERS = {"validate", "merge", "finalize!", "to_s", "customizations", "network_adapters"}


@pytest.mark.parametrize("provider", CLASSES)
def test_what_is_a_method_of_the_provider_is_called(provider):
    (_answers, methods) = ask(provider, [])
    called = {name for name in methods if f"{name}=" not in methods and name[0] != "_" and name[-1] != "="}
    for name in called - _NOT_FOR_USERS:
        (line,) = native_lines({name: [["x"]]}, "provider")
        assert line.startswith(f"provider.{name}("), f"{name} is assigned, which the class does not know"
