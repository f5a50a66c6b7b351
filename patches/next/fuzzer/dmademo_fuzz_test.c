// SPDX-License-Identifier: GPL-2.0
/*
 * A fuzzer for /dev/dmademo0.  Workers, which are processes, make random calls on files of
 * their own, and predict from a model what each comes to and what is in all memory then.
 * Each has a second thread that makes noise on the same file, but not with its buffers.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <getopt.h>
#include <sys/uio.h>
#include <time.h>

#include "dmademo_fuzz_calls.h"

/* --- accesses ---------------------------------------------------------------- */

/* A part of a page, most often of one that is mapped. */
static unsigned int pick_part(size_t *offset, size_t *length)
{
	unsigned int page, nr;

	*offset = rnd(page_size);
	*length = 1 + rnd(rnd(4) ? 64 : page_size);
	if (*length > page_size - *offset)
		*length = page_size - *offset;
	return rnd(16) && pick_pages(&page, &nr, true) ? page : rnd(ARENA_PAGES);
}

static void randomize(unsigned char *p, size_t length)
{
	memset(p, random32(), length);
	p[rnd(length)] = random32();
	p[rnd(length)] = random32();
}

static void op_touch(void)
{
	size_t offset, length;
	const unsigned int page = pick_part(&offset, &length);
	const bool write = rnd(2);
	const struct page *p = &arena[page];
	int sig;

	randomize(tmp, length);
	sig = write ? copy_memory(address(page) + offset, tmp, length) :
		      copy_memory(tmp, address(page) + offset, length);
	expect(sig == page_signal(p, write), "%s of page %u (prot %d%s): signal %d",
	       write ? "write" : "read", page, p->prot, p->zapped ? ", zapped" : "", sig);
	offset += p->nr * page_size;
	if (!sig && write)
		memcpy(p->buf->shadow + offset, tmp, length);
	else if (!sig)
		check_bytes(p->buf, offset, tmp, length);
	/* And something new to copy. */
	offset = rnd(UMEM_RO - 1) * page_size + rnd(page_size);
	randomize(umem + offset, length);
	memcpy(umem_shadow + offset, umem + offset, length);
}

static void check_pages(unsigned int at, unsigned int nr)
{
	const struct page *p;

	for (p = &arena[at]; p < &arena[at + nr]; p++)
		if (!page_signal(p, false))
			check_bytes(p->buf, p->nr * page_size, address(p - arena), page_size);
}

static void op_check(void)
{
	const struct buffer *b = pick_live();
	unsigned int at, nr;

	if (b && b->bytes <= MIB / 4)
		check_crc32(b);
	if (pick_pages(&at, &nr, false))
		check_pages(at, nr < 32 ? nr : 32);
}

/* Bytes that are in @pipe_pages as they are in the buffer, whoever else has it. */
static int pipe_bytes[2], pipe_pages[2];
static struct buffer *spliced;
static size_t spliced_at, spliced_length;

static void take_spliced(void)
{
	expect(read(pipe_pages[0], tmp, spliced_length) == (ssize_t)spliced_length,
	       "read after vmsplice: %d", -errno);
	check_bytes(spliced, spliced_at, tmp, spliced_length);
	drop(spliced);
	spliced = NULL;
}

/* The kernel reads and writes mappings, too. */
static void op_pipe(void)
{
	size_t offset, length;
	const unsigned int page = pick_part(&offset, &length);
	const struct page *p = &arena[page];
	const enum { WRITE, READ, SPLICE } kind = rnd(3);
	struct iovec from = { address(page) + offset, length };
	unsigned int allowed = page_signal(p, kind == READ) ? FAULT : OK;
	ssize_t n;

	if (kind == SPLICE && spliced)
		return take_spliced();
	if (kind == SPLICE && pfn)
		allowed = FAULT;
	/* Memory of a CMA area is VM_IO. */
	if (kind == SPLICE && cma)
		allowed |= FAULT;
	randomize(tmp, length);
	if (kind == READ)
		expect(write(pipe_bytes[1], tmp, length) == (ssize_t)length, "write to a pipe");
	n = error_of(kind == WRITE ? write(pipe_bytes[1], from.iov_base, length) :
		     kind == READ ? read(pipe_bytes[0], from.iov_base, length) :
				    vmsplice(pipe_pages[1], &from, 1, 0));
	check(n == (ssize_t)length ? 0 : n, allowed, "access of the kernel", kind, page, length);
	if ((kind == WRITE && n > 0) || (kind == READ && n < 0))
		expect(read(pipe_bytes[0], tmp, length) == (ssize_t)length, "read of a pipe");
	if (n < 0)
		return;
	offset += p->nr * page_size;
	if (kind == READ)
		memcpy(p->buf->shadow + offset, tmp, length);
	else if (kind == WRITE)
		check_bytes(p->buf, offset, tmp, length);
	if (kind != SPLICE)
		return;
	spliced = hold(p->buf);
	spliced_at = offset;
	spliced_length = length;
}

/* --- children ---------------------------------------------------------------- */

#define SAMPLE 64

/* What a child is to find in a page that was mapped when it was made, if that is known. */
struct message {
	bool known;
	unsigned char bytes[SAMPLE];
};

static struct child {
	pid_t pid;
	int pipe;
	struct buffer *buf;
	size_t at;
	bool writes;
} children[2];

/* It says so if it finds something else, and then writes what it has been told to. */
static int be_child(int go, unsigned char *p, int sig, bool writes)
{
	unsigned char found[SAMPLE];
	struct message wanted;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go, &wanted, sizeof(wanted)) != sizeof(wanted))
		return 1;
	if (copy_memory(found, p, SAMPLE) != sig)
		return 2;
	if (!sig && wanted.known && memcmp(found, wanted.bytes, SAMPLE))
		return 3;
	for (i = 0; writes && i < SAMPLE; i++)
		p[i] = ~found[i];
	return 0;
}

static void end_child(struct child *c)
{
	struct message message = { .known = c->buf->known };
	unsigned char *p = c->buf->shadow + c->at;
	int end, i;

	memcpy(message.bytes, p, SAMPLE);
	expect(write(c->pipe, &message, sizeof(message)) == sizeof(message), "write to child");
	end = end_of(c->pid);
	expect(!end, "child ends with %d", end);
	for (i = 0; c->writes && i < SAMPLE; i++)
		p[i] = ~p[i];
	close(c->pipe);
	drop(c->buf);
	c->pid = 0;
}

/* It ends at once, or may find that it alone has the buffer. */
static void op_fork(void)
{
	struct child *c = &children[rnd(ARRAY_SIZE(children))];
	const struct page *p;
	unsigned int page, nr;
	int fds[2];

	if (c->pid)
		return end_child(c);
	if (!pick_pages(&page, &nr, true) || pipe(fds))
		return;
	p = &arena[page];
	*c = (struct child){
		.pipe = fds[1], .buf = hold(p->buf), .at = p->nr * page_size,
		.writes = !p->nofork && !page_signal(p, true),
	};
	c->pid = fork();
	if (!c->pid)
		_exit(be_child(fds[0], address(page), p->nofork ? SIGSEGV : page_signal(p, false),
			       c->writes));
	expect(c->pid > 0, "fork: %d", -errno);
	close(fds[0]);
	if (rnd(2))
		end_child(c);
}

/* A child is killed while it has the device fill a buffer: so far and no further. */
static void op_kill(void)
{
	struct dmademo_run run = { .op = DMADEMO_OP_COPY, .flags = DMADEMO_RUN_DST_USER };
	struct buffer *b, *next = pick_live();
	const unsigned char value = rnd(256);
	size_t i;
	pid_t pid;

	for (b = next; next && next < buffers + ARRAY_SIZE(buffers); next++)
		if (next->live && next->bytes > b->bytes)
			b = next;
	if (!b || !b->known)
		return;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-demo_fill(fd, b->handle, 0, b->bytes, value));
	}
	expect(pid > 0, "fork: %d", -errno);
	usleep(rnd(3000));
	kill(pid, SIGKILL);
	end_of(pid);
	run.src = b->handle;
	run.dst_offset = (uintptr_t)tmp;
	run.length = b->bytes;
	b->known = !call(DMADEMO_IOC_RUN, &run, OK | NOMEM);
	for (i = 0; b->known && i < b->bytes && tmp[i] == value; i++)
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
	expect(new >= 0, "open: %d", -errno);
	return new;
}

/* Buffers are gone, but what is mapped or a dma-buf. */
static void reopen(void)
{
	int new, i;

	pthread_mutex_lock(&noise_lock);
	for (i = 1; i < (int)ARRAY_SIZE(buffers); i++) {
		if (!buffers[i].live)
			continue;
		buffers[i].live = false;
		buffers[i].gone |= gone;
		drop(&buffers[i]);
	}
	new = open_device();
	expect(dup2(new, fd) == fd, "dup2: %d", -errno);
	close(new);
	generation++;
	gone = false;
	pthread_mutex_unlock(&noise_lock);
}

static void op_reopen(void)
{
	if (!rnd(4))
		reopen();
}

static const unsigned int commands[] = {
	DMADEMO_IOC_INFO, DMADEMO_IOC_ALLOC, DMADEMO_IOC_FREE, DMADEMO_IOC_RUN, DMADEMO_IOC_SYNC,
	DMADEMO_IOC_EXPORT,
};

/* Numbers of no call, and pointers to nothing. */
static void op_garbage(void)
{
	unsigned char *none = umem + UMEM_NONE * page_size;
	void * const bad[] = { NULL, none, none - 4, (void *)-4096UL };
	void *arg = bad[rnd(ARRAY_SIZE(bad))];
	unsigned int cmd = commands[rnd(ARRAY_SIZE(commands))], allowed = FAULT, i;

	switch (rnd(4)) {
	case 0:
		cmd = _IOC(rnd(4), 0xB8 + rnd(8), rnd(0x20), rnd(2) ? 8 * rnd(8) : rnd(1 << 14));
		for (i = 0; i < ARRAY_SIZE(commands); i++)
			if (cmd == commands[i])
				return;
		allowed = FAULT | NOTTY;
		if (rnd(2)) {
			arg = tmp;
			allowed = NOTTY;
		}
		break;
	case 1: /* What they say cannot be told.  There is one for each in memory. */
		cmd = rnd(2) ? DMADEMO_IOC_ALLOC : DMADEMO_IOC_EXPORT;
		arg = umem + UMEM_RO * page_size + (cmd == DMADEMO_IOC_EXPORT ? 512 : 0);
		allowed = FAULT | DQUOT | NOMEM | (buffers[0].live ? 0 : NOENT);
		break;
	case 2:
		check(error_of(read(fd, tmp, 8)), INVAL, "read", 0, 0, 0);
		check(error_of(write(fd, tmp, 8)), INVAL, "write", 0, 0, 0);
		check(error_of(lseek(fd, 8, SEEK_SET)), SPIPE, "lseek", 0, 0, 0);
		return;
	}
	note_gone(check(demo_call(fd, cmd, arg), or_gone(allowed), "ioctl", cmd,
			(unsigned long)arg, 0));
}

/* --- the noise --------------------------------------------------------------- */

#define NOISE_PAGES 64

static bool noise_ends;

/* Where it has a mapping there is another one at once: nobody else gets the address. */
static void noise_map(unsigned char *p, int file, uint64_t offset, size_t bytes)
{
	if (bytes > NOISE_PAGES * page_size)
		bytes = NOISE_PAGES * page_size;
	if (file < 0 || mmap(p, bytes, RW, MAP_SHARED | MAP_FIXED, file, offset) == MAP_FAILED)
		mmap(p, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* A transfer of its own, and one with anything but a handle or an address of others. */
static void noise_run(unsigned char *p, const struct dmademo_alloc *a)
{
	const uint64_t offsets[] = { 0, rnd(page_size), (uintptr_t)p, odd_value() | 1ULL << 63 };
	const uint32_t handles[] = { 0, a->handle, a->handle, random32() | 1U << 20 };
	struct dmademo_run run = {
		.op = rnd(4), .flags = rnd(8), .src = handles[rnd(4)], .dst = handles[1 + rnd(3)],
		.src_offset = offsets[rnd(4)], .dst_offset = offsets[rnd(4)],
		.length = rnd(2) ? rnd(page_size) : odd_value(), .value = rnd(2) ? 0 : rnd(300),
	};

	demo_fill(fd, a->handle, 0, a->bytes, random32());
	demo_call(fd, DMADEMO_IOC_RUN, &run);
}

static void noise_child(unsigned char *p)
{
	unsigned char c;
	pid_t pid = fork();

	if (!pid) {
		copy_memory(&c, p, 1);
		copy_memory(p, &c, 1);
		munmap(p, rnd(NOISE_PAGES) * page_size + page_size);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void *noise(void *memory)
{
	struct dmademo_alloc held[4] = {}, *a;
	unsigned int last = generation;
	struct dmademo_info now;
	unsigned char *p;
	int other;

	random_state = seed + ((2ULL * me + 1) << 32);
	while (!__atomic_load_n(&noise_ends, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&noise_lock);
		if (last != generation)
			memset(held, 0, sizeof(held));
		last = generation;
		a = &held[rnd(ARRAY_SIZE(held))];
		p = (unsigned char *)memory + (a - held) * NOISE_PAGES * page_size;
		switch (a->handle ? rnd(16) : 0) {
		case 0:
			if (demo_alloc_flags(fd, 1 + rnd(NOISE_PAGES * page_size), rnd(3), a))
				a->handle = 0;
			break;
		case 1:
			if (!demo_free(fd, a->handle))
				a->handle = 0;
			break;
		case 2 ... 5:
			noise_map(p, rnd(3) ? fd : -1, a->mmap_offset, a->bytes);
			break;
		case 6:
			other = demo_export(fd, a->handle);
			noise_map(p, other, 0, a->bytes);
			if (other >= 0)
				close(other);
			break;
		case 7:
			madvise(p, NOISE_PAGES * page_size, rnd(2) ? MADV_DONTNEED : MADV_COLD);
			break;
		case 8:
			mprotect(p, (1 + rnd(NOISE_PAGES)) * page_size, pick_prot());
			break;
		case 9:
			if (!rnd(4))
				noise_child(p);
			break;
		case 10:
			demo_info(fd, &now);
			demo_sync(fd, a->handle, 1 + rnd(2), rnd(page_size), 1);
			break;
		default:
			noise_run(p, a);
		}
		pthread_mutex_unlock(&noise_lock);
		usleep(rnd(500));
	}
	return NULL;
}

/* --- workers ----------------------------------------------------------------- */

static const struct {
	unsigned int weight;
	void (*op)(void);
} ops[] = {
	{ 300, op_run }, { 150, op_touch }, { 70, op_alloc }, { 40, op_free }, { 60, op_mmap },
	{ 50, op_madvise }, { 40, op_munmap }, { 60, op_mprotect }, { 60, op_mremap },
	{ 50, op_pipe }, { 60, op_check }, { 20, op_sync }, { 15, op_export },
	{ 40, op_dmabuf }, { 20, op_info }, { 40, op_garbage },
	{ 6, op_fork }, { 3, op_kill }, { 3, op_reopen },
};

static void start_worker(void)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };
	const size_t bytes = (ARENA_PAGES + 1) * page_size + PMD_BYTES;
	const struct dmademo_alloc one = { .bytes = 1 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	random_state = seed + (2ULL * me << 32);
	fd = open_device();
	expect(!pipe(pipe_bytes) && !pipe(pipe_pages), "pipe: %d", -errno);
	tmp = own_memory(MAX_BUFFER_BYTES);
	umem_shadow = own_memory(UMEM_PAGES * page_size);
	arena_memory = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
	umem = mmap(NULL, (UMEM_PAGES + 1) * page_size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(umem != MAP_FAILED && arena_memory != MAP_FAILED, "no memory left");
	arena_memory += -(uintptr_t)arena_memory % PMD_BYTES;
	memcpy(umem + UMEM_RO * page_size, &one, sizeof(one));
	memcpy(umem_shadow, umem, UMEM_PAGES * page_size);
	mprotect(umem + UMEM_RO * page_size, (UMEM_NONE - UMEM_RO) * page_size, PROT_READ);
	mprotect(umem + UMEM_NONE * page_size, (UMEM_RW - UMEM_NONE) * page_size, PROT_NONE);
	mprotect(umem + UMEM_PAGES * page_size, page_size, PROT_NONE);
	if (info.buffer_bytes)
		buffers[0] = (struct buffer){
			.holders = 1, .live = true, .bytes = info.buffer_bytes,
			.shadow = own_memory(info.buffer_bytes),
		};
}

/* All that is left is as it should be, and then nothing is left. */
static void end_worker(void)
{
	struct buffer *b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(children); i++)
		if (children[i].pid)
			end_child(&children[i]);
	if (spliced)
		take_spliced();
	for (b = buffers; b < buffers + ARRAY_SIZE(buffers); b++)
		if (b->live)
			check_crc32(b);
	check_pages(0, ARENA_PAGES);
	make_hole(0, ARENA_PAGES);
	for (i = 0; i < ARRAY_SIZE(dmabufs); i++)
		if (dmabufs[i].buf)
			close_dmabuf(&dmabufs[i]);
	close(fd);
}

static int work(unsigned int nr_calls)
{
	unsigned int total = 0, at;
	pthread_t thread;
	void *memory;
	size_t i;

	start_worker();
	memory = mmap(NULL, 5 * NOISE_PAGES * page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	expect(memory != MAP_FAILED && !pthread_create(&thread, NULL, noise, memory), "no thread");
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	for (*calls = 0; *calls < nr_calls; ++*calls) {
		if (gone && !rnd(8))
			reopen();
		at = rnd(total);
		for (i = 0; at >= ops[i].weight; i++)
			at -= ops[i].weight;
		ops[i].op();
	}
	__atomic_store_n(&noise_ends, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	end_worker();
	return 0;
}

/* --- the parent -------------------------------------------------------------- */

/* Lines in the device's list of buffers, -1 if it cannot be read. */
static int listed_buffers(void)
{
	char line[128];
	int nr = -1;
	FILE *f;

	snprintf(line, sizeof(line), "/sys/kernel/debug/dma_custom/platform:%s/buffers", NAME);
	f = fopen(line, "r");
	while (f && fgets(line, sizeof(line), f))
		nr++;
	if (f)
		fclose(f);
	return nr;
}

static int usage(int ret)
{
	printf("Usage: dmademo_fuzz_test [-n CALLS] [-s SEED] [-t WORKERS] [-d DEVICE] [-u]\n"
	       "Makes CALLS (100000) random calls on DEVICE (%s) from WORKERS (2)\n"
	       "processes; with -u, the driver is unbound and bound meanwhile.\n", DEVICE);
	return ret;
}

#define MAX_WORKERS 64
#define STUCK 120 /* seconds */

int main(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, {} };
	unsigned int nr_calls = 100000, nr = 2, i, left, before = 0, now;
	time_t start = time(NULL), said = start, moved = start;
	unsigned int *shared;
	int c, status, lines;
	pid_t pid[MAX_WORKERS];
	char name[32];

	seed = start;
	while ((c = getopt_long(argc, argv, "n:s:t:d:uh", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			nr_calls = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			nr = strtoul(optarg, NULL, 0);
			break;
		case 'd':
			setenv("DMADEMO_DEVICE", optarg, 1);
			break;
		case 'u':
			may_unbind = true;
			break;
		default:
			return usage(c != 'h');
		}
	}
	if (!nr || nr > MAX_WORKERS || optind < argc)
		return usage(1);
	snprintf(name, sizeof(name), "dmademo.%s", DEVICE + strcspn(DEVICE, "0123456789"));
	setenv("DMADEMO_NAME", name, 0);

	ksft_print_header();
	page_size = sysconf(_SC_PAGESIZE);
	fd = open(DEVICE, O_RDWR);
	if (fd < 0)
		ksft_exit_skip("%s: %s\n", DEVICE, strerror(errno));
	if (demo_info(fd, &info))
		ksft_exit_fail_perror("INFO");
	if (is_direct(fd, &info) || !(info.flags & DMADEMO_INFO_COHERENT))
		ksft_exit_skip("needs the custom DMA ops, and a device that is cache coherent\n");
	if (may_unbind && access(DRIVER "/unbind", W_OK))
		ksft_exit_skip("-u needs root\n");
	close(fd);
	pfn = info.mmap_mode == DMADEMO_MMAP_PFN;
	cma = demo_proc_bytes("/proc/meminfo", "CmaTotal");
	shared = mmap(NULL, page_size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	ksft_set_plan(nr + 1);
	ksft_print_msg("seed %llu; replay with -s %llu -t %u -n %u%s\n", seed, seed, nr, nr_calls,
		       may_unbind ? " -u" : "");

	random_state = ~seed;
	for (i = 0; i < nr; i++) {
		me = i;
		calls = &shared[i];
		pid[i] = fork();
		if (!pid[i])
			_exit(work(nr_calls / nr));
	}
	for (left = nr; left;) {
		usleep(20000);
		for (i = 0, now = 0; i < nr; i++)
			now += __atomic_load_n(&shared[i], __ATOMIC_RELAXED);
		if (now != before)
			moved = time(NULL);
		before = now;
		if (time(NULL) - said >= 5) {
			said = time(NULL);
			ksft_print_msg("%u calls in %ld s\n", now, (long)(said - start));
		}
		for (i = 0; i < nr; i++) {
			if (pid[i] && time(NULL) - moved > STUCK)
				kill(pid[i], SIGKILL);
			if (!pid[i] || waitpid(pid[i], &status, WNOHANG) != pid[i])
				continue;
			pid[i] = 0;
			left--;
			ksft_test_result(!status, "worker %u: %u calls, status %#x\n", i, shared[i],
					 status);
		}
		if (may_unbind && left && !rnd(8) && (unbind() || bind_again()))
			ksft_exit_fail_msg("unbind and bind: %s\n", strerror(errno));
	}
	for (i = 0; i < 50 && (lines = listed_buffers()) > !!info.buffer_bytes; i++)
		usleep(20000);
	if (lines < 0)
		ksft_test_result_skip("buffers left: cannot be read\n");
	else
		ksft_test_result(lines == !!info.buffer_bytes, "buffers left: %d\n", lines);
	ksft_finished();
}
