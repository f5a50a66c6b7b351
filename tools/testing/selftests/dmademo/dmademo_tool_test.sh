#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests the command-line tool dmademo: what it does with the device, and that it
# says in words what it cannot do.
#
# DMADEMO is the tool, if it is neither beside this script nor in PATH, DMADEMO_DEVICE
# the device, without which only what needs none is tested, and DMADEMO_DISK a disk
# whose first 64 MiB may be overwritten.

device=${DMADEMO_DEVICE:-/dev/dmademo0}
tool=${DMADEMO:-$(dirname "$0")/dmademo}
[ -n "${DMADEMO:-}" ] || [ -x "$tool" ] || tool=dmademo

need_nothing='help wrong_command wrong_option wrong_operand bad_number missing_file
	missing_device not_a_device no_permission full_output_of_help'
need_device='info alloc demo table number_too_large too_much_in_all
	unknown_way_to_bench unreadable_file copy full_output interrupted_copy'

on_device() { "$tool" -d "$device" "$@"; }

# fail WORD..., or skip WORD...: the case that runs has failed, or cannot be run here,
# and why.
fail() {
	printf '%s\n' "$*" | sed 's/^/# /'
	result=fail
}
skip() { reason=$* result=skip; }

# prints TEXT COMMAND...: the command succeeds, and a line matches TEXT.
prints() {
	text=$1
	shift
	if ! "$@" >"$dir/out" 2>"$dir/err"; then
		fail "$*: $(cat "$dir/err")"
	elif ! grep -q -e "$text" "$dir/out"; then
		fail "$*: no \"$text\" in: $(cat "$dir/out")"
	elif [ -s "$dir/err" ]; then
		fail "$*: succeeds, and says: $(cat "$dir/err")"
	fi
}

# complains OUTPUT STATUS TEXT COMMAND...: the command, with its standard output to
# the file OUTPUT, exits with STATUS and has TEXT in what it says, which is a line,
# and perhaps one on what to do.
complains() {
	output=$1 want=$2 text=$3
	shift 3
	"$@" >"$output" 2>"$dir/err"
	status=$?
	[ $status = "$want" ] || fail "$*: exit status $status, not $want"
	grep -qF -e "$text" "$dir/err" ||
		fail "$*: no \"$text\" in: $(head -n 2 "$dir/err")"
	[ "$(wc -l <"$dir/err")" -le 2 ] || fail "$*: more than two lines"
}

# refuses STATUS TEXT COMMAND...: the same, and it prints nothing.
refuses() {
	complains "$dir/out" "$@"
	[ ! -s "$dir/out" ] || fail "... and prints: $(head -n 3 "$dir/out")"
}

# copies FILE COMMAND...: the command prints FILE.
copies() {
	file=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err" || fail "$*: $(cat "$dir/err")"
	cmp "$file" "$dir/out" >"$dir/err" 2>&1 || fail "$*: $(cat "$dir/err")"
}

# bytes_after TEXT: so many as dmademo info has after TEXT, from the line's start.
bytes_after() { on_device info | sed -n "s/^$1 \([0-9]*\) bytes.*/\1/p"; }

# What needs no device.

help() {
	prints '^Usage: dmademo ' "$tool" --help
	prints '^Usage: dmademo ' "$tool" -h
}

wrong_command() {
	refuses 2 'there is no command; try dmademo --help' "$tool"
	refuses 2 'there is no command; try dmademo --help' on_device
	refuses 2 'there is no command nosuch; try dmademo --help' "$tool" nosuch
}

wrong_option() {
	refuses 2 'x' "$tool" -x info
	refuses 2 '--nosuch' "$tool" --nosuch info
	refuses 2 'try dmademo --help' "$tool" --nosuch info
	refuses 2 'try dmademo --help' "$tool" -d
	refuses 2 'info has no option -c' "$tool" -c info
	refuses 2 'alloc has no option -u' "$tool" -u alloc 1
	refuses 2 'bench has no option -d' on_device bench
	refuses 2 'table has no option -c' "$tool" -c table "$dir/data"
	refuses 2 'no buffers for -c' "$tool" -cu copy "$dir/data"
	refuses 2 '-d goes before the command' "$tool" info -d x
}

wrong_operand() {
	refuses 2 'alloc needs a number of bytes' "$tool" alloc
	refuses 2 'copy needs a file' "$tool" copy
	refuses 2 'table needs a disk' "$tool" table
	refuses 2 'info has no use for 1' "$tool" info 1
	refuses 2 'alloc has no use for 2' "$tool" alloc 1 2
	refuses 2 'demo has no use for 2' "$tool" demo 1 2
	refuses 2 'copy has no use for b' "$tool" copy a b
	refuses 2 'table has no use for b' "$tool" table a b
}

bad_number() {
	for word in '' x -1 +1 ' 1' 1x 1k 0x 1.5 08; do
		refuses 2 "\"$word\" is not a number of bytes" "$tool" alloc "$word"
	done
	refuses 2 'is not a number of bytes' "$tool" demo many
	refuses 2 '1 byte or more' "$tool" alloc 0
	refuses 2 '1 byte or more' "$tool" demo 0x0
}

missing_file() { refuses 1 "cannot open $dir/nosuch: No " "$tool" copy "$dir/nosuch"; }

missing_device() {
	for command in info 'alloc 1' demo "copy $dir/data" "table $dir/data"; do
		# shellcheck disable=SC2086 # they are words
		refuses 1 'dmademo driver is not loaded' \
			"$tool" -d "$dir/nosuch" $command
	done
}

not_a_device() {
	refuses 1 '/dev/null is no DMA demo device' "$tool" -d /dev/null info
	refuses 1 "cannot open $dir: Is a directory" "$tool" -d "$dir" info
}

# Not even root may write this one.
no_permission() {
	refuses 1 'try as root: Permission denied' \
		"$tool" -d /sys/kernel/uevent_seqnum info
}

full='cannot write to standard output'
full_output_of_help() { complains /dev/full 1 "$full" "$tool" --help; }

# What does.

info() {
	prints '^buffers of up to [0-9]* bytes, mode [a-z]*, ' on_device info
	prints '^up to [0-9]* bytes in all buffers, [0-9]* buffers ' on_device info
}

alloc() {
	prints '^buffer 1: size 65536 bytes, ' on_device alloc 65536
	prints '^zeroed, contiguous, crc32 0x' on_device alloc 65536
	prints '^zeroed, contiguous, crc32 0x' on_device alloc 1
	prints '^zeroed, contiguous, crc32 0x' on_device -c alloc 1000000
}

demo() {
	prints '^copied and verified 4194304 bytes ' on_device demo
	prints '^copied and verified 12345 bytes ' on_device demo 12345
	prints '^result ok$' on_device -c demo 0x10001
}

# What keeps its memory, and lets it be pinned, depends on the mode.
table() {
	disk=${DMADEMO_DISK:-}
	[ -n "$disk" ] || { skip 'needs DMADEMO_DISK=, a disk to write to'; return; }
	prints '^[a-z_-]* *[0-9.]* *[0-9]* *[yesno]* *[yesno]*$' on_device table "$disk"
	case $(cat "$dir/out") in
	pages*yes*yes | huge*yes*yes | pfn*no*yes | dma-direct*no*no) ;;
	pages* | huge* | pfn* | dma-direct*) fail "this is wrong: $(cat "$dir/out")" ;;
	esac
	refuses 1 'try a disk' on_device table "$dir"
}

number_too_large() {
	most=$(bytes_after 'buffers of up to')
	for bytes in $((most + 1)) 18446744073709551615 99999999999999999999999999; do
		refuses 2 "may have up to $most" on_device alloc $bytes
		refuses 2 "may have up to $most" on_device demo $bytes
	done
}

too_much_in_all() {
	most=$(bytes_after 'buffers of up to')
	in_all=$(bytes_after 'up to')
	if [ "$most" -gt "$in_all" ]; then
		refuses 1 max_device_bytes= on_device alloc "$most"
	else
		skip "all buffers together may have $in_all bytes, and one has $most at most"
	fi
}

unknown_way_to_bench() { refuses 1 'unknown method nosuch' "$tool" bench nosuch; }

# It can be opened, but there is nothing at its start.
unreadable_file() {
	refuses 1 'cannot read /proc/self/mem' on_device copy /proc/self/mem
	refuses 1 "cannot read $dir: Is a directory" on_device copy "$dir"
}

# By each path, more than a buffer has, and nothing.
copy() {
	for option in '' -c -u; do
		# shellcheck disable=SC2086 # it is a word, or none
		copies "$dir/data" on_device $option copy "$dir/data"
	done
	cat "$dir/data" "$dir/data" "$dir/data" >"$dir/long"
	copies "$dir/long" on_device copy "$dir/long"
	rm "$dir/long"
	: >"$dir/empty"
	copies "$dir/empty" on_device copy "$dir/empty"
	copies "$dir/empty" on_device -u copy "$dir/empty"
}

full_output() {
	complains /dev/full 1 "$full" on_device info
	complains /dev/full 1 "$full" on_device copy "$dir/data"
}

# By Ctrl-C, in the middle of a file that has no end.  Not by kill: what the shell
# has in the background ignores it.  128 + 2 is what a process that it ends exits
# with, and 124 what some versions of timeout say then.
interrupted_copy() {
	for option in '' -c -u; do
		# shellcheck disable=SC2086 # it is a word, or none
		timeout -s INT -k 60 1 "$tool" -d "$device" $option \
			copy /dev/zero >/dev/null 2>"$dir/err"
		status=$?
		[ $status = 130 ] || [ $status = 124 ] ||
			fail "copy $option: exit status $status: $(cat "$dir/err")"
		prints '^buffers of ' on_device info
		copies "$dir/data" on_device copy "$dir/data"
	done
}

# run CASE...: runs each and prints what became of it.
run() {
	for name; do
		result=pass reason='' nr=$((nr + 1))
		if [ -n "$no_device" ]; then
			skip "$no_device"
		else
			$name
		fi
		case $result in
		pass) passed=$((passed + 1)) ;;
		skip) skipped=$((skipped + 1)) reason=" # SKIP $reason" ;;
		fail) failed=$((failed + 1)) ;;
		esac
		echo "$([ $result != fail ] || echo 'not ')ok $nr $name$reason"
	done
}

echo 'TAP version 13'
bail_out() { echo "Bail out! $*"; exit 1; }
command -v "$tool" >/dev/null || bail_out "there is no $tool; set DMADEMO to where it is"
dir=$(mktemp -d) || bail_out 'no directory for temporary files'
trap 'rm -rf "$dir"' EXIT
# A length that is no multiple of anything, and no two pages are the same.
seq 600000 | head -c $((3 * 1024 * 1024 + 12345)) >"$dir/data"

nr=0 passed=0 failed=0 skipped=0 no_device=''
# shellcheck disable=SC2086 # they are words
set -- $need_nothing $need_device
echo "1..$#"
# shellcheck disable=SC2086
run $need_nothing
if [ ! -e "$device" ]; then
	no_device="there is no $device"
elif [ ! -r "$device" ] || [ ! -w "$device" ]; then
	no_device="$device is not for this user"
fi
# shellcheck disable=SC2086
run $need_device
echo "# Totals: pass:$passed fail:$failed xfail:0 xpass:0 skip:$skipped error:0"

[ $failed = 0 ] || exit 1
[ -z "$no_device" ] || exit 4
