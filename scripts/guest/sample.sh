#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Usage: sample.sh [MODULE]
#
# Runs in the guest: the sample driver samples/dma-buffer, and its program.
module=${1:-/dma-buffer.ko}
status=0
fail() {
	echo "FAILED: $*"
	status=1
}

insmod "$module" mode=nonsense 2>/dev/null && fail 'mode=nonsense is taken'
insmod "$module" size=0 2>/dev/null && fail 'size=0 is taken'
dmesg | grep -q 'unknown mode=nonsense' || fail 'nothing is said of mode=nonsense'

# The numbers that it writes are in the machine's order.
for mode in pages huge; do
	insmod "$module" mode=$mode || fail "no module with mode=$mode"
	dma-buffer-user /dev/vda || fail "the program fails with mode=$mode"
	[ "$(dd if=/dev/vda bs=8 skip=8388607 count=1 2>/dev/null | od -An -tu8 | tr -d ' ')" = 8388607 ] ||
		fail "with mode=$mode the disk has something else"
	rmmod dma-buffer || fail "the module stays after mode=$mode"
done

# Page frame numbers cannot be pinned.
insmod "$module" mode=pfn size=5000000 || fail 'no module with mode=pfn'
dma-buffer-user /dev/vda 4997120 >/tmp/output 2>&1 && fail 'O_DIRECT works with mode=pfn'
grep 'write with O_DIRECT: Bad address' /tmp/output || fail "another error: $(cat /tmp/output)"
dma-buffer-user /dev/vda 64000000 2>/dev/null && fail 'more than the buffer is mapped'

sleep 100 9</dev/dma-buffer &
until [ "$(readlink /proc/$!/fd/9)" = /dev/dma-buffer ]; do sleep 0.1; done
rmmod dma-buffer 2>/dev/null && fail 'the module goes while it is in use'
kill $!
wait $!
rmmod dma-buffer || fail 'the module stays'
exit $status
