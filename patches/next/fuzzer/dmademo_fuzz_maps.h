/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mappings of a worker of dmademo_fuzz_test, and the calls that change them.
 */
#ifndef DMADEMO_FUZZ_MAPS_H
#define DMADEMO_FUZZ_MAPS_H

#include <linux/mman.h> /* more than some C libraries know */

#include "dmademo_fuzz.h"

/* Where no buffer is mapped there is PROT_NONE, so that nobody else gets the address. */
#define ARENA_PAGES 4096

static struct page {
	struct buffer *buf;	/* or NULL */
	unsigned int nr;	/* of it */
	int prot;
	bool first;		/* of a VMA */
	bool private, zapped, nofork;
} arena[ARENA_PAGES + 1];

static unsigned char *arena_memory;

static unsigned char *address(unsigned int page)
{
	return arena_memory + (size_t)page * page_size;
}

static int page_signal(const struct page *p, bool write)
{
	if (!p->buf || !(p->prot & (write ? PROT_WRITE : PROT_READ)))
		return SIGSEGV;
	return p->zapped ? SIGBUS : 0;
}

/* A mapping is no more. */
static void forget(unsigned int at, unsigned int nr)
{
	unsigned int i;

	for (i = at; i < at + nr; i++) {
		if (arena[i].buf)
			drop(arena[i].buf);
		arena[i] = (struct page){};
	}
	arena[i].first = true;
}

/* And there is nothing else. */
static void make_hole(unsigned int at, unsigned int nr)
{
	forget(at, nr);
	expect(mmap(address(at), nr * page_size, PROT_NONE, MAP_FIXED | MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == address(at), "no address space left");
}

/* Some pages that are mapped, of one VMA or of some that are neighbours. */
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
 * Maps pages of a buffer from a file.  The kernel chooses the address, which may suit
 * better than one of ours, and then it is moved to the arena; or it is there at once.
 */
static int map_pages(int file, uint64_t offset, struct buffer *b, unsigned int first,
		     unsigned int nr, int prot, bool private, unsigned int allowed)
{
	const unsigned int huge = PMD_BYTES / page_size;
	const bool fixed = allowed & OK && rnd(2);
	const size_t bytes = nr * page_size;
	unsigned int at = rnd(nr < ARENA_PAGES ? ARENA_PAGES - nr : 1), i;
	unsigned char *p;
	int ret;

	if (nr >= huge && rnd(4) && at >= huge)
		at -= (at - first) % huge;
	if (fixed)
		forget(at, nr);
	p = mmap(fixed ? address(at) : NULL, bytes, prot,
		 (private ? MAP_PRIVATE : MAP_SHARED) | (fixed ? MAP_FIXED : 0), file, offset);
	ret = check(p == MAP_FAILED ? -errno : 0, allowed, private ? "mmap private" : "mmap",
		    offset, bytes, prot);
	if (ret && fixed)
		make_hole(at, nr);
	if (ret)
		return ret;
	if (!fixed) {
		expect(mremap(p, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address(at)) ==
		       address(at), "mremap(%p, %zu) after mmap: %d", p, bytes, -errno);
		forget(at, nr);
	}
	for (i = 0; i < nr; i++)
		arena[at + i] = (struct page){
			.buf = hold(b), .nr = first + i, .prot = prot, .first = !i,
			.private = private,
		};
	return 0;
}

static int pick_prot(void)
{
	return rnd(8) ? RW : rnd(2) ? PROT_READ : PROT_NONE;
}

/* --- calls that change them --------------------------------------------------- */

/* A VMA is split where its pages come to differ. */
static void split(unsigned int at, unsigned int nr, bool first, bool last)
{
	arena[at].first |= first;
	arena[at + nr].first |= last;
}

static void op_munmap(void)
{
	unsigned int at, nr;

	if (!pick_pages(&at, &nr, false))
		return;
	check(error_of(munmap(address(at), nr * page_size)), OK, "munmap", at, nr, 0);
	make_hole(at, nr);
}

static void op_mprotect(void)
{
	const int prot = pick_prot();
	unsigned int at, nr, i;
	bool wrong;

	if (!pick_pages(&at, &nr, true))
		return;
	wrong = arena[at].private && prot & PROT_WRITE;
	check(error_of(mprotect(address(at), nr * page_size, prot)), wrong ? ACCES : OK,
	      "mprotect", at, nr, prot);
	if (!wrong && arena[at].prot != prot)
		split(at, nr, true, true);
	for (i = 0; !wrong && i < nr; i++)
		arena[at + i].prot = prot;
}

static void move_pages(unsigned int at, unsigned int nr, unsigned int to)
{
	static struct page moved[ARENA_PAGES];
	unsigned int i;
	void *p;

	if (to < at + nr && at < to + nr)
		return;
	p = mremap(address(at), nr * page_size, nr * page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
		   address(to));
	check(p == MAP_FAILED ? -errno : 0, OK, "mremap to", at, nr, to);
	for (i = 0; i < nr; i++) {
		moved[i] = arena[at + i];
		moved[i].first = !i;
		hold(moved[i].buf);
	}
	forget(to, nr);
	make_hole(at, nr);
	memcpy(&arena[to], moved, nr * sizeof(*moved));
}

static void op_mremap(void)
{
	unsigned int at, nr, more = 1 + rnd(8), allowed = INVAL;
	size_t old_bytes, bytes;
	int flags = MREMAP_MAYMOVE;
	void *p;

	if (!pick_pages(&at, &nr, true))
		return;
	old_bytes = nr * page_size;
	bytes = old_bytes;
	switch (rnd(8)) {
	case 0: /* grow */
		bytes += more * page_size;
		flags = rnd(2);
		allowed = FAULT;
		break;
	case 1: /* map it once more; if it is private there is a message in the log */
		if (arena[at].private)
			return;
		old_bytes = 0;
		allowed = FAULT;
		break;
	case 2: /* leave the old one behind */
		flags |= MREMAP_DONTUNMAP;
		break;
	case 3: /* move it, but it overlaps */
		flags |= MREMAP_FIXED;
		break;
	case 4: /* nothing */
		allowed = OK;
		break;
	case 5: /* shrink */
		more = more < nr ? more : nr - 1;
		bytes -= more * page_size;
		allowed = OK;
		break;
	default:
		return move_pages(at, nr, rnd(ARENA_PAGES - nr));
	}
	p = mremap(address(at), old_bytes, bytes, flags, address(at));
	check(p == MAP_FAILED ? -errno : 0, allowed, "mremap", at, nr, flags);
	expect(!(allowed & OK) || p == address(at), "mremap to %p", p);
	if (bytes < old_bytes)
		make_hole(at + nr - more, more);
}

#define ANY_ERROR (INVAL | ACCES | NODEV | NOTSUPP)

static const struct {
	int advice;
	bool whole;	/* VMAs, as it may be split where the flags of pages come to differ */
	unsigned int allowed, in_pfn_mode;
} advices[] = {
	{ MADV_DONTNEED, false, OK, INVAL },
	{ MADV_DONTFORK, false, OK, OK },
	{ MADV_COLD, false, OK, INVAL },
	{ MADV_PAGEOUT, false, OK, INVAL },
	{ MADV_WILLNEED, false, OK, OK },
	{ MADV_FREE, false, INVAL, INVAL },
	{ MADV_DOFORK, false, INVAL, INVAL },
	{ MADV_DODUMP, false, INVAL, INVAL },
	{ MADV_WIPEONFORK, false, INVAL, INVAL },
	{ MADV_GUARD_INSTALL, false, INVAL, INVAL },
	{ MADV_COLLAPSE, true, INVAL, INVAL },
	{ MADV_REMOVE, true, ANY_ERROR, ANY_ERROR },
	{ MADV_POPULATE_READ, true, OK | FAULT | INVAL, INVAL },
	{ MADV_POPULATE_WRITE, true, OK | FAULT | INVAL, INVAL },
	{ MADV_DONTDUMP, true, OK, OK },
	{ MADV_NORMAL, true, OK, OK },
	{ MADV_RANDOM, true, OK, OK },
	{ MADV_SEQUENTIAL, true, OK, OK },
	{ MADV_HUGEPAGE, true, OK | INVAL, OK | INVAL },
	{ MADV_NOHUGEPAGE, true, OK | INVAL, OK | INVAL },
	{ MADV_MERGEABLE, true, OK | INVAL, OK | INVAL },
};

static void op_madvise(void)
{
	const unsigned int i = rnd(2) ? rnd(2) : rnd(ARRAY_SIZE(advices));
	const int advice = advices[i].advice;
	unsigned int at, nr, page;
	int ret;

	if (!pick_pages(&at, &nr, advices[i].whole))
		return;
	for (; advices[i].whole && !arena[at].first; at--, nr++)
		;
	for (; advices[i].whole && arena[at + nr].buf && !arena[at + nr].first; nr++)
		;
	ret = error_of(madvise(address(at), nr * page_size, advice));
	check(ret, pfn ? advices[i].in_pfn_mode : advices[i].allowed, "madvise", at, nr, advice);
	if (advice == MADV_DONTFORK)
		split(at, nr, !arena[at].nofork, !arena[at + nr - 1].nofork);
	for (page = at; !ret && page < at + nr; page++) {
		arena[page].nofork |= advice == MADV_DONTFORK;
		arena[page].zapped |= advice == MADV_DONTNEED;
	}
}

#endif /* DMADEMO_FUZZ_MAPS_H */
