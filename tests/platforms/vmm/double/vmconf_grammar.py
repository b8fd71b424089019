# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar and the keywords of vm.conf."""

from __future__ import annotations

from .lalr import Grammar
from .lexer import dialect

_KEYWORDS = """
add agentx allow boot cdrom context delay device disable disk down enable format group id include inet6 instance
interface interfaces lladdr local locked memory net owner parallel path prefix rdomain size socket staggered start
switch up vm
"""
DIALECT = dialect(_KEYWORDS)
#: {keyword: the release that introduced it}.
SINCE = {"sev": "7.6", "seves": "7.8"}

_GRAMMAR = """
file:
file: file include EOL
file: file EOL
file: file macro EOL
file: file global EOL
file: file switch EOL
file: file vm EOL
file: file error EOL
include: INCLUDE words -> include
macro: STRING = STRING -> macro
global: LOCAL INET6 -> local_inet6
global: LOCAL INET6 PREFIX STRING -> local_inet6_prefix
global: LOCAL PREFIX STRING -> local_prefix
global: SOCKET OWNER owner -> socket_owner
global: agentx agentx_options -> agentx_default
agentx: AGENTX -> agentx
agentx_options:
agentx_options: agentx_options CONTEXT STRING -> agentx_context
agentx_options: agentx_options PATH STRING -> agentx_path
global: STAGGERED START PARALLEL NUMBER DELAY NUMBER -> staggered
switch: switch_name { lines switch_options } -> switch
switch_name: SWITCH words -> switch_name
switch_options: switch_options switch_option line
switch_options: switch_option lines
switch_option: enabled -> enabled
switch_option: GROUP words -> switch_group
switch_option: INTERFACE words -> switch_interface
switch_option: LOCKED LLADDR -> switch_locked
switch_option: RDOMAIN NUMBER -> switch_rdomain
switch_option: link -> switch_link
vm: vm_name { lines vm_options } -> vm
vm_name: VM words parent -> vm_name
parent:
parent: INSTANCE words -> second
vm_options: vm_options vm_option line
vm_options: vm_option lines
vm_option: enabled -> enabled
vm_option: SEV -> sev
vm_option: SEVES -> seves
vm_option: DISK words format -> disk
vm_option: local INTERFACE tap nic_options -> nic
vm_option: BOOT words -> boot
vm_option: BOOT DEVICE boot_device -> boot_device
vm_option: CDROM words -> cdrom
vm_option: INTERFACES NUMBER -> nic_count
vm_option: MEMORY NUMBER -> memory_number
vm_option: MEMORY STRING -> memory_text
vm_option: OWNER owner -> owner
vm_option: allow
allow: ALLOW INSTANCE { lines allowed_list }
allow: ALLOW INSTANCE allowed
allowed_list: allowed separator allowed_list
allowed_list: allowed lines
allowed: BOOT -> allow
allowed: MEMORY -> allow
allowed: INTERFACE -> allow
allowed: DISK -> allow
allowed: CDROM -> allow
allowed: INSTANCE -> allow
allowed: OWNER owner -> allow_owner
owner: NUMBER -> owner_number
owner: STRING -> owner_name
format:
format: FORMAT words -> format
nic_options: { lines nic_lines }
nic_options: nic_words
nic_options:
nic_lines: nic_lines nic_option lines
nic_lines: nic_option lines
nic_words: nic_words nic_option comma
nic_words: nic_option
nic_option: SWITCH words -> nic_switch
nic_option: GROUP words -> nic_group
nic_option: locked LLADDR address -> nic_address
nic_option: RDOMAIN NUMBER -> nic_rdomain
nic_option: link -> nic_link
tap: STRING
tap:
words: STRING words -> joined
words: STRING
address: STRING -> address
address:
local:
local: LOCAL
locked:
locked: LOCKED
link: UP
link: DOWN
enabled: ENABLE
enabled: DISABLE
boot_device: CDROM
boot_device: DISK
boot_device: NET
comma: ,
comma:
lines: EOL lines
lines:
separator: , lines
separator: line
line: EOL lines
"""
GRAMMAR = Grammar(_GRAMMAR)
