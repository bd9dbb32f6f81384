/* How the forwarder stands, for those who look from outside: /status and the gauges. Written by its thread at each
 * change, read by any. */
#ifndef HEADGATE_FORWARD_STANDING_H
#define HEADGATE_FORWARD_STANDING_H

#include <pthread.h>

#include "forward/sink.h"

struct buffer;

/* Halted: it will not go on before an operator has decided or repaired something. */
enum standing_state { STANDING_STARTING, STANDING_RUNNING, STANDING_STALLED, STANDING_HALTED, STANDING_STOPPED };

struct standing {
	pthread_mutex_t lock;
	struct journal *journal;
	enum standing_state state;
	int64_t since_ms; /* wall */
	char reason[496];
	uint32_t lane_count;
	struct sink_position lanes[JOURNAL_LANES_MAX]; /* what the sink has */
	struct tally_books books;
	int64_t oldest_ms; /* received_ms of the oldest record not settled; 0: none, or none read yet */
	uint32_t pending_series, oldest_series, halted_series;
	uint32_t kind_series[TALLY_KINDS]; /* state "pending" of records and of dead letters */
};

void standing_init(struct standing *standing, struct journal *journal);
void standing_fini(struct standing *standing);
/* `reason` NULL or "": none. */
void standing_set_state(struct standing *standing, enum standing_state state, const char *reason);
/* Also true if it is halted. */
bool standing_is_stalled(struct standing *standing);
bool standing_is_halted(struct standing *standing);
bool standing_has_caught_up(struct standing *standing);
/* Something is pending, and how old it is is not known. */
bool standing_misses_oldest(struct standing *standing);
void standing_set_oldest(struct standing *standing, int64_t received_ms);
/* What the sink has now, and in numbers. */
void standing_set_lanes(struct standing *standing, const struct sink_position *lanes, uint32_t lane_count,
                        const struct tally_books *books);
/* Brings the gauges up to date. */
void standing_publish(struct standing *standing);
/* Members of an open JSON object, each with a comma before it. */
void standing_write(struct standing *standing, struct buffer *json);

#endif
