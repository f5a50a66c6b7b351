/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls on /dev/dmademo0 and on dma-bufs that dmademo_fuzz_test makes.
 */
#ifndef DMADEMO_FUZZ_CALLS_H
#define DMADEMO_FUZZ_CALLS_H

#include <limits.h>
#include <pthread.h>

#include "dmademo_fuzz_maps.h"

static pthread_mutex_t noise_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int generation; /* of the file; protected by @noise_lock */
static unsigned char *tmp;	/* MAX_BUFFER_BYTES */

/* --- transfers --------------------------------------------------------------- */

/* One side of a transfer: whose memory it is, if not user memory, and a copy of it. */
struct side {
	struct buffer *buf;
	unsigned char *shadow;
};

static unsigned int user_results(struct side *side, uint64_t at, uint64_t length, bool write)
{
	size_t offset = at - (uintptr_t)umem, page = offset / page_size;
	const struct page *first, *p;
	bool one_vma = true;

	if (at < page_size || at > ULONG_MAX || at >> 63)
		return FAULT;
	if (offset < UMEM_PAGES * page_size) {
		for (; page * page_size < offset + length; page++)
			if (!(umem_prot(page) & (write ? PROT_WRITE : PROT_READ)))
				return FAULT;
		side->shadow = umem_shadow + offset;
		return OK;
	}
	offset = at - (uintptr_t)arena_memory;
	if (offset >= ARENA_PAGES * page_size)
		return 0;
	first = &arena[offset / page_size];
	for (p = first; (uintptr_t)address(p - arena) < at + length; p++) {
		if (pfn || page_signal(p, write))
			return FAULT;
		one_vma &= p == first || !p->first;
	}
	side->buf = first->buf;
	side->shadow = first->buf->shadow + first->nr * page_size + offset % page_size;
	/* Memory of a CMA area must not be pinned for long. */
	return one_vma ? OK | (cma ? FAULT : 0) : 0;
}

/* What a side comes to, or 0 if that is not known. */
static unsigned int side_results(struct side *side, uint32_t handle, uint64_t at,
				 uint64_t length, bool user, bool write)
{
	unsigned int allowed;

	if (user) {
		allowed = user_results(side, at, length, write);
		/* There may be a limit to what is locked. */
		return allowed && length > MIB ? allowed | NOMEM : allowed;
	}
	side->buf = find(handle, &allowed);
	if (!side->buf)
		return allowed;
	side->shadow = side->buf->shadow + at;
	return at < side->buf->bytes && length <= side->buf->bytes - at ? OK : RANGE;
}

static bool run_is_wrong(const struct dmademo_run *run)
{
	const bool reads = run->op != DMADEMO_OP_FILL, writes = run->op != DMADEMO_OP_CRC32;
	const bool src_user = run->flags & DMADEMO_RUN_SRC_USER;
	const bool dst_user = run->flags & DMADEMO_RUN_DST_USER;
	const uint64_t a = run->src_offset, b = run->dst_offset;

	return run->op > DMADEMO_OP_CRC32 || run->flags > 3 || run->__reserved || !run->length ||
	       run->length > info.max_bytes || run->value > (reads ? 0 : 255) ||
	       (!reads && (run->src || a)) || (src_user && (!reads || run->src)) ||
	       (!writes && (run->dst || b)) || (dst_user && (!writes || run->dst)) ||
	       (reads && writes && src_user == dst_user && run->src == run->dst &&
		(a > b ? a - b : b - a) < run->length);
}

static uint32_t cpu_crc32(const unsigned char *p, size_t length)
{
	static uint32_t table[256];
	uint32_t crc = ~0U, i, bit;

	for (i = 0; !table[255] && i < 256; i++)
		for (table[i] = i, bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320U : 0);
	while (length--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}

/* Makes a transfer if it can be predicted, and the same in the model. */
static void do_run(struct dmademo_run *run)
{
	const bool reads = run->op != DMADEMO_OP_FILL, writes = run->op != DMADEMO_OP_CRC32;
	const bool was_gone = gone;
	const size_t length = run->length;
	struct dmademo_run before = *run;
	unsigned int allowed = INVAL, from = OK, to = OK;
	struct side src = {}, dst = {};
	bool known;
	int ret;

	if (!run_is_wrong(run)) {
		if (reads)
			from = side_results(&src, run->src, run->src_offset, length,
					    run->flags & DMADEMO_RUN_SRC_USER, false);
		if (writes)
			to = side_results(&dst, run->dst, run->dst_offset, length,
					  run->flags & DMADEMO_RUN_DST_USER, true);
		/* The same memory by two names may overlap, or not. */
		if (!from || !to || (src.buf && src.buf == dst.buf && run->flags))
			return;
		allowed = (from & to & OK) | ((from | to) & ~OK);
	}
	ret = call(DMADEMO_IOC_RUN, run, allowed);
	known = !ret && (!src.buf || src.buf->known);
	if (!ret && !writes) {
		expect(!known || run->value == cpu_crc32(src.shadow, length),
		       "CRC-32 of %#zx bytes at %#llx of %u is not %#x", length,
		       (unsigned long long)run->src_offset, run->src, run->value);
		before.value = run->value;
	}
	expect(!memcmp(&before, run, sizeof(before)), "RUN changed its argument");
	/* If the device went meanwhile, a part may have been done. */
	if (allowed & OK && writes && (!ret || (ret == -ENODEV && !was_gone))) {
		if (known && reads)
			memcpy(dst.shadow, src.shadow, length);
		else if (known)
			memset(dst.shadow, run->value, length);
		else if (!dst.buf)
			memcpy(dst.shadow, umem + (dst.shadow - umem_shadow), length);
		if (dst.buf)
			dst.buf->known = known && dst.buf != buffers &&
					 (dst.buf->known || length == dst.buf->bytes);
	}
	if (dst.shadow && !dst.buf)
		check_umem(dst.shadow - umem_shadow, length);
}

/* What is in a buffer is what the device finds there. */
static void check_crc32(const struct buffer *b)
{
	struct dmademo_run run = {
		.op = DMADEMO_OP_CRC32, .src = b->handle, .length = b->bytes,
	};

	do_run(&run);
}

/* Returns how many bytes there are from where it begins. */
static uint64_t pick_side(__u32 *handle, __u64 *offset, __u32 *flags, __u32 user_flag)
{
	const uint64_t bad[] = { 0, 1, -4096ULL, 1ULL << 63, UINT64_MAX };
	const unsigned int kind = rnd(16);
	struct buffer *b = pick_live();
	unsigned int at, nr;

	if (kind < 9 && b) {
		*handle = b->handle;
		*offset = rnd(4) ? rnd(b->bytes) : 0;
		return b->bytes - *offset;
	}
	if (kind == 9) {
		*handle = pick_handle();
		return page_size;
	}
	*flags |= user_flag;
	if (kind < 13) {
		at = rnd(rnd(8) ? UMEM_RO : UMEM_PAGES);
		*offset = (uintptr_t)umem + at * page_size + rnd(page_size);
		return (uintptr_t)umem + (at < UMEM_RO ? UMEM_RO : at + 1) * page_size - *offset;
	}
	if (kind < 15 && pick_pages(&at, &nr, true)) {
		*offset = (uintptr_t)address(at) + rnd(page_size);
		return (uintptr_t)address(at + nr) - *offset;
	}
	*offset = bad[rnd(ARRAY_SIZE(bad))];
	return page_size;
}

static void op_run(void)
{
	struct dmademo_run run = { .op = rnd(3) };
	uint64_t left = MAX_BUFFER_BYTES, n;

	if (run.op != DMADEMO_OP_FILL)
		left = pick_side(&run.src, &run.src_offset, &run.flags, DMADEMO_RUN_SRC_USER);
	else
		run.value = rnd(256);
	if (run.op != DMADEMO_OP_CRC32) {
		n = pick_side(&run.dst, &run.dst_offset, &run.flags, DMADEMO_RUN_DST_USER);
		left = n < left ? n : left;
	}
	run.length = 1 + rnd(rnd(3) ? page_size : 16 * page_size);
	if (!rnd(16) || run.length > left)
		run.length = left + !rnd(32);
	mutate(&run, sizeof(run));
	do_run(&run);
}

/* --- the other calls --------------------------------------------------------- */

static void op_info(void)
{
	struct dmademo_info now = {};
	int other = dup(fd);

	if (!call(DMADEMO_IOC_INFO, &now, OK))
		expect(!memcmp(&now, &info, sizeof(info)), "INFO is another one");
	note_gone(check(demo_info(other, &now), or_gone(OK), "INFO of a duplicate", 0, 0, 0));
	close(other);
}

static uint64_t pick_bytes(void)
{
	const unsigned int kind = rnd(64);

	if (kind < 2)
		return kind ? odd_value() : info.max_device_bytes + odd_value();
	if (kind < 4)
		return kind == 2 ? 1 + rnd(MAX_BUFFER_BYTES) : PMD_BYTES + rnd(3) * page_size;
	return 1 + rnd(kind < 8 ? MIB : kind < 24 ? 64 * page_size : 16 * page_size);
}

static void op_alloc(void)
{
	struct dmademo_alloc arg = { .bytes = pick_bytes(), .flags = rnd(3) }, before;
	unsigned int allowed = 0, i, unused;
	uint64_t bytes;
	uint32_t kind;

	if (!rnd(8))
		arg.flags = rnd(2) ? arg.flags | DMADEMO_ALLOC_BUS_ADDR : odd_value();
	mutate(&arg, sizeof(arg));
	before = arg;
	kind = arg.flags & ~DMADEMO_ALLOC_BUS_ADDR;
	bytes = (arg.bytes + page_size - 1) / page_size * page_size;
	if (kind > DMADEMO_ALLOC_WRITE_COMBINE || !arg.bytes || arg.bytes > info.max_bytes)
		allowed |= INVAL;
	else if (bytes > info.max_device_bytes)
		allowed |= DQUOT;
	if (arg.flags != kind && geteuid())
		allowed |= PERM;
	for (i = 1; i < ARRAY_SIZE(buffers) && buffers[i].holders; i++)
		;
	if (!allowed && (i == ARRAY_SIZE(buffers) || bytes > MAX_BUFFER_BYTES ||
			 bytes > MAX_TOTAL_BYTES - total_bytes))
		return;
	if (call(DMADEMO_IOC_ALLOC, &arg, allowed ?: OK | NOMEM | DQUOT))
		return;
	expect(arg.bytes == bytes && arg.flags == before.flags && arg.handle &&
	       arg.handle <= info.max_buffers && !find(arg.handle, &unused) &&
	       !arg.bus_addr == (arg.flags == kind) && arg.mmap_offset % page_size == 0,
	       "ALLOC { %#llx, flags %#x } gave { %#llx, %#llx, %#llx, %#x, %u }",
	       (unsigned long long)before.bytes, before.flags, (unsigned long long)arg.bytes,
	       (unsigned long long)arg.mmap_offset, (unsigned long long)arg.bus_addr, arg.flags,
	       arg.handle);
	total_bytes += bytes;
	buffers[i] = (struct buffer){
		.holders = 1, .live = true, .known = true, .handle = arg.handle, .bytes = bytes,
		.mmap_offset = arg.mmap_offset, .shadow = own_memory(bytes),
	};
	if (bytes <= MIB / 4)
		check_crc32(&buffers[i]);
}

/* Nobody else can have got the handle yet. */
static void use_stale(uint32_t handle, uint64_t offset)
{
	struct dmademo_run run = { .op = DMADEMO_OP_CRC32, .src = handle, .length = 1 };
	struct dmademo_export export = { .handle = handle };
	struct dmademo_free free = { .handle = handle };

	call(DMADEMO_IOC_FREE, &free, NOENT);
	call(DMADEMO_IOC_RUN, &run, NOENT);
	call(DMADEMO_IOC_EXPORT, &export, NOENT);
	note_gone(map_pages(fd, offset, NULL, 0, 1, PROT_READ, false, or_gone(NXIO)));
}

static void op_free(void)
{
	struct dmademo_free arg = { .handle = pick_handle() };
	unsigned int allowed;
	struct buffer *b;

	mutate(&arg, sizeof(arg));
	b = find(arg.handle, &allowed);
	if (arg.__reserved)
		allowed = INVAL;
	else if (b == buffers)
		allowed = NOENT;
	if (!allowed)
		return;
	pthread_mutex_lock(&noise_lock);
	if (!call(DMADEMO_IOC_FREE, &arg, allowed)) {
		b->live = false;
		if (!rnd(4))
			use_stale(b->handle, b->mmap_offset);
		drop(b);
	}
	pthread_mutex_unlock(&noise_lock);
}

static void op_sync(void)
{
	struct dmademo_sync arg = { .handle = pick_handle(), .length = 1 };
	unsigned int allowed;
	struct buffer *b = find(arg.handle, &allowed);
	uint32_t whom;

	arg.flags = 1 << rnd(2) | (1 + rnd(3)) << 2;
	if (b) {
		arg.offset = rnd(b->bytes);
		arg.length = 1 + rnd(b->bytes - arg.offset);
	}
	mutate(&arg, sizeof(arg));
	b = find(arg.handle, &allowed);
	if (!allowed)
		return;
	whom = arg.flags & ~12U;
	if (b && (arg.offset >= b->bytes || arg.length > b->bytes - arg.offset))
		allowed = RANGE;
	if ((whom != DMADEMO_SYNC_FOR_CPU && whom != DMADEMO_SYNC_FOR_DEVICE) ||
	    !(arg.flags & 12) || !arg.length)
		allowed = (allowed & ~OK) | INVAL;
	call(DMADEMO_IOC_SYNC, &arg, allowed);
}

static void op_mmap(void)
{
	struct buffer *b = pick_live();
	const int prot = pick_prot();
	const bool private = !rnd(6);
	unsigned int allowed = OK, first, nr, pages;
	uint64_t offset;

	if (!b)
		return;
	pages = b->bytes / page_size;
	first = rnd(3) ? 0 : rnd(pages);
	nr = rnd(3) ? pages - first : 1 + rnd(pages - first);
	offset = b->mmap_offset + first * page_size;
	if (!rnd(16)) {
		allowed = NXIO;
		if (rnd(2))
			nr = pages - first + 1 + rnd(16);
		else if (rnd(2))
			offset += (pages - first) * page_size;
		else	/* of a buffer that is not there */
			offset = (uint64_t)(NOISE_HANDLES + 1 + rnd(20000)) << 30;
	}
	if (private && prot & PROT_WRITE)
		allowed = (allowed & ~OK) | INVAL;
	note_gone(map_pages(fd, offset, b, first, nr, prot, private, or_gone(allowed)));
}

/* --- dma-bufs ---------------------------------------------------------------- */

static struct dmabuf {
	int fd;
	struct buffer *buf;	/* or NULL: there is none */
} dmabufs[8];

static void op_export(void)
{
	struct dmademo_export arg = { .handle = pick_handle() };
	struct dmabuf *d = &dmabufs[rnd(ARRAY_SIZE(dmabufs))];
	unsigned int allowed;
	struct buffer *b;

	mutate(&arg, sizeof(arg));
	b = find(arg.handle, &allowed);
	if (d->buf || !allowed || call(DMADEMO_IOC_EXPORT, &arg, allowed))
		return;
	expect(fcntl(arg.fd, F_GETFD) == FD_CLOEXEC, "EXPORT gave descriptor %d", arg.fd);
	*d = (struct dmabuf){ arg.fd, hold(b) };
}

static void map_dmabuf(struct dmabuf *d)
{
	struct buffer *b = d->buf;
	const unsigned int pages = b->bytes / page_size, first = rnd(pages);
	unsigned int nr = 1 + rnd(pages - first), allowed = OK;
	const int prot = pick_prot();
	const bool private = !rnd(8);

	if (!rnd(8)) {
		nr = pages - first + 1 + rnd(9);
		allowed = INVAL;
	}
	if (private && prot & PROT_WRITE)
		allowed = INVAL;
	/* It may be of a device that went before the file's did. */
	if (may_unbind)
		allowed = b->gone ? (allowed & ~OK) | NODEV : allowed | NODEV;
	if (map_pages(d->fd, first * page_size, b, first, nr, prot, private, allowed) == -ENODEV)
		b->gone = b != buffers;
}

static void close_dmabuf(struct dmabuf *d)
{
	check(error_of(close(d->fd)), OK, "close of a dma-buf", d->fd, 0, 0);
	drop(d->buf);
	d->buf = NULL;
}

static void op_dmabuf(void)
{
	struct dmabuf *d = &dmabufs[rnd(ARRAY_SIZE(dmabufs))];
	uint64_t flags = (1 + rnd(3)) | rnd(2) << 2;
	const unsigned int kind = rnd(8);

	if (!d->buf)
		return;
	if (kind < 3)
		return map_dmabuf(d);
	if (kind < 4)
		return close_dmabuf(d);
	check(sync_dmabuf(d->fd, flags), OK, "DMA_BUF_IOCTL_SYNC", flags, 0, 0);
	flags = rnd(2) ? flags | 8ULL << rnd(61) : flags & 4;
	check(sync_dmabuf(d->fd, flags), INVAL, "DMA_BUF_IOCTL_SYNC", flags, 0, 0);
	expect(lseek(d->fd, 0, SEEK_END) == (off_t)d->buf->bytes, "a dma-buf has another size");
}

#endif /* DMADEMO_FUZZ_CALLS_H */
