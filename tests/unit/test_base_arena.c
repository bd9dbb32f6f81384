/* Arena and buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

static int order[8];
static int order_count;

static void note(void *subject)
{
	order[order_count++] = *(int *)subject;
}

static void allocations_are_apart_and_aligned(void **state)
{
	struct arena arena;
	(void)state;
	arena_init(&arena, 1u << 20);
	unsigned char *before = NULL;
	for (size_t size = 0; size < 200; size++) {
		unsigned char *at = arena_alloc(&arena, size);
		assert_non_null(at);
		assert_int_equal((uintptr_t)at % 16, 0);
		assert_ptr_not_equal(at, before);
		memset(at, (int)size, size);
		for (size_t i = 0; before && i + 1 < size; i++)
			assert_int_equal(before[i], size - 1);
		before = at;
	}
	arena_fini(&arena);
	assert_int_equal(arena.used_bytes, 0);
}

static void a_warm_arena_keeps_its_first_chunk(void **state)
{
	struct arena arena;
	(void)state;
	arena_init(&arena, 8u << 20);
	void *first = arena_alloc(&arena, 100);
	size_t held = arena.used_bytes;
	assert_non_null(arena_alloc(&arena, 100000));
	assert_true(arena.used_bytes > held);
	arena_reset(&arena);
	assert_int_equal(arena.used_bytes, held);
	assert_ptr_equal(arena_alloc(&arena, 100), first);
	arena_fini(&arena);
}

static void overflow_is_sticky_until_reset(void **state)
{
	struct arena arena;
	(void)state;
	arena_init(&arena, 40000);
	assert_non_null(arena_alloc(&arena, 10000));
	assert_null(arena_alloc(&arena, 50000));
	assert_true(arena.overflowed);
	assert_null(arena_alloc(&arena, 1));
	assert_null(arena_copy(&arena, SLICE("x")).at);
	assert_true(arena.used_bytes <= 40000);
	arena_reset(&arena);
	assert_false(arena.overflowed);
	assert_non_null(arena_alloc(&arena, 20000));
	assert_true(arena.used_bytes <= 40000);
	arena_fini(&arena);
}

static void sizes_that_wrap_are_refused(void **state)
{
	struct arena arena;
	(void)state;
	arena_init(&arena, SIZE_MAX);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	arena_reset(&arena);
	assert_null(arena_alloc(&arena, SIZE_MAX - 20));
	arena_reset(&arena);
	assert_null(arena_array(&arena, SIZE_MAX / 8, 16));
	arena_fini(&arena);
}

static void cleanups_run_last_first(void **state)
{
	static int ids[] = { 1, 2, 3, 4 };
	struct arena arena;
	(void)state;
	order_count = 0;
	arena_init(&arena, 20000);
	assert_true(arena_defer(&arena, note, &ids[0]));
	assert_true(arena_defer(&arena, note, &ids[1]));
	arena_reset(&arena);
	assert_int_equal(order_count, 2);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 1);
	assert_true(arena_defer(&arena, note, &ids[2]));
	assert_null(arena_alloc(&arena, 100000));
	assert_false(arena_defer(&arena, note, &ids[3]));
	assert_int_equal(order[2], 4);
	arena_fini(&arena);
	assert_int_equal(order_count, 4);
	assert_int_equal(order[3], 3);
}

static void copies_and_prints(void **state)
{
	struct arena arena;
	(void)state;
	arena_init(&arena, 1u << 20);
	struct slice copy = arena_copy(&arena, (struct slice) { "abcdef", 3 });
	assert_int_equal(copy.len, 3);
	assert_string_equal(copy.at, "abc");
	assert_string_equal(arena_copy(&arena, SLICE_NONE).at, "");
	assert_string_equal(arena_print(&arena, "%s-%d", "x", 42).at, "x-42");
	char *zero = arena_array(&arena, 10, 10);
	for (int i = 0; i < 100; i++)
		assert_int_equal(zero[i], 0);
	arena_fini(&arena);
}

/* Reading one byte past an allocation, or an allocation after reset, must be an error under the sanitizer. */
static void what_is_not_handed_out_is_poisoned(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	struct arena arena;
	arena_init(&arena, 1u << 20);
	char *at = arena_alloc(&arena, 24);
	assert_false(__asan_address_is_poisoned(at + 23));
	assert_true(__asan_address_is_poisoned(at + 24));
	char *next = arena_alloc(&arena, 8);
	assert_true(__asan_address_is_poisoned(next - 1));
	arena_reset(&arena);
	assert_true(__asan_address_is_poisoned(at));
	arena_fini(&arena);
#else
	skip();
#endif
}

static void a_buffer_grows(struct arena *arena)
{
	struct buffer buf;
	buffer_init(&buf, arena);
	buffer_append(&buf, SLICE_NONE);
	for (int i = 0; i < 10000; i++)
		buffer_append_format(&buf, "%04d", i);
	assert_false(buf.failed);
	assert_int_equal(buf.len, 40000);
	for (int i = 0; i < 10000; i += 777) {
		char want[16];
		snprintf(want, sizeof want, "%04d", i);
		assert_memory_equal(buf.at + (size_t)i * 4, want, 4);
	}
	buffer_fini(&buf);
	assert_int_equal(buf.len, 0);
}

static void buffers_grow(void **state)
{
	struct arena arena;
	(void)state;
	arena_init(&arena, 1u << 20);
	a_buffer_grows(NULL);
	a_buffer_grows(&arena);
	arena_fini(&arena);
}

static void numbers(void **state)
{
	struct buffer buf;
	(void)state;
	buffer_init(&buf, NULL);
	buffer_append_u64(&buf, 0);
	buffer_append_char(&buf, ' ');
	buffer_append_u64(&buf, UINT64_MAX);
	buffer_append_char(&buf, ' ');
	buffer_append_i64(&buf, INT64_MIN);
	buffer_append_char(&buf, ' ');
	buffer_append_i64(&buf, 7);
	assert_true(slice_equal(buffer_slice(&buf), SLICE("0 18446744073709551615 -9223372036854775808 7")));
	buffer_fini(&buf);
}

static void a_failed_buffer_stays_failed(void **state)
{
	struct arena arena;
	struct buffer buf;
	(void)state;
	arena_init(&arena, 20000);
	buffer_init(&buf, &arena);
	buffer_append(&buf, SLICE("ab"));
	assert_null(buffer_reserve(&buf, 50000));
	assert_true(buf.failed);
	buffer_append(&buf, SLICE("c"));
	buffer_append_char(&buf, 'd');
	buffer_append_u64(&buf, 1);
	buffer_append_format(&buf, "%d", 1);
	assert_true(slice_equal(buffer_slice(&buf), SLICE("ab")));
	assert_null(buffer_reserve(&buf, SIZE_MAX));
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_apart_and_aligned),
		cmocka_unit_test(a_warm_arena_keeps_its_first_chunk),
		cmocka_unit_test(overflow_is_sticky_until_reset),
		cmocka_unit_test(sizes_that_wrap_are_refused),
		cmocka_unit_test(cleanups_run_last_first),
		cmocka_unit_test(copies_and_prints),
		cmocka_unit_test(what_is_not_handed_out_is_poisoned),
		cmocka_unit_test(buffers_grow),
		cmocka_unit_test(numbers),
		cmocka_unit_test(a_failed_buffer_stays_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
