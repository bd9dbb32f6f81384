/* The forms in which an event leaves: canonical event and dead letter (wire contract, `format` 1), and the list of
 * errors that answers and dead letters share. */
#ifndef HEADGATE_EVENT_WRITE_H
#define HEADGATE_EVENT_WRITE_H

#include "event/event.h"

/* Where an event came from, the same for all events of a request, and where it goes. */
struct event_origin {
	const struct source *source;
	const char *protocol;
	struct slice path;     /* of the request */
	struct slice position; /* text: <log id>/<lane>/<epoch>/<counter> */
	/* True if the event's schema has the name at any place: others may be somebody's data. NULL: none is known. */
	bool (*knows_name)(const struct event_schema *schema, struct slice name);
};

/* The value at a node of the event's document, less white space, with the event's edits. Nothing for one left out. */
void event_write_node(const struct event *ev, uint32_t node, struct buffer *out);
/* One JSON object without insignificant white space. Values are copied as bytes. */
void event_write_canonical(const struct event *ev, const struct event_origin *origin, struct buffer *out);
/* `payload_max` bounds the payload; a larger one is left out. */
void event_write_dead_letter(const struct event *ev, const struct event_origin *origin, size_t payload_max,
                             struct buffer *out);
/* `"errors":[…],"more_errors":N`. With `withhold` (NULL: all is written), names that neither events nor the schema have
 * become `*`. */
void event_write_errors(const struct event *ev, const struct event_origin *withhold, struct buffer *out);
/* Kafka record headers of an event in the form of event/headers.h: CloudEvents binary mode, without those that can be
 * told from the journal's record (specversion, partition key, content-type, position): the sink adds them. */
void event_write_headers(const struct event *ev, const struct event_origin *origin, struct buffer *out);
/* The record's key: the first of the pointers into the canonical event that leads to something; SLICE_NONE if none. */
struct slice event_key(const struct event *ev, const struct slice *pointers, size_t count, struct slice canonical,
                       struct arena *arena);

#endif
