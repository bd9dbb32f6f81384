#include "base/expiry_clock.h"

#include "base/clock.h"
#include "base/log.h"

#define SLEW_MS 1000 /* a lead that moved by less is not noted: the clock line is shared by all threads */

static struct expiry_clock process_clock;

static void believe(struct expiry_clock *clock, int64_t ahead_ms)
{
	atomic_store(&clock->ahead_ms, ahead_ms);
	if (atomic_exchange(&clock->doubt_ms, 0))
		log_info("clock_believed", "text=the wall clock rules what expires again");
}

static void doubt(struct expiry_clock *clock, int64_t boot_ms, int64_t leap_ms)
{
	int64_t none = 0;
	if (atomic_compare_exchange_strong(&clock->doubt_ms, &none, boot_ms))
		log_warn("clock_leapt", "ahead_ms=%lld text=nothing expires by it before it has lasted for a day",
		         (long long)leap_ms);
}

int64_t expiry_clock_step(struct expiry_clock *clock, int64_t wall_ms, int64_t boot_ms)
{
	int64_t fresh = 0;
	if (!atomic_load_explicit(&clock->begun, memory_order_acquire)) {
		atomic_store(&clock->ahead_ms, wall_ms - boot_ms);
		(void)atomic_compare_exchange_strong(&clock->begun, &fresh, 1);
	}
	int64_t believed = atomic_load_explicit(&clock->ahead_ms, memory_order_relaxed);
	int64_t leap_ms = wall_ms - boot_ms - believed;
	int64_t since = atomic_load_explicit(&clock->doubt_ms, memory_order_relaxed);
	if (leap_ms <= EXPIRY_CLOCK_LEAP_MS) {
		if (since || leap_ms > SLEW_MS || leap_ms < -SLEW_MS)
			believe(clock, wall_ms - boot_ms);
		return wall_ms;
	}
	if (!since) {
		doubt(clock, boot_ms, leap_ms);
	} else if (boot_ms - since >= EXPIRY_CLOCK_DOUBT_MS) {
		believe(clock, wall_ms - boot_ms);
		return wall_ms;
	}
	return boot_ms + believed;
}

int64_t expiry_clock_ms(void)
{
	return expiry_clock_step(&process_clock, clock_wall_ms(), clock_boot_ms());
}
