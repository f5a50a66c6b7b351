// SPDX-License-Identifier: GPL-2.0
/*
 * A fuzzer for /dev/dmademo0.  Its workers are processes.  Each makes random calls on a
 * file of its own, and predicts their results, and the contents of memory, from a model.
 * A second thread makes noise: calls on the same file of which nothing is predicted.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <pthread.h>
#include <time.h>

#include "dmademo_fuzz.h"

static struct dmademo_info info;
static int fd;
static unsigned int *totals; /* of all workers: results checked, rounds of noise */
static pthread_mutex_t noise_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int generation; /* of the file; protected by @noise_lock */

#define USER_PAGES 32
static unsigned char *user, *user_shadow;

/* --- transfers --------------------------------------------------------------- */

/* One side of a transfer: its buffer, if it has one, and the copy in the model. */
struct side {
	struct buffer *buf;
	unsigned char *shadow;
	uint64_t allowed, left;	/* results; bytes that it has */
};

static void pick_side(struct side *side, __u32 *handle, __u64 *offset, __u32 *flags,
		      __u32 user_flag)
{
	const uint64_t bad[] = { 0, 1, -4096ULL, 1ULL << 63, UINT64_MAX };
	const bool write = user_flag == DMADEMO_RUN_DST_USER;
	unsigned int kind = rnd(16), at, nr;
	struct buffer *b = pick_live();

	*side = (struct side){ .allowed = OK, .left = page_size };
	if (kind < 9 && b) {
		side->buf = b;
		*handle = b->handle;
		*offset = rnd(4) ? rnd(b->bytes) : 0;
		side->shadow = b->shadow + *offset;
		side->left = b->bytes - *offset;
		return;
	}
	if (kind == 9) {
		*handle = info.max_buffers - rnd(3) + 1;
		side->allowed = E(NOENT);
		return;
	}
	*flags |= user_flag;
	if (kind < 13) {
		at = rnd(USER_PAGES * page_size);
		*offset = (uintptr_t)user + at;
		side->shadow = user_shadow + at;
		side->left = USER_PAGES * page_size - at;
	} else if (kind < 15 && pick_pages(&at, &nr, true)) {
		*offset = (uintptr_t)address(at) + rnd(page_size);
		side->buf = arena[at].buf;
		side->shadow = side->buf->shadow + arena[at].nr * page_size + *offset % page_size;
		side->left = (uintptr_t)address(at + nr) - *offset;
		/* One page, as others of a VMA may have been zapped. */
		if (side->left > page_size - *offset % page_size)
			side->left = page_size - *offset % page_size;
		if (pfn || page_signal(&arena[at], write))
			side->allowed = E(FAULT);
		else if (cma) /* must not be pinned for long */
			side->allowed |= E(FAULT);
	} else {
		*offset = bad[rnd(ARRAY_SIZE(bad))];
		side->allowed = E(FAULT);
	}
}

/* Makes a transfer that ends in time, and the same in the model. */
static void do_run(struct dmademo_run *run, const struct side *src, const struct side *dst,
		   uint64_t allowed)
{
	const struct dmademo_run before = *run;
	const bool was_gone = gone;
	bool known;
	char text[128];
	int ret;

	sprintf(text, "RUN { %u, %#x, %u, %u, %#llx, %#llx, %#llx }", run->op, run->flags, run->src,
		run->dst, run->src_offset, run->dst_offset, run->length);
	ret = check_device(demo_call(fd, DMADEMO_IOC_RUN, run), allowed, text);
	known = !ret && (!src->buf || src->buf->known);
	if (run->op == DMADEMO_OP_CRC32 && known)
		expect(run->value == demo_cpu_crc32(src->shadow, run->length), "%s", text);
	else if (run->op != DMADEMO_OP_CRC32 || ret)
		expect(!memcmp(run, &before, sizeof(before)), "%s changed its argument", text);
	/* If the device went meanwhile, a part may have been done. */
	if (run->op == DMADEMO_OP_CRC32 || !(allowed & OK) ||
	    (ret && (ret != -ENODEV || was_gone)))
		return;
	if (known && src->shadow)
		memcpy(dst->shadow, src->shadow, run->length);
	else if (known)
		memset(dst->shadow, run->value, run->length);
	else if (!dst->buf)
		memcpy(dst->shadow, user + (dst->shadow - user_shadow), run->length);
	if (dst->buf)
		dst->buf->known = known && dst->buf != buffers &&
				  (dst->buf->known || run->length == dst->buf->bytes);
	else
		expect(!memcmp(user, user_shadow, USER_PAGES * page_size), "%s: user memory", text);
}

static void op_run(void)
{
	struct side src = { .allowed = OK, .left = MAX_BUFFER_BYTES }, dst = src;
	struct dmademo_run run = { .op = rnd(3) };
	uint64_t allowed, left, distance;

	if (run.op != DMADEMO_OP_FILL)
		pick_side(&src, &run.src, &run.src_offset, &run.flags, DMADEMO_RUN_SRC_USER);
	else
		run.value = rnd(256);
	if (run.op != DMADEMO_OP_CRC32)
		pick_side(&dst, &run.dst, &run.dst_offset, &run.flags, DMADEMO_RUN_DST_USER);
	/* Something new to be copied. */
	left = rnd(USER_PAGES * page_size);
	user_shadow[left] = random32();
	user[left] = user_shadow[left];
	left = src.left < dst.left ? src.left : dst.left;
	run.length = 1 + rnd(rnd(3) || run.op == DMADEMO_OP_CRC32 ? page_size : 16 * page_size);
	if (!rnd(16) || run.length > left)
		run.length = left;
	/* The same memory by two names may overlap. */
	if (src.buf && src.buf == dst.buf && run.flags)
		return;
	allowed = (src.allowed & dst.allowed & OK) | ((src.allowed | dst.allowed) & ~OK);
	if (!run.flags && allowed == OK && !rnd(16)) {
		run.length = left + 1 + rnd(page_size);
		allowed = E(RANGE);
	} else if (run.flags && run.length > 1 << 20) {
		allowed |= E(NOMEM); /* RLIMIT_MEMLOCK */
	}
	distance = run.src_offset > run.dst_offset ? run.src_offset - run.dst_offset :
		   run.dst_offset - run.src_offset;
	if (run.op == DMADEMO_OP_COPY && run.flags % 3 == 0 && run.src == run.dst &&
	    distance < run.length)
		allowed = E(INVAL);
	do_run(&run, &src, &dst, allowed);
}

/* The device finds what the model has, in a page of a buffer. */
static void check_crc32(struct buffer *b)
{
	const uint64_t at = rnd(b->bytes / page_size) * page_size;
	struct side src = { .buf = b, .shadow = b->shadow + at }, dst = {};
	struct dmademo_run run = {
		.op = DMADEMO_OP_CRC32, .src = b->handle, .src_offset = at, .length = page_size,
	};

	do_run(&run, &src, &dst, OK);
}

/* --- the other calls --------------------------------------------------------- */

static void op_alloc(void)
{
	const uint64_t sizes[] = {
		0, info.max_bytes + 1, info.max_device_bytes + 1, UINT64_MAX,
		1 + rnd(MAX_BUFFER_BYTES), PMD_BYTES + rnd(3) * page_size, 1 + rnd(PMD_BYTES / 2),
	};
	const unsigned int kind = rnd(100);
	const uint64_t bytes = kind < ARRAY_SIZE(sizes) ? sizes[kind] : 1 + rnd(16 * page_size);
	const uint64_t held = (bytes + page_size - 1) / page_size * page_size;
	struct dmademo_alloc arg;
	unsigned int i;
	char text[64];

	for (i = 1; i < ARRAY_SIZE(buffers) && buffers[i].holders; i++)
		;
	if (kind > 3 && (i == ARRAY_SIZE(buffers) || held > MAX_TOTAL_BYTES - total_bytes))
		return;
	sprintf(text, "ALLOC { %#llx }", (unsigned long long)bytes);
	if (check_device(demo_alloc_flags(fd, bytes, rnd(3), &arg), kind > 3 ?
			 OK | E(NOMEM) | E(DQUOT) : E(INVAL) | E(DQUOT), text))
		return;
	expect(arg.bytes == held && arg.handle && arg.handle <= info.max_buffers &&
	       arg.mmap_offset % page_size == 0 && !arg.bus_addr,
	       "%s that gave { %#llx, %#llx, %u }", text, (unsigned long long)arg.bytes,
	       (unsigned long long)arg.mmap_offset, arg.handle);
	total_bytes += held;
	buffers[i] = (struct buffer){
		.holders = 1, .live = true, .known = true, .handle = arg.handle, .bytes = held,
		.mmap_offset = arg.mmap_offset, .shadow = own_memory(held),
	};
	check_crc32(&buffers[i]);
}

static void op_free(void)
{
	struct buffer *b = pick_live();

	if (b && !check_device(demo_free(fd, b->handle), b == buffers ? E(NOENT) : OK, "FREE")) {
		b->live = false;
		drop(b);
	}
}

static void op_small(void)
{
	struct buffer *b = pick_live();
	struct dmademo_info now = {};
	uint64_t at;

	if (!check_device(demo_info(fd, &now), OK, "INFO"))
		expect(!memcmp(&now, &info, sizeof(info)), "INFO that differs");
	if (!b)
		return;
	at = rnd(b->bytes);
	check_device(demo_sync(fd, b->handle, 1 + rnd(2), at, 1 + rnd(b->bytes - at)), OK, "SYNC");
	check_device(demo_sync(fd, b->handle, 1 + rnd(2), at, b->bytes), at ? E(RANGE) : OK,
		     "SYNC past the end");
}

/* Some of its pages, all most often, or too many. */
static void pick_range(const struct buffer *b, unsigned int *first, unsigned int *nr)
{
	const unsigned int pages = b->bytes / page_size;

	*first = rnd(3) ? 0 : rnd(pages);
	*nr = rnd(3) ? pages - *first : 1 + rnd(pages - *first);
	if (!rnd(16))
		*nr = pages - *first + 1 + rnd(16);
}

static void op_mmap(void)
{
	struct buffer *b = pick_live();
	unsigned int first, nr;

	if (!b)
		return;
	pick_range(b, &first, &nr);
	map_pages(fd, b->mmap_offset + first * page_size, b, first, nr, pick_prot(), !rnd(6),
		  (first + nr) * page_size <= b->bytes ? OK : E(NXIO));
}

static struct dmabuf {
	int fd;
	struct buffer *buf;	/* or NULL */
} dmabufs[8];

static void close_dmabuf(struct dmabuf *d)
{
	close(d->fd);
	drop(d->buf);
	d->buf = NULL;
}

static void op_dmabuf(void)
{
	struct dmabuf *d = &dmabufs[rnd(ARRAY_SIZE(dmabufs))];
	struct buffer *b = d->buf ?: pick_live();
	const bool was_gone = gone;
	unsigned int first, nr;

	if (!b)
		return;
	if (!d->buf) {
		d->fd = demo_export(fd, b->handle);
		if (check_device(d->fd < 0 ? d->fd : 0, OK, "EXPORT"))
			return;
		d->buf = hold(b);
		expect(lseek(d->fd, 0, SEEK_END) == (off_t)b->bytes, "size of a dma-buf");
	} else if (rnd(3)) {
		/* It may be of a device that went before the file's did. */
		pick_range(b, &first, &nr);
		gone = false;
		map_pages(d->fd, first * page_size, b, first, nr, pick_prot(), !rnd(8),
			  (first + nr) * page_size <= b->bytes ? OK : E(INVAL));
		gone = was_gone;
	} else if (rnd(2)) {
		close_dmabuf(d);
	} else {
		check(sync_dmabuf(d->fd, 1 + rnd(3) + 4 * rnd(2)), OK, "DMA_BUF_IOCTL_SYNC");
	}
}

static void op_check(void)
{
	struct buffer *b = pick_live();
	unsigned int at, nr;

	if (b)
		check_crc32(b);
	if (pick_pages(&at, &nr, false))
		check_pages(at, nr < 32 ? nr : 32);
}

/* A child is killed while it has the device fill a buffer: that ends, or has been done. */
static void op_kill(void)
{
	struct dmademo_run run = { .op = DMADEMO_OP_COPY, .flags = DMADEMO_RUN_DST_USER };
	struct buffer *b = pick_live();
	const unsigned char value = rnd(256);
	size_t i = 0;
	pid_t pid;

	if (!b || !b->known || gone)
		return;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-demo_fill(fd, b->handle, 0, b->bytes, value));
	}
	expect(pid > 0, "fork");
	usleep(rnd(8000));
	kill(pid, SIGKILL);
	end_of(pid);
	run.src = b->handle;
	run.length = b->bytes;
	run.dst_offset = (uintptr_t)tmp;
	b->known = !check_device(demo_call(fd, DMADEMO_IOC_RUN, &run), OK | E(NOMEM),
				 "RUN after a kill");
	for (; b->known && i < b->bytes && tmp[i] == value; i++)
		b->shadow[i] = value;
	check_bytes(b, 0, tmp, b->bytes);
}

/* --- the file ---------------------------------------------------------------- */

/* If the driver is being unbound, it will be bound again soon. */
static int open_device(void)
{
	int new, i;

	for (i = 0; (new = open(DEVICE, O_RDWR)) < 0 && may_unbind && i < 30000; i++)
		usleep(1000);
	expect(new >= 0, "open");
	return new;
}

/* Only what is mapped, or a dma-buf, is left of the buffers. */
static void op_reopen(void)
{
	unsigned int i;
	int new;

	pthread_mutex_lock(&noise_lock);
	for (i = 1; i < ARRAY_SIZE(buffers); i++) {
		if (buffers[i].live)
			drop(&buffers[i]);
		buffers[i].live = false;
	}
	new = open_device();
	expect(dup2(new, fd) == fd, "dup2");
	close(new);
	generation++;
	gone = false;
	pthread_mutex_unlock(&noise_lock);
}

/* --- the noise --------------------------------------------------------------- */

#define NOISE_PAGES 16

static bool noise_ends;

/* A new mapping replaces an old one, so that nobody else gets the address. */
static void noise_map(void *p, int file, uint64_t offset, size_t bytes)
{
	if (file < 0 || mmap(p, bytes, RW, MAP_SHARED | MAP_FIXED, file, offset) == MAP_FAILED)
		mmap(p, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* Arguments of which most are right.  The buffer and the memory are its own. */
static void noise_call(unsigned char *p, const struct dmademo_alloc *a)
{
	const uint64_t bytes[] = { 0, 1, a->bytes, page_size + 1, 1ULL << rnd(64), UINT64_MAX };
	const uint64_t offsets[] = { 0, rnd(page_size), (uintptr_t)p, -4096ULL, 1ULL << 63 };
	struct dmademo_run run = {
		.op = rnd(4), .flags = rnd(8), .src = rnd(3) ? a->handle : -rnd(3), .value = rnd(2),
		.dst = rnd(3) ? a->handle : -1 - rnd(3), .src_offset = offsets[rnd(5)],
		.dst_offset = offsets[rnd(5)], .length = bytes[rnd(6)], .__reserved = !rnd(16),
	};
	struct dmademo_alloc alloc;

	demo_fill(fd, a->handle, 0, a->bytes, random32());
	demo_call(fd, DMADEMO_IOC_RUN, &run);
	demo_sync(fd, a->handle, random32(), bytes[rnd(6)], bytes[rnd(6)]);
	if (!demo_alloc_flags(fd, bytes[rnd(2)], random32(), &alloc))
		demo_free(fd, alloc.handle);
	demo_call(fd, DMADEMO_IOC_ALLOC, (void *)(uintptr_t)offsets[rnd(2)]);
	demo_call(fd, _IOC(rnd(4), 0xbb, 0x16 + rnd(64), rnd(1 << 14)), &run);
}

static void noise_child(unsigned char *p)
{
	unsigned char c;
	pid_t pid = fork();

	if (!pid)
		_exit(copy_signal(&c, p, 1) || copy_signal(p, &c, 1) ||
		      munmap(p, (1 + rnd(NOISE_PAGES)) * page_size));
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void *noise(void *memory)
{
	struct dmademo_alloc held[4] = {}, *a;
	unsigned int last = generation;
	unsigned char *p;
	int other;

	random_state = seed + ((2ULL * me + 1) << 32);
	for (; !__atomic_load_n(&noise_ends, __ATOMIC_RELAXED); usleep(rnd(8000))) {
		pthread_mutex_lock(&noise_lock);
		if (last != generation)
			memset(held, 0, sizeof(held));
		last = generation;
		a = &held[rnd(ARRAY_SIZE(held))];
		p = (unsigned char *)memory + (a - held) * NOISE_PAGES * page_size;
		if (!a->handle) {
			if (demo_alloc_flags(fd, 1 + rnd(NOISE_PAGES * page_size), rnd(3), a))
				a->handle = 0;
		} else if (!rnd(8)) {
			if (!demo_free(fd, a->handle))
				a->handle = 0;
		} else if (!rnd(4)) {
			noise_map(p, rnd(3) ? fd : -1, a->mmap_offset, a->bytes);
		} else if (!rnd(4)) {
			other = demo_export(fd, a->handle);
			noise_map(p, other, 0, a->bytes);
			close(other);
		} else if (!rnd(4)) {
			madvise(p, NOISE_PAGES * page_size, rnd(2) ? MADV_DONTNEED : MADV_COLD);
			mprotect(p, (1 + rnd(NOISE_PAGES)) * page_size, pick_prot());
		} else if (!rnd(16)) {
			noise_child(p);
		} else {
			noise_call(p, a);
		}
		pthread_mutex_unlock(&noise_lock);
		__atomic_fetch_add(&totals[1], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* --- workers ----------------------------------------------------------------- */

static const struct {
	unsigned int weight;
	void (*op)(void);
} ops[] = {
	{ 150, op_run }, { 500, op_touch }, { 40, op_alloc }, { 25, op_free }, { 40, op_mmap },
	{ 80, op_madvise }, { 25, op_munmap }, { 80, op_mprotect }, { 40, op_mremap },
	{ 80, op_splice }, { 30, op_check }, { 150, op_small }, { 30, op_dmabuf },
	{ 2, op_fork }, { 1, op_kill }, { 1, op_reopen },
};

#define STUCK 300 /* seconds for one step */

/* Returns only if nothing was wrong, and leaves nothing behind. */
static int work(unsigned int nr_calls)
{
	const size_t noise_bytes = 4 * NOISE_PAGES * page_size;
	unsigned char *noise_memory;
	unsigned int total = 0, at;
	struct buffer *b;
	pthread_t thread;
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	catch_signals();
	random_state = seed + (2ULL * me << 32);
	fd = open_device();
	expect(!pipe(pipe_fds), "pipe");
	tmp = own_memory(MAX_BUFFER_BYTES);
	user_shadow = own_memory(USER_PAGES * page_size);
	user = mmap(NULL, USER_PAGES * page_size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	arena_memory = own_memory(ARENA_PAGES * page_size + PMD_BYTES);
	arena_memory += -(uintptr_t)arena_memory % PMD_BYTES;
	noise_memory = own_memory(noise_bytes);
	make_hole(0, ARENA_PAGES);
	noise_map(noise_memory, -1, 0, noise_bytes);
	if (info.buffer_bytes)
		buffers[0] = (struct buffer){
			.holders = 1, .live = true, .bytes = info.buffer_bytes,
			.shadow = own_memory(info.buffer_bytes),
		};
	expect(!pthread_create(&thread, NULL, noise, noise_memory), "pthread_create");
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;

	while (nr_done < nr_calls) {
		alarm(STUCK);
		if (gone && !rnd(8))
			op_reopen();
		at = rnd(total);
		for (i = 0; at >= ops[i].weight; i++)
			at -= ops[i].weight;
		ops[i].op();
	}

	__atomic_store_n(&noise_ends, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	if (child.pid)
		end_child();
	if (spliced)
		op_splice();
	for (b = buffers; b < buffers + ARRAY_SIZE(buffers); b++)
		if (b->live)
			check_crc32(b);
	check_pages(0, ARENA_PAGES);
	__atomic_fetch_add(&totals[0], nr_done, __ATOMIC_RELAXED);
	return 0;
}

/* --- the parent -------------------------------------------------------------- */

#define WORKERS 2

int main(int argc, char **argv)
{
	unsigned int nr_calls = 100000, left, i;
	pid_t pid[WORKERS];
	int c, status;

	seed = time(NULL);
	while ((c = getopt(argc, argv, "n:s:u")) != -1) {
		if (c == 'n')
			nr_calls = strtoul(optarg, NULL, 0);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'u')
			may_unbind = true;
		else
			ksft_exit_fail_msg("Options: -n CALLS, -s SEED, -u to unbind meanwhile\n");
	}

	ksft_print_header();
	page_size = sysconf(_SC_PAGESIZE);
	fd = open(DEVICE, O_RDWR);
	if (fd < 0)
		ksft_exit_skip("%s: %s\n", DEVICE, strerror(errno));
	if (demo_info(fd, &info))
		ksft_exit_fail_perror("INFO");
	if (is_direct(fd, &info) || !(info.flags & DMADEMO_INFO_COHERENT))
		ksft_exit_skip("needs the custom DMA ops, and a device that is cache coherent\n");
	close(fd);
	pfn = info.mmap_mode == DMADEMO_MMAP_PFN;
	cma = demo_proc_bytes("/proc/meminfo", "CmaTotal");
	totals = mmap(NULL, page_size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	ksft_set_plan(WORKERS + 1);
	ksft_print_msg("%u calls with seed %llu; again: -s %llu -n %u%s\n", nr_calls, seed, seed,
		       nr_calls, may_unbind ? " -u" : "");

	random_state = ~seed;
	for (i = 0; i < WORKERS; i++) {
		me = i;
		pid[i] = fork();
		if (!pid[i])
			_exit(work(nr_calls / WORKERS));
	}
	for (left = WORKERS; left; usleep(20000)) {
		for (i = 0; i < WORKERS; i++) {
			if (!pid[i] || waitpid(pid[i], &status, WNOHANG) != pid[i])
				continue;
			pid[i] = 0;
			left--;
			ksft_test_result(!status, "worker %u: status %#x\n", i, status);
		}
		if (may_unbind && left && !rnd(8) && (unbind_driver() || bind_driver()))
			ksft_exit_fail_msg("cannot unbind and bind the driver\n");
	}
	ksft_print_msg("%u results checked, beside %u rounds of noise\n", totals[0], totals[1]);
	for (i = 0; i < 50 && (c = listed_buffers()) > !!info.buffer_bytes; i++)
		usleep(20000);
	ksft_test_result_report(c < 0 ? KSFT_SKIP : c != !!info.buffer_bytes,
				"buffers left: %d\n", c);
	ksft_finished();
}
