# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced, not run. Checks whether this host can run a guest with KVM.
# Neither an open /dev/kvm nor a domain that libvirt reports as "running" is sufficient: nested or filtered hypervisors
# let the guest start and then abort or hang its CPU. Therefore the check runs a guest with a few instructions. That is
# not sufficient either where KVM works without the CPU's virtualization (kvm-pvm): it emulates the guest's kernel, and
# pauses the VM at the first instruction that it cannot emulate, such as cmpxchg16b, which Debian's kernel uses.

# The value that the boot sector sends; QEMU's isa-debug-exit turns a byte b into the exit code 2b+1.
readonly _KVM_PROBE_BYTE=0x2a
readonly _KVM_PROBE_EXIT=$((_KVM_PROBE_BYTE * 2 + 1))
readonly _KVM_PROBE_SECONDS=8

# _write_probe_sector FILE: writes 512 bytes that a BIOS boots: mov al,0x2a; out 0xf4,al; hlt, in a loop.
_write_probe_sector() {
    {
        printf '\xb0\x2a\xe6\xf4\xf4\xeb\xfd'
        head -c 503 /dev/zero
        printf '\x55\xaa'
    } >"$1"
}

# boots_under ACCELERATOR CPU: true if a guest with this accelerator and CPU executes its first instructions.
boots_under() {
    local accelerator=$1 cpu=$2 sector code=0
    sector=$(mktemp "${TMPDIR:-/tmp}/polyvirt-probe.XXXXXX") || return 1
    _write_probe_sector "$sector"
    timeout --kill-after=1 "$_KVM_PROBE_SECONDS" \
        qemu-system-x86_64 -accel "$accelerator" -cpu "$cpu" -machine pc -m 16 \
        -no-user-config -nodefaults -display none -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=1 \
        -drive "file=$sector,format=raw,if=ide,snapshot=on" </dev/null >/dev/null 2>&1 || code=$?
    rm -f "$sector"
    [ "$code" -eq "$_KVM_PROBE_EXIT" ]
}

# has_cpu_virtualization CPUINFO: true if the CPU shows VT-x or AMD-V to this host.
has_cpu_virtualization() {
    grep -qwE 'vmx|svm' "$1"
}

# usable_accelerator: prints kvm if a guest really runs with it, else qemu; both are libvirt's domain types.
usable_accelerator() {
    if [ -w /dev/kvm ] && has_cpu_virtualization /proc/cpuinfo && boots_under kvm host 2>/dev/null; then
        echo kvm
    else
        echo qemu
    fi
}
