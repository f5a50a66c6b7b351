/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model of dmademo_fuzz_test: the buffers of a worker, with a copy of their contents,
 * its mappings of them, and the calls that change mappings, or keep their pages.
 */
#ifndef DMADEMO_FUZZ_H
#define DMADEMO_FUZZ_H

#include <linux/mman.h> /* more than some C libraries know */
#include <stdarg.h>
#include <sys/uio.h>

#include "kselftest.h"
#include "dmademo_test.h"

#define RW (PROT_READ | PROT_WRITE)
#define PMD_BYTES ((size_t)2 << 20)

static unsigned int me, nr_done; /* number of this worker, and of the results it has checked */
static unsigned long long seed;
static bool may_unbind, gone;	/* the driver may be unbound; a call returned -ENODEV */
static unsigned char *tmp;	/* MAX_BUFFER_BYTES */
static bool pfn, cma;		/* the mode, and whether memory may be of a CMA area */

/* --- random numbers ---------------------------------------------------------- */

static __thread uint64_t random_state;

static inline uint32_t random32(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 32;
}

static inline uint32_t rnd(uint32_t limit)
{
	return random32() % limit;
}

/* --- results ----------------------------------------------------------------- */

/* A set of the results that a call may have: E(INVAL) | OK. */
#define E(error) (1ULL << E##error % 63)
#define OK 1ULL

/* Ends the worker, unless it is right. */
static inline __printf(2, 3) void expect(bool right, const char *fmt, ...)
{
	va_list args;

	if (right)
		return;
	printf("# FAILED: seed %llu, worker %u, call %u: ", seed, me, nr_done);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

/* The result of a call, 0 or a negative errno, has to be in the set. */
static inline __printf(3, 4) int check(long ret, uint64_t allowed, const char *fmt, ...)
{
	char text[128];
	va_list args;

	nr_done++;
	if (ret <= 0 && allowed >> -ret % 63 & 1)
		return ret;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	expect(false, "%s: %s", text, ret < 0 ? strerror(-ret) : ret ? "wrong" : "no error");
	return ret;
}

static inline long error_of(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* The same for a call that needs the device. */
static inline int check_device(long ret, uint64_t allowed, const char *text)
{
	if (gone)
		allowed = (allowed & ~OK) | E(NODEV);
	check(ret, may_unbind ? allowed | E(NODEV) : allowed, "%s", text);
	gone |= ret == -ENODEV;
	return ret;
}

/* --- buffers ----------------------------------------------------------------- */

/* Children do not get it, which makes fork() fast. */
static inline void *own_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(p != MAP_FAILED && !madvise(p, bytes, MADV_DONTFORK), "memory of our own");
	return p;
}

struct buffer {
	unsigned int holders;	/* its handle, mappings and dma-bufs; 0 if this is unused */
	bool live;		/* it has a handle */
	bool known;		/* @shadow has its contents */
	uint32_t handle;
	uint64_t bytes, mmap_offset;
	unsigned char *shadow;
};

/* The first is the device's own: others write to it, so its contents are never known. */
static struct buffer buffers[40];
static uint64_t total_bytes;	/* of all but that */

#define MAX_TOTAL_BYTES ((size_t)32 << 20)
#define MAX_BUFFER_BYTES ((size_t)6 << 20)

static inline struct buffer *hold(struct buffer *b)
{
	b->holders++;
	return b;
}

static inline void drop(struct buffer *b)
{
	if (--b->holders)
		return;
	munmap(b->shadow, b->bytes);
	total_bytes -= b->bytes;
}

/* Any that has a handle, or NULL. */
static inline struct buffer *pick_live(void)
{
	unsigned int i, at = rnd(ARRAY_SIZE(buffers));

	for (i = at; i < at + ARRAY_SIZE(buffers); i++)
		if (buffers[i % ARRAY_SIZE(buffers)].live)
			return &buffers[i % ARRAY_SIZE(buffers)];
	return NULL;
}

static inline void check_bytes(const struct buffer *b, size_t offset, const void *p, size_t length)
{
	expect(!b->known || !memcmp(b->shadow + offset, p, length),
	       "contents of buffer %u of %#llx bytes, %#zx bytes at %#zx", b->handle,
	       (unsigned long long)b->bytes, length, offset);
}

/* --- mappings ---------------------------------------------------------------- */

/* Addresses without a mapping have PROT_NONE memory, so that nobody else gets them. */
#define ARENA_PAGES 4096

static struct page {
	struct buffer *buf;	/* or NULL */
	unsigned int nr;	/* of the buffer's pages */
	int prot;
	bool first;		/* of a VMA, or might be */
	bool private, zapped, nofork;
} arena[ARENA_PAGES + 1];

static unsigned char *arena_memory;

static unsigned char *address(unsigned int page)
{
	return arena_memory + (size_t)page * page_size;
}

/* The signal that an access raises, or 0. */
static int page_signal(const struct page *p, bool write)
{
	if (!p->buf || !(p->prot & (write ? PROT_WRITE : PROT_READ)))
		return SIGSEGV;
	return p->zapped ? SIGBUS : 0;
}

static void split(unsigned int at, unsigned int nr)
{
	arena[at].first = true;
	arena[at + nr].first = true;
}

/* In the model only. */
static void forget(unsigned int at, unsigned int nr)
{
	unsigned int i;

	for (i = at; i < at + nr; i++) {
		if (arena[i].buf)
			drop(arena[i].buf);
		arena[i] = (struct page){};
	}
	split(at, nr);
}

static void make_hole(unsigned int at, unsigned int nr)
{
	forget(at, nr);
	expect(mmap(address(at), nr * page_size, PROT_NONE, MAP_FIXED | MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == address(at), "mmap of a hole");
}

/* Some pages that are mapped, of one VMA or of neighbours. */
static bool pick_pages(unsigned int *at, unsigned int *nr, bool one_vma)
{
	unsigned int i, start = rnd(ARENA_PAGES), end;

	for (i = 0; i < ARENA_PAGES && !arena[(start + i) % ARENA_PAGES].buf; i++)
		;
	if (i == ARENA_PAGES)
		return false;
	start = (start + i) % ARENA_PAGES;
	for (end = start + 1; arena[end].buf && (!arena[end].first || (!one_vma && rnd(4))); end++)
		;
	while (!arena[start].first)
		start--;
	*at = start;
	*nr = end - start;
	if (rnd(3)) {
		*at += rnd(*nr);
		*nr = 1 + rnd(rnd(2) && end - *at > 4 ? 4 : end - *at);
	}
	return true;
}

/*
 * Maps pages of a buffer, over anything or where the kernel chooses, which may be better
 * aligned; from there they are moved.
 */
static void map_pages(int file, uint64_t offset, struct buffer *b, unsigned int first,
		      unsigned int nr, int prot, bool private, uint64_t allowed)
{
	const unsigned int huge = PMD_BYTES / page_size;
	const bool fixed = allowed & OK && rnd(2);
	const size_t bytes = nr * page_size;
	unsigned int at = rnd(ARENA_PAGES - nr), i;
	unsigned char *p;
	char text[80];

	if (nr >= huge && rnd(4) && at >= huge)
		at -= (at - first) % huge;
	if (private && prot & PROT_WRITE)
		allowed = (allowed & ~OK) | E(INVAL);
	if (fixed)
		forget(at, nr);
	p = mmap(fixed ? address(at) : NULL, bytes, prot,
		 (private ? MAP_PRIVATE : MAP_SHARED) | (fixed ? MAP_FIXED : 0), file, offset);
	sprintf(text, "mmap(%#llx, %#zx, %d%s)", (unsigned long long)offset, bytes, prot,
		private ? ", private" : "");
	if (check_device(p == MAP_FAILED ? -errno : 0, allowed, text)) {
		if (fixed)
			make_hole(at, nr);
		return;
	}
	if (!fixed) {
		expect(mremap(p, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address(at)) ==
		       address(at), "mremap after %s", text);
		forget(at, nr);
	}
	for (i = 0; i < nr; i++)
		arena[at + i] = (struct page){
			.buf = hold(b), .nr = first + i, .prot = prot, .private = private,
		};
	split(at, nr);
}

static int pick_prot(void)
{
	return rnd(8) ? RW : rnd(2) ? PROT_READ : PROT_NONE;
}

static void op_munmap(void)
{
	unsigned int at, nr;

	if (!pick_pages(&at, &nr, false))
		return;
	check(error_of(munmap(address(at), nr * page_size)), OK, "munmap(%u, %u)", at, nr);
	make_hole(at, nr);
}

static void op_mprotect(void)
{
	const int prot = pick_prot();
	unsigned int at, nr, i;
	int ret;

	if (!pick_pages(&at, &nr, true))
		return;
	ret = check(error_of(mprotect(address(at), nr * page_size, prot)),
		    arena[at].private && prot & PROT_WRITE ? E(ACCES) : OK,
		    "mprotect(%u, %u, %d)", at, nr, prot);
	for (i = 0; !ret && i < nr; i++)
		arena[at + i].prot = prot;
	split(at, nr);
}

static void move_pages(unsigned int at, unsigned int nr, unsigned int to)
{
	static struct page moved[ARENA_PAGES];
	const size_t bytes = nr * page_size;
	unsigned int i;

	if (to < at + nr && at < to + nr)
		return;
	expect(mremap(address(at), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address(to)) ==
	       address(to), "mremap of %u, %u to %u", at, nr, to);
	memcpy(moved, &arena[at], nr * sizeof(*moved));
	for (i = 0; i < nr; i++)
		hold(moved[i].buf);
	forget(to, nr);
	make_hole(at, nr);
	memcpy(&arena[to], moved, nr * sizeof(*moved));
	split(to, nr);
}

static void op_mremap(void)
{
	unsigned int at, nr, less;
	void *p;

	if (!pick_pages(&at, &nr, true))
		return;
	switch (rnd(8)) {
	case 0: /* grow */
		p = mremap(address(at), nr * page_size, (nr + 1) * page_size, rnd(2));
		check(p == MAP_FAILED ? -errno : 0, E(FAULT), "mremap to grow %u, %u", at, nr);
		break;
	case 1: /* leave the old one behind */
		p = mremap(address(at), nr * page_size, nr * page_size,
			   MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
		check(p == MAP_FAILED ? -errno : 0, E(INVAL), "mremap to copy %u, %u", at, nr);
		break;
	case 2: /* shrink */
		less = rnd(nr);
		p = mremap(address(at), nr * page_size, (nr - less) * page_size, 0);
		expect(p == address(at), "mremap to shrink %u, %u by %u", at, nr, less);
		if (less)
			make_hole(at + nr - less, less);
		break;
	default:
		move_pages(at, nr, rnd(ARENA_PAGES - nr));
	}
}

static const struct {
	int advice;
	uint64_t allowed, in_pfn_mode;
} advices[] = {
	{ MADV_DONTNEED, OK, E(INVAL) },
	{ MADV_DONTFORK, OK, OK },
	{ MADV_COLD, OK, E(INVAL) },
	{ MADV_PAGEOUT, OK, E(INVAL) },
	{ MADV_WILLNEED, OK, OK },
	{ MADV_FREE, E(INVAL), E(INVAL) },
	{ MADV_DOFORK, E(INVAL), E(INVAL) },
	{ MADV_WIPEONFORK, E(INVAL), E(INVAL) },
	{ MADV_GUARD_INSTALL, E(INVAL), E(INVAL) },
	{ MADV_COLLAPSE, E(INVAL), E(INVAL) },
	{ MADV_POPULATE_READ, OK | E(FAULT) | E(INVAL), E(INVAL) },
	{ MADV_POPULATE_WRITE, OK | E(FAULT) | E(INVAL), E(INVAL) },
	{ MADV_HUGEPAGE, OK | E(INVAL), OK | E(INVAL) },
};

static void op_madvise(void)
{
	const unsigned int i = rnd(2) ? rnd(2) : rnd(ARRAY_SIZE(advices));
	const int advice = advices[i].advice;
	unsigned int at, nr, page;
	int ret;

	if (!pick_pages(&at, &nr, i > 1))
		return;
	ret = check(error_of(madvise(address(at), nr * page_size, advice)),
		    pfn ? advices[i].in_pfn_mode : advices[i].allowed,
		    "madvise(%u, %u, %d)", at, nr, advice);
	split(at, nr);
	for (page = at; !ret && page < at + nr; page++) {
		arena[page].nofork |= advice == MADV_DONTFORK;
		arena[page].zapped |= advice == MADV_DONTNEED;
	}
}

/* --- accesses ---------------------------------------------------------------- */

static void op_touch(void)
{
	size_t offset = rnd(page_size), length = 1 + rnd(rnd(4) ? 64 : page_size);
	unsigned int page, nr;
	const bool write = rnd(2);
	struct page *p;
	int sig;

	if (!rnd(16) || !pick_pages(&page, &nr, true))
		page = rnd(ARENA_PAGES);
	p = &arena[page];
	if (length > page_size - offset)
		length = page_size - offset;
	memset(tmp, random32(), length);
	tmp[rnd(length)] = random32();
	sig = write ? copy_signal(address(page) + offset, tmp, length) :
		      copy_signal(tmp, address(page) + offset, length);
	nr_done++;
	expect(sig == page_signal(p, write), "%s of page %u (prot %d%s): signal %d",
	       write ? "write" : "read", page, p->prot, p->zapped ? ", zapped" : "", sig);
	offset += p->nr * page_size;
	if (!sig && write)
		memcpy(p->buf->shadow + offset, tmp, length);
	else if (!sig)
		check_bytes(p->buf, offset, tmp, length);
}

static void check_pages(unsigned int at, unsigned int nr)
{
	const struct page *p;

	for (p = &arena[at]; p < &arena[at + nr]; p++)
		if (!page_signal(p, false))
			check_bytes(p->buf, p->nr * page_size, address(p - arena), page_size);
}

/* --- what keeps pages besides a mapping --------------------------------------- */

/* A page that a pipe has a reference to, whatever becomes of the buffer. */
static int pipe_fds[2];
static struct buffer *spliced;
static size_t spliced_at;

static void op_splice(void)
{
	struct iovec from = { .iov_len = page_size };
	unsigned int page, nr;
	uint64_t allowed;
	long n;

	if (spliced) {
		expect(read(pipe_fds[0], tmp, page_size) == (ssize_t)page_size, "read of a pipe");
		check_bytes(spliced, spliced_at, tmp, page_size);
		drop(spliced);
		spliced = NULL;
		return;
	}
	if (!pick_pages(&page, &nr, true))
		return;
	from.iov_base = address(page);
	allowed = pfn || page_signal(&arena[page], false) ? E(FAULT) : cma ? OK | E(FAULT) : OK;
	n = error_of(vmsplice(pipe_fds[1], &from, 1, 0));
	if (check(n == (long)page_size ? 0 : n, allowed, "vmsplice(%u)", page))
		return;
	spliced = hold(arena[page].buf);
	spliced_at = arena[page].nr * page_size;
}

#define SAMPLE 64

/* A process with a copy of the mappings, of which it looks at a page when it ends. */
static struct child {
	pid_t pid;
	int pipe;
	struct buffer *buf;
	size_t at;
	bool writes;
} child;

/* It is told what the page has then, unless that is not known, and writes if it may. */
static int be_child(int go, unsigned char *p, int sig)
{
	unsigned char found[SAMPLE], wanted[SAMPLE + 1];
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go, wanted, sizeof(wanted)) != sizeof(wanted))
		return 1;
	if (copy_signal(found, p, SAMPLE) != sig)
		return 2;
	if (!sig && wanted[SAMPLE] && memcmp(found, wanted, SAMPLE))
		return 3;
	for (i = 0; child.writes && i < SAMPLE; i++)
		p[i] = ~found[i];
	return 0;
}

static void end_child(void)
{
	unsigned char *p = child.buf->shadow + child.at, wanted[SAMPLE + 1];
	int i, end;

	memcpy(wanted, p, SAMPLE);
	wanted[SAMPLE] = child.buf->known;
	expect(write(child.pipe, wanted, sizeof(wanted)) == sizeof(wanted), "write to a child");
	end = end_of(child.pid);
	expect(!end, "exit %d of a child", end);
	for (i = 0; child.writes && i < SAMPLE; i++)
		p[i] = ~p[i];
	close(child.pipe);
	drop(child.buf);
	child.pid = 0;
}

static void op_fork(void)
{
	const struct page *p;
	unsigned int page, nr;
	int fds[2];

	if (child.pid)
		return end_child();
	if (!pick_pages(&page, &nr, true) || pipe(fds))
		return;
	p = &arena[page];
	child = (struct child){
		.pipe = fds[1], .buf = hold(p->buf), .at = p->nr * page_size,
		.writes = !p->nofork && !page_signal(p, true),
	};
	child.pid = fork();
	if (!child.pid)
		_exit(be_child(fds[0], address(page),
			       p->nofork ? SIGSEGV : page_signal(p, false)));
	expect(child.pid > 0, "fork");
	close(fds[0]);
	if (rnd(2))
		end_child();
}

#endif /* DMADEMO_FUZZ_H */
