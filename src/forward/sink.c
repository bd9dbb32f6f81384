#include "forward/sink.h"

#include "base/clock.h"

void sink_init(struct sink *sink, const struct sink_ops *ops)
{
	sink->ops = ops;
	tally_init(&sink->tally);
	atomic_init(&sink->give_up_ms, SINK_NEVER);
	sink->beat = NULL;
	sink->beat_context = NULL;
	sink->knows_epoch = NULL;
	sink->epoch = 0;
	atomic_init(&sink->decided, false);
	sink->replaying = false;
}

void sink_beat(struct sink *sink, const char *reason)
{
	if (sink->beat)
		sink->beat(sink->beat_context, reason);
}

bool sink_gives_up(const struct sink *sink)
{
	int64_t at = atomic_load_explicit(&sink->give_up_ms, memory_order_relaxed);
	return at != SINK_NEVER && clock_monotonic_ms() >= at;
}
