# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Kernels for QEMU, and guests that run them.  To be sourced after ../lib.sh.

# kvm_works IMAGE: true if this machine's KVM can boot the kernel IMAGE.  Some
# have a /dev/kvm on which a guest hangs or aborts, so it is tried, for at most
# 20 seconds, with a kernel that has nothing to do but panic.
kvm_works() {
	local verdict lock
	verdict=$BUILD/kvm-$EUID-$(</proc/sys/kernel/random/boot_id)
	exec {lock}>"$BUILD/.kvm.lock"
	flock "$lock"
	if [[ ! -e $verdict ]]; then
		if [[ ! -w /dev/kvm ]]; then
			echo 'no usable /dev/kvm' >"$verdict"
		else
			timeout --foreground -k 5 20 qemu-system-x86_64 -accel kvm -m 512 \
				-nodefaults -display none -serial stdio -no-reboot -kernel "$1" \
				-append 'console=ttyS0 panic=-1' \
				</dev/null >"$LOGS/kvm.log" 2>&1 || true
			if grep -q 'Kernel panic - not syncing' "$LOGS/kvm.log"; then
				echo works >"$verdict"
			else
				echo 'a guest on /dev/kvm does not boot' >"$verdict"
			fi
		fi
		[[ $(<"$verdict") == works ]] ||
			say "    $(<"$verdict"): emulating the CPU instead"
	fi
	exec {lock}>&-
	[[ $(<"$verdict") == works ]]
}

# use_guest VARIANT [ARCH]: sets what belongs to the guest kernel of that variant
# (see get_guest) for x86_64 (default), i386 or arm64.  An array, GUEST_OPTIONS,
# has kernel options to change, CONFIG_NAME=VALUE.
use_guest() {
	GUEST_VARIANT=$1
	GUEST_ARCH=${2:-x86_64}
	GUEST=$BUILD/guest-$1-$GUEST_ARCH$(printf -- '-%s' "${GUEST_OPTIONS[@]/#CONFIG_/}" | sed 's/^-$//')
	GUEST_CONSOLE=ttyS0
	case $GUEST_ARCH in
	x86_64 | i386)
		GUEST_KERNEL=$GUEST/arch/x86/boot/bzImage
		GUEST_QEMU=qemu-system-$GUEST_ARCH
		;;
	arm64)
		GUEST_KERNEL=$GUEST/arch/arm64/boot/Image
		GUEST_QEMU=qemu-system-aarch64
		GUEST_CONSOLE=ttyAMA0
		;;
	esac
	GUEST_BUSYBOX=/bin/busybox
	[[ $GUEST_ARCH == x86_64 ]] || GUEST_BUSYBOX=$BUILD/busybox-$GUEST_ARCH/bin/busybox
	GUEST_PROGRAMS=("$GUEST/kselftest/dmademo/"{dmademo,dmademo_{test,map_test,pin_test,transfer_test,dmabuf_test,args_test,unbind_test,attack_test,fail_test,fuzz_test,race_test,isolation_test}}
		"$GUEST/kselftest/"{pfnmap,gup_test,dma_map_benchmark,dma-buffer-user} "$LINUX/tools/testing/selftests/dmademo/dmademo_tool_test.sh")
}
GUEST_OPTIONS=()
QEMU_DEVICES=()

# guest_configs: the files that make the kernel's configuration, each of
# which goes over those before it.
guest_configs() {
	local -a parts
	local part file
	case $GUEST_VARIANT in
	debug) parts=(kunit debug leaks) ;;
	plain) parts=(plain) ;;
	drivers) parts=(debug drivers) ;;
	bystander) parts=(plain bystander) ;;
	*) die "there is no guest kernel $GUEST_VARIANT" ;;
	esac
	for part in common "$GUEST_ARCH" "${parts[@]}"; do
		[[ $part != kunit ]] ||
			printf '%s\n' "$LINUX"/{kernel/dma/tests,drivers/misc/dmademo}/.kunitconfig \
				"$TOP/tests/kunit/debug.config"
		for file in "$TOP/scripts/guest/$part"{,"-$GUEST_ARCH"}.config; do
			[[ ! -e $file ]] || say "$file"
		done
	done
}

# get_guest VARIANT [ARCH]: makes sure that there are a guest kernel, $GUEST_KERNEL,
# and the user programs, built from the series.  The kernel is
#   debug       one that looks for mistakes, with the KUnit suites
#   drivers     one that does, with drivers that know nothing of the custom DMA ops
#   plain       for the demo, and for measuring
#   bystander   the same without the custom DMA ops
get_guest() {
	local name key lock option
	local -a configs targets options=()
	use_guest "$@"
	name="$GUEST_VARIANT for $GUEST_ARCH"
	need_x86_64_host
	need kernel guest "$GUEST_ARCH"
	[[ $GUEST_ARCH == x86_64 ]] || get_busybox "$GUEST_ARCH"
	[[ $GUEST_ARCH != arm64 ]] || need arm64_user
	get_series
	mkdir -p "$GUEST"

	for option in "${GUEST_OPTIONS[@]}"; do
		[[ $option != *=n ]] || option="# ${option%=n} is not set"
		options+=("$option")
	done
	mapfile -t configs < <(guest_configs)
	# One at a time, as what runs beside may need the same.
	exec {lock}>"$GUEST/.lock"
	flock "$lock"
	merge_configs "${configs[@]}" <(printf '%s\n' "${options[@]}") \
		>"$GUEST/guest.config"
	# What was built of the same is not looked at again.
	key=$(kernel_tree_id && cat "$GUEST/guest.config" &&
		"$(cross_compile "$GUEST_ARCH")gcc" --version)
	if [[ -e $GUEST/built && $(<"$GUEST/built") == "$key" ]]; then
		exec {lock}>&-
		return 0
	fi
	rm -f "$GUEST/built"

	step "building the guest kernel, $name (some minutes the first time)"
	make_kernel "$GUEST_ARCH" O="$GUEST" KCONFIG_ALLCONFIG="$GUEST/guest.config" allnoconfig \
		>"$LOGS/guest-config.log" 2>&1 ||
		die "cannot configure the guest kernel, see $LOGS/guest-config.log"
	check_config "$GUEST/guest.config" "$GUEST/.config"
	targets=("${GUEST_KERNEL##*/}")
	! grep -q '^CONFIG_MODULES=y' "$GUEST/.config" || targets+=(modules)
	build_kernel "$GUEST_ARCH" "$GUEST" "guest-$GUEST_VARIANT-$GUEST_ARCH" "${targets[@]}"

	# Without the demo driver there is nobody to talk to, and on i386 only KUnit runs.
	if [[ $GUEST_VARIANT != bystander && $GUEST_ARCH != i386 ]]; then
		step "building the user programs"
		# Their rules do not know of the kernel's headers.
		rm -rf "$GUEST/kselftest"
		{ make_kernel "$GUEST_ARCH" O="$GUEST" headers &&
			make_kernel "$GUEST_ARCH" O="$GUEST" -C "$LINUX/tools/testing/selftests" \
				TARGETS=dmademo && build_others; } >"$LOGS/guest-user.log" 2>&1 ||
			die "cannot build the user programs, see $LOGS/guest-user.log"
	fi
	say "$key" >"$GUEST/built"
	exec {lock}>&-
}

# build_others: the sample's program, and the kernel's own test programs that run on
# a demo device, without all the other ones of mm and what they need.
build_others() {
	local tests=$LINUX/tools/testing/selftests
	local -a cc=("$(cross_compile "$GUEST_ARCH")gcc" -static -O2 -isystem "$GUEST/usr/include")
	"${cc[@]}" -D_GNU_SOURCE= -I "$tests" -o "$GUEST/kselftest/pfnmap" \
		"$tests/mm/"{pfnmap,vm_util}.c &&
		"${cc[@]}" -pthread -D_GNU_SOURCE= -I "$tests" -I "$LINUX" -o "$GUEST/kselftest/gup_test" \
			"$tests/mm/"{gup_test,vm_util,hugepage_settings}.c &&
		"${cc[@]}" -o "$GUEST/kselftest/dma_map_benchmark" \
			"$LINUX/tools/dma/dma_map_benchmark.c" &&
		"${cc[@]}" -Wall -Wextra -o "$GUEST/kselftest/dma-buffer-user" \
			"$LINUX/samples/dma-buffer/dma-buffer-user.c"
}

# kernel_tree_id: what is in $LINUX, with what is not committed there.
kernel_tree_id() {
	kernel_git rev-parse HEAD && kernel_git diff HEAD &&
		kernel_git ls-files -z -o --exclude-standard | (cd "$LINUX" && xargs -0r sha256sum)
}

# get_busybox ARCH: the same as Debian's package for this machine, for ARCH.
get_busybox() {
	local dir=$BUILD/busybox-$1 apt=$BUILD/apt-$1
	local -a foreign
	[[ ! -x $dir/bin/busybox ]] || return 0
	foreign=(-o APT::Architecture="$1" -o APT::Architectures="$1"
		-o Dir::State="$apt" -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache"
		-o APT::Sandbox::User=root)
	step "getting busybox for $1"
	rm -rf "$dir" "$apt"
	mkdir -p "$dir" "$apt/lists/partial" "$apt/cache/archives/partial"
	# A suite that is out of date is an error, and does not matter.
	(cd "$dir" && { apt-get "${foreign[@]}" update || true; } &&
		apt-get "${foreign[@]}" download busybox-static &&
		dpkg-deb -x ./*.deb .) >"$LOGS/busybox-$1.log" 2>&1 ||
		die "cannot get the Debian package busybox-static for $1, see $LOGS/busybox-$1.log"
}

# device_tree DIR MACHINE...: DIR/virt.dtb, the device tree of QEMU's MACHINE with
# $GUEST_DEVICE_TREE added.
device_tree() {
	local dir=$1
	shift
	{
		"$GUEST_QEMU" "$@" -machine "dumpdtb=$dir/qemu.dtb" -display none &&
			dtc -q -I dtb -O dts -o "$dir/virt.dts" "$dir/qemu.dtb" &&
			cat "$GUEST_DEVICE_TREE" >>"$dir/virt.dts" &&
			dtc -q -I dts -O dtb -o "$dir/virt.dtb" "$dir/virt.dts"
	} >"$LOGS/device-tree.log" 2>&1
}

# What run_guest shows of a console: what COMMANDS print.
GUEST_SHOWS='/^guest: begin/,/^guest: exit/{/^guest: /!s/^/    /p}'

# run_guest LOG CMDLINE COMMANDS [FILE]: boots the guest kernel with CMDLINE
# added to its command line and runs the shell COMMANDS there, with FILE as
# /input.  Shows what they print, or what GUEST_SHOWS, a sed script, prints of the
# console, and keeps that in LOG.  True if the last command was.
#   GUEST_CPUS, GUEST_MEMORY  the machine's processors (2) and memory in MiB
#   GUEST_DISK         the image of the disk (default: an empty one of 64 MiB), or
#                      none
#   GUEST_DEVICE_TREE  what to add to the device tree, on arm64
#   GUEST_IOMMU        not empty: the machine has an IOMMU, on arm64
#   GUEST_TIMEOUT      how long it may take, in seconds (an hour)
#   GUEST_PROGRAMS     an array: what is in /bin besides busybox
#   QEMU_MACHINE       an array: instead of QEMU's options for the machine
#   QEMU_DEVICES       an array: QEMU's options for further devices
run_guest() {
	local log=$1 cmdline=$2 commands=$3 file=${4:-} accel=tcg program dir disk
	local -a machine devices=("${QEMU_DEVICES[@]}")

	dir=$BUILD/run/$(basename "$log" .log)
	disk=${GUEST_DISK:-$dir/disk}
	rm -rf "$dir"
	mkdir -p "$dir"
	printf '%s\n' "$commands" >"$dir/guest.sh"
	{
		printf 'dir %s 0755 0 0\n' /bin /dev /proc /sys /tmp /mnt
		say "nod /dev/console 0600 0 0 c 5 1"
		say "file /init $TOP/scripts/guest/init 0755 0 0"
		say "file /bin/load-dmademo $TOP/scripts/guest/load-dmademo 0755 0 0"
		say "file /guest.sh $dir/guest.sh 0644 0 0"
		say "file /bin/busybox $GUEST_BUSYBOX 0755 0 0"
		for program in "$GUEST/"{drivers/misc/dmademo/dmademo,samples/dma-buffer/dma-buffer}.ko; do
			[[ ! -e $program ]] || say "file /${program##*/} $program 0644 0 0"
		done
		for program in "${GUEST_PROGRAMS[@]}"; do
			say "file /bin/${program##*/} $program 0755 0 0"
		done
		if [[ -n $file ]]; then
			# Its list has no way to write a path with a space.
			ln -s "$(realpath "$file")" "$dir/input"
			say "file /input $dir/input 0644 0 0"
		fi
	} >"$dir/list"
	"$GUEST/usr/gen_init_cpio" "$dir/list" >"$dir/initramfs" ||
		die "cannot make the initramfs"

	# A disk that the tests may write to; through the DMA API, as on a real
	# machine.
	[[ -n ${GUEST_DISK:-} ]] || truncate -s 64M "$disk"
	[[ $disk == none ]] || devices=(
		-drive "file=$disk,format=raw,if=none,id=disk"
		-device 'virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=on'
		"${devices[@]}")

	# What looks for mistakes leaves single pages everywhere, and large buffers
	# need room between them, hence so much memory.
	if [[ -n ${QEMU_MACHINE[*]:-} ]]; then
		machine=("${QEMU_MACHINE[@]}")
	elif [[ $GUEST_ARCH == arm64 ]]; then
		machine=(-machine "virt${GUEST_IOMMU:+,iommu=smmuv3}" -cpu 'max,pauth-impdef=on'
			-smp "${GUEST_CPUS:-2}" -m "${GUEST_MEMORY:-1024}")
	else
		# One socket would be one CPU to a kernel without ACPI.
		! kvm_works "$GUEST_KERNEL" || accel=kvm
		machine=(-accel "$accel" -m "${GUEST_MEMORY:-2048}"
			-smp "${GUEST_CPUS:-2},sockets=${GUEST_CPUS:-2}")
	fi
	if [[ -n ${GUEST_DEVICE_TREE:-} ]]; then
		device_tree "$dir" "${machine[@]}" ||
			die "cannot make the device tree, see $LOGS/device-tree.log"
		machine+=(-dtb "$dir/virt.dtb")
	fi
	# A terminal must not stay as the guest's console leaves it, hence the
	# pipe and no standard input.
	timeout --foreground -k 5 "${GUEST_TIMEOUT:-3600}" "$GUEST_QEMU" "${machine[@]}" \
		-nodefaults -display none -serial stdio -no-reboot \
		"${devices[@]}" \
		-kernel "$GUEST_KERNEL" -initrd "$dir/initramfs" \
		-append "console=$GUEST_CONSOLE panic=-1 oops=panic loglevel=5 page_poison=1 CPUS=${GUEST_CPUS:-2} $cmdline" \
		</dev/null 2>&1 | tee "$log" | sed -un "s/\r\$//;$GUEST_SHOWS" || true
	# No pipe: grep does not read it to its end.
	if ! grep -qx "guest: ${GUEST_CPUS:-2} CPUs" < <(tr -d '\r' <"$log"); then
		say "the guest did not come up with ${GUEST_CPUS:-2} CPUs"
		return 1
	fi
	grep -qx 'guest: exit 0' < <(tr -d '\r' <"$log")
}
