# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of Vagrant 2.3.4, copied from recordings."""

from __future__ import annotations

NO_FOLDER = "The working directory for Vagrant doesn't exist! This is the\nspecified working directory:"
NO_PROJECT = """\
A Vagrant environment or target machine is required to run this
command. Run `vagrant init` to create a new Vagrant environment. Or,
get an ID of a target machine from `vagrant global-status` to run
this command on. A final option is to change to a directory with a
Vagrantfile and to try again."""
SYNTAX = """\
There is a syntax error in the following Vagrantfile. The syntax error
message is reproduced below for convenience:

{file}:1: syntax error, unexpected end-of-input"""
INVALID = (
    "There are errors in the configuration of this machine. Please fix\nthe following errors and try again:\n\n{errors}"
)
UNKNOWN_MACHINE = "The machine with the name '{name}' was not found configured for\nthis Vagrant environment."
LOCKED = """\
An action '{action}' was attempted on the machine '{name}',
but another process is already executing an action on the machine.
Vagrant locks each machine for access by only one process at a time.
Please wait until the other Vagrant process finishes modifying this
machine, then try again.

If you believe this message is in error, please check the process
listing for any "ruby" or "vagrant" processes and kill them. Then
try again."""
UNKNOWN_PROVIDER = """\
The provider '{provider}' could not be found, but was requested to
back the machine '{name}'. Please use a provider that exists.

Vagrant knows about the following providers: {known}"""
UNUSABLE_PROVIDER = """\
The provider '{provider}' that was requested to back the machine
'{name}' is reporting that it isn't usable on this system. The
reason is shown below:

{reason}"""
UNUSABLE = {
    "virtualbox": """\
Vagrant could not detect VirtualBox! Make sure VirtualBox is properly installed.
Vagrant uses the `VBoxManage` binary that ships with VirtualBox, and requires
this to be available on the PATH. If VirtualBox is installed, please find the
`VBoxManage` binary and add it to the PATH environmental variable.""",
    "hyperv": "The Hyper-V provider only works on Windows. Please try to\nuse another provider.",
}
OTHER_PROVIDER = """\
An active machine was found with a different provider. Vagrant
currently allows each machine to be brought up with only a single
provider at a time. A future version will remove this limitation.
Until then, please destroy the existing machine to up with a new
provider.

Machine name: {name}
Active provider: {active}
Requested provider: {asked}"""
NO_BOX = """\
The box '{box}' could not be found or
could not be accessed in the remote catalog. If this is a private
box on HashiCorp's Vagrant Cloud, please verify you're logged in via
`vagrant login`. Also, please double-check the name. The expanded
URL and error message are shown below:

URL: ["https://vagrantcloud.com/{box}"]
Error: Could not resolve host: vagrantcloud.com"""
BOOT_TIMEOUT = """\
Timed out while waiting for the machine to boot. This means that
Vagrant was unable to communicate with the guest machine within
the configured ("config.vm.boot_timeout" value) time period.

If you look above, you should be able to see the error(s) that
Vagrant had when attempting to connect to the machine. These errors
are usually good hints as to what may be wrong.

If you're using a custom box, make sure that networking is properly
working and you're able to connect to the machine. It is a common
problem that networking isn't setup properly in these boxes.
Verify that authentication configurations are also setup properly,
as well.

If the box appears to be booting properly, you may want to increase
the timeout ("config.vm.boot_timeout") value."""
SSH_COMMAND_FAILED = """\
The following SSH command responded with a non-zero exit status.
Vagrant assumes that this means the command failed!

{command}

Stdout from the command:



Stderr from the command:

"""
NOT_ANSWERING = """\
Guest communication could not be established! This is usually because
SSH is not running, the authentication information was changed,
or some other networking issue. Vagrant will force halt, if
capable."""
SSH_NOT_READY = """\
The provider for this Vagrant-managed machine is reporting that it
is not yet ready for SSH. Depending on your provider this can carry
different meanings. Make sure your machine is created and running and
try again. Additionally, check the output of `vagrant status` to verify
that the machine is in the state that you expect. If you continue to
get this error message, please view the documentation for the provider
you're using."""
NEEDS_TERMINAL = """\
Vagrant is attempting to interface with the UI in a way that requires
a TTY. Most actions in Vagrant that require a TTY have configuration
switches to disable this requirement. Please do that or run Vagrant
with TTY."""
NOTHING_TO_SAVE = "Machine '{name}' has not been created yet, and therefore cannot save snapshots. Skipping..."
NAME_EXISTS = """\
Name `{name}` of domain about to create is already taken. Please try to run
`vagrant up` command again."""
VOLUME_EXISTS = """\
Volume for domain is already created. Please run 'vagrant destroy' first."""
HAS_SNAPSHOTS = (
    "Call to virDomainUndefine failed: Requested operation is not valid: cannot delete inactive domain with 1 snapshots"
)
NO_VOLUME = "undefined method `destroy' for nil:NilClass (NoMethodError)"
NO_SNAPSHOT = "The snapshot name `{snapshot}` was not found for the\nvirtual machine `{name}`."
SNAPSHOT_TAKEN = "You must include the `--force` option to replace an existing snapshot."
SNAPSHOT_SAVED = """\
Snapshot saved! You can restore the snapshot at any time by
using `vagrant snapshot restore`. You can delete it using
`vagrant snapshot delete`."""
NO_SNAPSHOTS = "No snapshots have been taken yet!"
ABOUT_SNAPSHOTS = """\
You can take a snapshot using `vagrant snapshot save`. Note that
not all providers support this yet. Once a snapshot is taken, you
can list them using this command, and use commands such as
`vagrant snapshot restore` to go back to a certain snapshot."""
PROVISIONED = """\
Machine already provisioned. Run `vagrant provision` or use the `--provision`
flag to force provisioning. Provisioners marked to run always will still run."""
NOT_PROVISIONED = "Machine not provisioned because `--no-provision` is specified."
UNVERSIONED_BOX = """\
No version detected for {box}, using timestamp to watch for modifications. Consider
generating a local metadata for the box with a version to allow better handling.
See https://www.vagrantup.com/docs/boxes/format#box-metadata for further details."""
SEVERAL = """\
This environment represents multiple VMs. The VMs are all listed
above with their current state. For more information about a specific
VM, run `vagrant status NAME`."""
