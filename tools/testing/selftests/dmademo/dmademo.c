// SPDX-License-Identifier: GPL-2.0
/*
 * dmademo - talk to the DMA demo device
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "dmademo_user.h"

static const char usage[] =
	"Usage: dmademo [OPTIONS] COMMAND\n"
	"\n"
	"Talk to the DMA demo device.\n"
	"\n"
	"Commands:\n"
	"  info          print what the device can do\n"
	"  alloc BYTES   allocate a buffer, map it, look whether it is zeroed and whether\n"
	"                the device sees what is written to it, and print where it is\n"
	"  demo [BYTES]  have the device copy one buffer to another and verify it\n"
	"                through the second one's mapping (default 4194304)\n"
	"  copy FILE     have the device copy FILE from one buffer to another, and\n"
	"                write what the second one's mapping shows to standard output\n"
	"  bench [WAY]... measure what buffers cost, in each of the WAYs to have and\n"
	"                map them that the driver's parameter mmap= names, and from the\n"
	"                dma-buf heaps, heap_system and heap_cma (default: all)\n"
	"\n"
	"Options:\n"
	"  -d DEVICE     use DEVICE (default /dev/dmademo0)\n"
	"  -s STRATEGY   map buffers by dma_mmap, insert_page, map_pages, remap_pfn, fault\n"
	"                or huge (default: what the device is set up for)\n"
	"  -c            alloc, demo and copy: buffers that the CPU caches, and hand them\n"
	"                over to the device and back\n"
	"  -u            copy: no buffers, the device reads and writes this program's\n"
	"                memory\n"
	"  -h, --help    print this help\n";

/* What copy moves at a time: the largest buffer that every kernel has. */
#define PIECE (4UL << 20)

static const char *device = "/dev/dmademo0";
static uint32_t strategy = DMADEMO_STRATEGY_DEFAULT;
static uint32_t alloc_flags;
static bool user_memory;

static const char * const strategies[] = {
	[DMADEMO_STRATEGY_DEFAULT]	= "default",
	[DMADEMO_STRATEGY_DMA_MMAP]	= "dma_mmap",
	[DMADEMO_STRATEGY_INSERT_PAGE]	= "insert_page",
	[DMADEMO_STRATEGY_MAP_PAGES]	= "map_pages",
	[DMADEMO_STRATEGY_REMAP_PFN]	= "remap_pfn",
	[DMADEMO_STRATEGY_FAULT]	= "fault",
	[DMADEMO_STRATEGY_HUGE]		= "huge",
};

#define NR_STRATEGIES (sizeof(strategies) / sizeof(*strategies))

struct buffer {
	struct dmademo_alloc alloc;
	unsigned char *map;
};

static const char *mode_name(uint32_t mode)
{
	switch (mode) {
	case DMADEMO_MMAP_PAGES:
		return "pages";
	case DMADEMO_MMAP_PFN:
		return "pfn";
	case DMADEMO_MMAP_HUGE:
		return "huge";
	default:
		return "unknown";
	}
}

static int open_device(struct dmademo_info *info)
{
	int fd = open(device, O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		err(1, "cannot open %s%s", device,
		    errno == ENOENT ? " (is the dmademo driver there?)" : "");
	ret = demo_info(fd, info);
	if (ret)
		errx(1, "%s is no DMA demo device: %s", device, strerror(-ret));
	return fd;
}

static struct buffer get_buffer(int fd, uint64_t bytes)
{
	struct buffer buf;
	int ret = demo_alloc_as(fd, bytes, strategy, alloc_flags, &buf.alloc);

	if (ret == -EOPNOTSUPP)
		errx(1, "%s has no way %s to map such buffers; see dmademo info",
		     device, strategies[strategy]);
	if (ret == -EINVAL)
		errx(1, "%s gives buffers of 1 to so many bytes as dmademo info says, not of %llu",
		     device, (unsigned long long)bytes);
	if (ret)
		errx(1, "cannot allocate a buffer of %llu bytes: %s",
		     (unsigned long long)bytes, strerror(-ret));
	buf.map = demo_map(fd, &buf.alloc, 0, buf.alloc.bytes_held);
	if (buf.map == MAP_FAILED)
		err(1, "cannot map buffer %u", buf.alloc.handle);
	return buf;
}

/* The order of the smallest power-of-two number of pages that holds @bytes. */
static unsigned int order_of(uint64_t bytes)
{
	unsigned int order = 0;

	while (((uint64_t)sysconf(_SC_PAGESIZE) << order) < bytes)
		order++;
	return order;
}

static void print_buffer(const struct buffer *buf,
			 const struct dmademo_info *info)
{
	printf("buffer %u: size %llu bytes, order %u, bus address 0x%llx, mapped at %p, mode %s\n",
	       buf->alloc.handle, (unsigned long long)buf->alloc.bytes_held,
	       order_of(buf->alloc.bytes_held),
	       (unsigned long long)buf->alloc.bus_addr, (void *)buf->map,
	       mode_name(info->mmap_mode));
}

static void hand_over(int fd, const struct buffer *buf, uint32_t to)
{
	int ret = demo_sync(fd, buf->alloc.handle, to, 0,
			    buf->alloc.bytes_held);

	if (ret)
		errx(1, "cannot hand over a buffer: %s", strerror(-ret));
}

static void device_copy(int fd, const struct buffer *dst,
			const struct buffer *src, uint64_t length)
{
	int ret;

	hand_over(fd, src, DMADEMO_SYNC_FOR_DEVICE);
	hand_over(fd, dst, DMADEMO_SYNC_FOR_DEVICE);
	ret = demo_copy(fd, dst->alloc.handle, 0, src->alloc.handle, 0, length);
	if (ret)
		errx(1, "the device cannot copy %llu bytes: %s",
		     (unsigned long long)length, strerror(-ret));
	hand_over(fd, dst, DMADEMO_SYNC_FOR_CPU);
}

/* The CRC-32 of what the device sees, and of what the CPU does. */
static void both_sums(int fd, const struct buffer *buf, uint64_t bytes,
		      uint32_t *by_device, uint32_t *by_cpu)
{
	int ret = demo_crc32(fd, buf->alloc.handle, 0, bytes, by_device);

	if (ret)
		errx(1, "the device cannot checksum: %s", strerror(-ret));
	*by_cpu = demo_cpu_crc32(buf->map, bytes);
}

static int do_info(void)
{
	struct dmademo_info info;
	unsigned int i;

	open_device(&info);
	printf("version %u, requests of up to %llu bytes, mode %s, %s, DMA mask 0x%llx\n",
	       info.version, (unsigned long long)info.max_bytes,
	       mode_name(info.mmap_mode),
	       info.flags & DMADEMO_INFO_COHERENT ? "coherent" : "not coherent",
	       (unsigned long long)info.dma_mask);
	printf("up to %llu bytes in all buffers, %u buffers and %u transfers of a file, %s\n",
	       (unsigned long long)info.max_device_bytes, info.max_buffers,
	       info.max_transfers,
	       info.flags & DMADEMO_INFO_EXPORT ? "dma-bufs in and out" :
						  "dma-bufs in");
	printf("strategies:");
	for (i = 1; i < NR_STRATEGIES; i++)
		if (info.strategies & 1U << i)
			printf(" %s", strategies[i]);
	printf("\n");
	return 0;
}

static int do_alloc(uint64_t bytes)
{
	struct dmademo_info info;
	int fd = open_device(&info);
	struct buffer buf = get_buffer(fd, bytes);
	uint32_t by_device, by_cpu;
	uint64_t i;

	for (i = 0; i < buf.alloc.bytes_held; i++)
		if (buf.map[i])
			errx(1, "byte %llu is not 0", (unsigned long long)i);
	demo_fill_pattern(buf.map, bytes);
	hand_over(fd, &buf, DMADEMO_SYNC_FOR_DEVICE);
	both_sums(fd, &buf, bytes, &by_device, &by_cpu);
	if (by_device != by_cpu)
		errx(1, "the device and the CPU see different data");
	print_buffer(&buf, &info);
	printf("zeroed, contiguous, crc32 0x%08x by the device and by the CPU\n",
	       by_cpu);
	return 0;
}

static int do_demo(uint64_t bytes)
{
	struct dmademo_info info;
	int fd = open_device(&info);
	struct buffer src = get_buffer(fd, bytes);
	struct buffer dst = get_buffer(fd, bytes);
	uint32_t by_device, by_cpu;
	uint64_t i;

	print_buffer(&src, &info);
	print_buffer(&dst, &info);

	demo_fill_pattern(src.map, bytes);
	device_copy(fd, &dst, &src, bytes);
	for (i = 0; i < bytes; i++)
		if (dst.map[i] != demo_pattern(i))
			errx(1, "byte %llu is 0x%02x after the copy",
			     (unsigned long long)i, dst.map[i]);
	printf("copied and verified %llu bytes through the second mapping\n",
	       (unsigned long long)bytes);

	both_sums(fd, &dst, bytes, &by_device, &by_cpu);
	printf("crc32 by the device 0x%08x, by the CPU 0x%08x\n", by_device,
	       by_cpu);
	if (by_device != by_cpu)
		errx(1, "the device and the CPU see different data");
	puts("result ok");
	return 0;
}

static void write_all(const unsigned char *data, size_t length)
{
	while (length) {
		ssize_t n = write(STDOUT_FILENO, data, length);

		if (n < 0)
			err(1, "cannot write to standard output");
		data += n;
		length -= n;
	}
}

static int do_copy(const char *path)
{
	struct dmademo_info info;
	int fd = open_device(&info), in = open(path, O_RDONLY | O_CLOEXEC), ret;
	struct buffer src = {}, dst = {};
	ssize_t n;

	if (in < 0)
		err(1, "cannot open %s", path);
	if (user_memory) {
		src.map = malloc(PIECE);
		dst.map = malloc(PIECE);
		if (!src.map || !dst.map)
			errx(1, "no memory");
	} else {
		src = get_buffer(fd, PIECE);
		dst = get_buffer(fd, PIECE);
	}
	while ((n = read(in, src.map, PIECE)) > 0) {
		if (user_memory) {
			ret = demo_copy_user(fd, dst.map, src.map, n);
			if (ret)
				errx(1, "the device cannot copy %zd bytes of user memory: %s%s",
				     n, strerror(-ret),
				     ret == -ENOMEM ? " (see ulimit -l)" : "");
		} else {
			device_copy(fd, &dst, &src, n);
		}
		write_all(dst.map, n);
	}
	if (n < 0)
		err(1, "cannot read %s", path);
	return 0;
}

static int bad_usage(void)
{
	fprintf(stderr, "%s", usage);
	return 2;
}

static uint64_t parse_bytes(const char *arg)
{
	char *end;
	uint64_t bytes = strtoull(arg, &end, 0);

	if (*end || end == arg)
		errx(2, "%s is not a number of bytes", arg);
	return bytes;
}

static uint32_t parse_strategy(const char *arg)
{
	uint32_t i;

	for (i = 0; i < NR_STRATEGIES; i++)
		if (!strcmp(arg, strategies[i]))
			return i;
	errx(2, "there is no strategy %s, see dmademo --help", arg);
}

int main(int argc, char **argv)
{
	int opt;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	while ((opt = getopt(argc, argv, "+cd:hs:u")) != -1) {
		switch (opt) {
		case 'd':
			device = optarg;
			break;
		case 's':
			strategy = parse_strategy(optarg);
			break;
		case 'c':
			alloc_flags = DMADEMO_ALLOC_CACHED;
			break;
		case 'u':
			user_memory = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return bad_usage();
		}
	}
	argc -= optind;
	argv += optind;

	if (argc == 1 && !strcmp(argv[0], "info"))
		return do_info();
	if (argc == 2 && !strcmp(argv[0], "alloc"))
		return do_alloc(parse_bytes(argv[1]));
	if (argc == 1 && !strcmp(argv[0], "demo"))
		return do_demo(PIECE);
	if (argc == 2 && !strcmp(argv[0], "demo"))
		return do_demo(parse_bytes(argv[1]));
	if (argc >= 1 && !strcmp(argv[0], "bench"))
		return bench(argv + 1);
	if (argc == 2 && !strcmp(argv[0], "copy"))
		return do_copy(argv[1]);
	return bad_usage();
}
