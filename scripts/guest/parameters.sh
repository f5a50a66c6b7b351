#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs in the guest: the demo driver with parameters that it has to refuse, and on
# a device that sees memory elsewhere than the CPU does.
status=0
fail() {
	echo "FAILED: $*"
	status=1
}
rmmod dmademo || fail "the module stays"

# log_says TEXT WORD...: since it was emptied; and what that shows, in words.
log_says() {
	text=$1
	shift
	if dmesg | grep -F "$text"; then
		echo "ok: $*"
	else
		fail "no \"$text\" in the log: $*"
	fi
}

# no_module TEXT PARAMETER...: it is not loaded, and the log says TEXT.
no_module() {
	text=$1
	shift
	dmesg -c >/dev/null
	if load-dmademo "$@" 2>/dev/null; then
		fail "the module takes $*"
		rmmod dmademo
	else
		log_says "$text" "no module with $*"
	fi
}
no_module 'devices=17 is more than 16' devices=17
no_module 'invalid for parameter' devices=many
no_module 'can only take 16 arguments' mmap=pages,pfn,huge,pages,pfn,huge,pages,pfn,huge,pages,pfn,huge,pages,pfn,huge,pages,pfn
no_module 'invalid for parameter' bus_offset=everything
no_module 'invalid for parameter' buffer_size=some

# no_device TEXT PARAMETER...: it is loaded, but not bound, and the log says TEXT.
no_device() {
	text=$1
	shift
	dmesg -c >/dev/null
	load-dmademo "$@" || fail "no module with $*"
	if [ -e /dev/dmademo0 ]; then
		fail "there is a device with $*"
	else
		log_says "$text" "no device with $*"
	fi
	rmmod dmademo || fail "the module stays"
}
no_device 'unknown mapping strategy mmap=nonsense' mmap=nonsense
no_device 'cannot attach the custom DMA ops' bus_offset=1
no_device 'mmap=direct does not support bus_offset' mmap=direct bus_offset=4096
no_device 'cannot allocate a buffer of 1073741825 bytes' buffer_size=1073741825
no_device 'cannot allocate a buffer of 8192 bytes' buffer_size=8192 max_device_bytes=4096
load-dmademo devices=0 || fail "no module with devices=0"
[ ! -e /dev/dmademo0 ] || fail "there is a device with devices=0"
rmmod dmademo || fail "the module stays"

# Memory is from 4 TiB on, for the device.
load-dmademo bus_offset=0x40000000000 devices=2 max_device_bytes=301989888 \
	buffer_size=1000000 ||
	fail "no module with a bus_offset"
addr=$(dmademo alloc 5000000 | sed -n 's/.*DMA address \(0x[0-9a-f]*\),.*/\1/p')
if [ -n "$addr" ] && [ $((addr)) -ge $((0x40000000000)) ] &&
	[ $((addr)) -lt $((0x41000000000)) ]; then
	echo "ok: DMA address $addr"
else
	fail "DMA address $addr is not at 4 TiB"
fi
dmademo_test || fail dmademo_test
ways='-d /dev/dmademo0
-d /dev/dmademo1
-c
-u' copy.sh || status=1
exit $status
