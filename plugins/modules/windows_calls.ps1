#!powershell

# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Module Ansible.ModuleUtils.ArgvParser
#AnsibleRequires -PowerShell ..module_utils._windows_calls

'{"changed": false, "answer": ' + (Invoke-WindowsCall -Request $complex_args['request']) + '}'
