#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest: mm's own selftest of mappings of page frame numbers, on the
# buffer that a demo device has of its own, of 2 and of 1,024 pages.
status=0
for size in 8192 4194304; do
	rmmod dmademo && load-dmademo mmap=pfn buffer_size=$size || exit
	pfnmap -- /dev/dmademo0 || status=1
done
exit $status
