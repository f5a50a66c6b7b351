# To be added to build_others() in scripts/guest/lib.sh, after pfnmap's (and gup_test
# and dma_map_benchmark to GUEST_PROGRAMS, clients.sh to run_selftests):
	"${cc[@]}" -pthread -D_GNU_SOURCE= -I "$tests" -I "$LINUX" -o "$GUEST/kselftest/gup_test" \
		"$tests/mm/"{gup_test,vm_util,hugepage_settings}.c &&
	"${cc[@]}" -o "$GUEST/kselftest/dma_map_benchmark" "$LINUX/tools/dma/dma_map_benchmark.c"
