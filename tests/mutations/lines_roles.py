# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of roles and playbooks."""

from __future__ import annotations

from mutations.mutation import Mutation

_ROLES = "tests/unit/roles"
_INSTALLS = "tests/unit/roles/unattended_install"
_ANSWERS = "tests/unit/plugin_utils/test_answer_values.py"
_TEARDOWN = "tests/unit/playbooks/test_teardown.py"

MUTATIONS = (
    Mutation(
        "check-mode-runs-commands",
        "roles/agent/vars/main.yml",
        "__agent_shell: \"{{ ['/bin/sh', '-c', ':' if ansible_check_mode else __agent_shell_command, 'sh'] }}\"",
        "__agent_shell: \"{{ ['/bin/sh', '-c', __agent_shell_command, 'sh'] }}\"",
        [f"{_ROLES}/test_agent_security.py::test_check_mode_reports_commands_and_does_not_run_them"],
    ),
    Mutation(
        "secret-file-is-logged",
        "roles/agent/tasks/files.yml",
        'no_log: "{{ item.path in __agent_secret_paths }}"',
        "no_log: false",
        [f"{_ROLES}/test_agent_security.py::test_secret_in_a_file_is_not_in_the_output"],
    ),
    Mutation(
        "secret-in-command-is-accepted",
        "roles/agent/tasks/secrets.yml",
        "that: __agent_secrets_encoded | select('in', __agent_secrets_elsewhere) | length == 0",
        "that: __agent_secrets_encoded | select('in', __agent_secrets_elsewhere) | length <= 1",
        [f"{_ROLES}/test_agent_security.py::test_secret_in_a_command_is_rejected"],
    ),
    Mutation(
        "outside-is-checked-before-the-network-exists",
        "roles/vmm_network/vars/main.yml",
        "{{ ansible_check_mode",
        "{{ false",
        [f"{_ROLES}/test_vmm_network.py::test_guest_that_does_not_reach_the_outside_is_reported"],
    ),
    Mutation(
        "guest-without-the-outside-passes",
        "roles/vmm_network/tasks/verify_outside.yml",
        "that: __vmm_network_not_reached | length == 0",
        "that: __vmm_network_reached | length > 0",
        [f"{_ROLES}/test_vmm_network.py::test_guest_that_does_not_reach_the_outside_is_reported"],
    ),
    Mutation(
        "second-key-is-trusted",
        "roles/agent/tasks/key.yml",
        "when: __agent_key_read is not skipped and __agent_key_read.stdout_lines != [__agent_key_expected]",
        "when: __agent_key_read is not skipped and __agent_key_expected not in __agent_key_read.stdout_lines",
        [f"{_ROLES}/test_agent_security.py::test_only_the_trusted_key_may_be_in_the_file"],
    ),
    Mutation(
        "hidden-packet-in-key-is-accepted",
        "roles/agent",
        "end > len(data) or tag not in (PUBLIC_KEY, *COMPANIONS)",
        "end > len(data)",
        [f"{_ROLES}/test_key_fingerprints.py"],
    ),
    Mutation(
        "files-of-absent-agent-stay",
        "roles/agent/tasks/absent.yml",
        'loop: "{{ __agent_guest_paths + [__agent_line_record_path, __agent_stamp_path, __agent_record_path] }}"',
        'loop: "{{ [__agent_line_record_path, __agent_stamp_path, __agent_record_path] }}"',
        [f"{_ROLES}/test_agent_absent.py::test_files_written_with_earlier_values_are_removed"],
    ),
    Mutation(
        "broken-repository-stays",
        "roles/agent/tasks/package_error.yml",
        "- __agent_plan.repository.content is defined",
        "- __agent_plan.repository.content is undefined",
        [f"{_ROLES}/test_agent_upgrade.py::test_repository_that_does_not_work_is_removed_again"],
    ),
    Mutation(
        "image-in-use-is-removed",
        "playbooks/teardown.yml",
        "when: vm_image_users | length > 0",
        "when: vm_image_users | length > 1",
        [f"{_TEARDOWN}::test_image_used_by_another_vm_is_kept"],
    ),
    Mutation(
        "host-key-of-old-vm-stays",
        "roles/vm/tasks/known_hosts.yml",
        "when: (__vm_access.state == 'absent' or __vm_is_new) and __vm_known_hosts is exists",
        "when: __vm_access.state == 'absent' and __vm_known_hosts is exists",
        [f"{_ROLES}/test_vm_known_hosts.py"],
    ),
    Mutation(
        "late-command-of-windows-runs-after-a-failure",
        "roles/unattended_install/templates/windows/polyvirt.ps1.j2",
        'if ($done.ExitCode -notin 0, 3010) { throw "exit code $($done.ExitCode)" }',
        "$done",
        [f"{_INSTALLS}/test_windows_setup.py"],
    ),
    Mutation(
        "windows-that-is-off-counts-as-installed",
        "plugins/plugin_utils/installs/install_wait.py",
        'progress.state == FINISHED or options["installer"] == "manual"',
        'progress.state == FINISHED or options["installer"] in ("manual", "windows")',
        ["tests/unit/plugin_utils/test_install_wait.py"],
    ),
    Mutation(
        "media-of-a-vm-that-is-off-are-deleted",
        "roles/unattended_install/vars/main.yml",
        "else 'complete' if lines and __unattended_install_has_written | bool",
        "else 'complete' if lines or not __unattended_install_has_console | bool",
        ["tests/platforms/hyperv/test_windows_server.py::test_vm_that_is_off_is_not_installed_by_that"],
    ),
    Mutation(
        "end-of-a-restored-installation-counts",
        "roles/unattended_install/vars/main.yml",
        "else 'complete' if lines and __unattended_install_has_written | bool",
        "else 'complete' if lines",
        ["tests/unit/roles/unattended_install/test_windows_stage.py"],
    ),
    Mutation(
        "log-of-another-installation-is-read-after-a-start",
        "roles/unattended_install/vars/main.yml",
        "and not (__unattended_install_log_lines and __unattended_install_has_written | bool) }}",
        "and false }}",
        ["tests/platforms/virtualbox/test_windows_install.py::test_log_of_another_installation_is_not_read_as_the_end"],
    ),
    Mutation(
        "changed-iso-image-counts-as-the-end",
        "roles/unattended_install/vars/main.yml",
        "else 'changed' if '.no-prompt-' in __unattended_install_info.vms[0].iso | default('', true) | lower",
        "else 'changed' if false",
        ["tests/unit/roles/unattended_install/test_windows_stage.py"],
    ),
    Mutation(
        "record-of-files-loses-its-order",
        "roles/unattended_install/tasks/windows/forget_drivers.yml",
        "content: \"{{ __unattended_install_named.stdout_lines | reject('equalto', __unattended_install_own_directory)",
        'content: "{{ __unattended_install_named.stdout_lines | difference([__unattended_install_own_directory])',
        [f"{_INSTALLS}/test_role.py::test_record_keeps_its_order_without_the_drivers"],
    ),
    Mutation(
        "end-in-the-log-of-a-former-vm-counts",
        "roles/unattended_install/vars/main.yml",
        "if (__unattended_install_log | default({})).stat.mtime | default(0) >= __unattended_install_vm_birth | float",
        "if true",
        ["tests/unit/roles/unattended_install/test_windows_stage.py"],
    ),
    Mutation(
        "media-of-a-vm-of-others-are-deleted",
        "roles/unattended_install/vars/main.yml",
        "else 'foreign' if not __unattended_install_info.vms[0].created",
        "",
        ["tests/platforms/hyperv/test_windows_server.py::test_vm_of_others_keeps_its_media"],
    ),
    Mutation(
        "console-log-of-others-is-deleted",
        "roles/unattended_install/tasks/console.yml",
        "- item.path in __unattended_install_recorded.stdout_lines",
        "- true",
        ["tests/platforms/virtualbox/test_windows_install.py::test_console_log_of_others_is_not_deleted"],
    ),
    Mutation(
        "answer-files-of-others-are-replaced",
        "roles/unattended_install/tasks/console.yml",
        "{{ [unattended_install_console_log] + __unattended_install_answer_files"
        " + __unattended_install_drivers_directory }}",
        "{{ [unattended_install_console_log] + __unattended_install_drivers_directory }}",
        ["tests/platforms/virtualbox/test_installs.py::test_answer_file_of_the_user_is_not_replaced"],
    ),
    Mutation(
        "answer-files-of-an-interrupted-run-are-forgotten",
        "roles/unattended_install/tasks/console.yml",
        "{{ [unattended_install_console_log] + __unattended_install_recorded.stdout_lines[1:]",
        "{{ [unattended_install_console_log]",
        ["tests/platforms/virtualbox/test_installs.py::test_vm_that_stops_too_early_is_started_again_with_new_answers"],
    ),
    Mutation(
        "answer-files-of-others-are-deleted",
        "roles/unattended_install/tasks/install.yml",
        "- __unattended_install_written.stdout_lines | length > 1",
        "- false",
        ["tests/platforms/virtualbox/test_installs.py::test_answer_files_of_others_are_not_deleted"],
    ),
    Mutation(
        "option-that-the-role-sets-is-ignored",
        "roles/unattended_install/tasks/validate_install.yml",
        "that: __unattended_install_replaced | length == 0",
        "that: true",
        ["tests/platforms/virtualbox/test_windows_install.py::test_options_that_the_role_sets_are_rejected"],
    ),
    Mutation(
        "failed-late-command-is-shown",
        "roles/unattended_install/templates/windows/polyvirt.ps1.j2",
        'if ($done.ExitCode -notin 0, 3010) { throw "exit code $($done.ExitCode)" }',
        'if ($done.ExitCode -notin 0, 3010) { throw "exit code $($done.ExitCode): $line" }',
        [f"{_INSTALLS}/test_windows_setup.py"],
    ),
    Mutation(
        "log-of-windows-is-read-by-its-users",
        "roles/unattended_install/templates/windows/polyvirt.ps1.j2",
        "$null = icacls.exe $folder /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F'",
        "$null = icacls.exe $folder /inheritance:e /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F'",
        [f"{_INSTALLS}/test_windows_setup.py"],
    ),
    Mutation(
        "windows-logs-in-again-after-its-installation",
        "roles/unattended_install/templates/windows/polyvirt.ps1.j2",
        "Set-ItemProperty $winlogon AutoLogonCount 0 -Type DWord",
        "$winlogon",
        [f"{_INSTALLS}/test_windows_setup.py"],
    ),
    Mutation(
        "windows-keeps-its-copies-of-the-answer-file",
        "roles/unattended_install/templates/windows/polyvirt.ps1.j2",
        '"$env:WINDIR\\Panther\\unattend*.xml", "$env:WINDIR\\Panther\\Unattend\\*.xml",'
        ' "$env:WINDIR\\System32\\Sysprep\\unattend*.xml")',
        '"$env:TEMP\\none")',
        [f"{_INSTALLS}/test_windows_setup.py"],
    ),
    Mutation(
        "layout-fills-the-disk",
        "roles/unattended_install/tasks/validate_install.yml",
        ">= __unattended_install_layout_bytes | int + __unattended_install_boot_bytes | int",
        ">= __unattended_install_layout_bytes | int",
        [f"{_INSTALLS}/test_role.py::test_layout_leaves_space_to_boot"],
    ),
    Mutation(
        "openbsd-goes-on-without-a-user",
        "plugins/plugin_utils",
        '(("openbsd", "user"), ("preseed", "user"))',
        '(("preseed", "user"),)',
        [_ANSWERS],
    ),
    Mutation(
        "password-of-a-proxy-is-shown",
        "plugins/plugin_utils",
        '"@" in text',
        "False",
        [f"{_ANSWERS}::test_no_secret_is_shown"],
    ),
    Mutation(
        "failed-cloud-init-is-installed-on",
        "playbooks/tasks/wait_for_cloud_init.yml",
        "failed_when: wait_for_cloud_init_report.problem != ''",
        "failed_when: false",
        ["tests/unit/playbooks/test_wait_for_cloud_init.py::test_failed_stage_fails_the_playbook"],
    ),
)
