#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest: who sees whose memory, and how much there is for everybody.
status=0
# If the kernel can swap, it has somewhere to.
[ ! -e /proc/swaps ] || { mkswap /dev/vda >/dev/null && swapon /dev/vda; } || status=1
dmademo_isolation_test -T of_a_cgroup || status=1
# The OOM killer shows a call trace, which is no mistake there.  All else that is shown
# still is one.
dmesg -c >/dev/null
dmesg -n 4
dmademo_isolation_test -t of_a_cgroup || status=1
dmesg -n 5
! dmesg | grep -E 'WARNING: |BUG: |Bad page|DMA-API: .*: ' || status=1
exit $status
